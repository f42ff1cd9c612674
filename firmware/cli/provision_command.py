"""`scrubcam provision`: asks a site's questions, makes the unit, tests it, and says what is still missing."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace as with_answers
from rich.markup import escape

from firmware.cli.console import out, report_error
from firmware.config import Paths
from firmware.config_file import load
from firmware.errors import ConfigError, Refused, ScrubcamError
from firmware.paths import default_models_dir
from firmware.provision.answers import NONE, QUESTIONS, Answers, Question, check_all, read_answers
from firmware.provision.unit import USER, Identity, Places, provision, take_certificate

SELFTEST_S = 300.0
Text = Annotated[str, typer.Option(help="As asked; see the questions.")]
CONFIG_DIR = Path("/etc/scrubcam")


def register(app: typer.Typer) -> None:
    app.command("provision")(provision_unit)


def provision_unit(
    answers_file: Annotated[Path | None, typer.Option("--answers", help="A TOML file with the answers.")] = None,
    name: Text = "", room: Text = "", board: Text = "", source: Text = "", archive_key: Text = "",
    escrow_key: Text = "", broker_host: Text = "", broker_port: Text = "", broker_ca: Text = "",
    broker_certificate: Text = "", broker_key: Text = "", device_certificate: Text = "",
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Ask for what was not given.")] = True,
    replace: Annotated[bool, typer.Option("--replace", help="Let new answers replace files that are there.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Everything into this folder: a unit to try, without root.")
    ] = None,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Run the self-test at the end.")] = True,
) -> None:
    """Make this machine a unit: its identity, the site's keys and configuration; then test it.

    Asks for what is not given by options or --answers. An identity that is there is kept, always. Stopped half-way,
    nothing runs yet, and running it again completes it.
    """
    given = {field: text for field, text in (
        ("name", name), ("room", room), ("board", board), ("source", source), ("archive_key", archive_key),
        ("escrow_key", escrow_key), ("broker_host", broker_host), ("broker_ca", broker_ca),
        ("broker_certificate", broker_certificate), ("broker_key", broker_key),
        ("device_certificate", device_certificate),
    ) if text}
    places = _places(folder)
    if set(given) == {"device_certificate"} and not answers_file and places.config.exists():
        made = take_certificate(device_certificate, places, _say, replace=replace)
        _finish(_answers_of(places), places, made, test=test)
        return
    answers = with_answers(read_answers(answers_file) if answers_file else Answers(), **given)
    if broker_port:
        answers = _answered(answers, QUESTIONS_BY_FIELD["broker_port"], broker_port)
    if ask and sys.stdin.isatty():
        answers = _asked(answers, frozenset(given) if not answers_file else frozenset(Answers.__struct_fields__))
    check_all(answers)
    _finish(answers, places, provision(answers, places, _say, replace=replace), test=test)


QUESTIONS_BY_FIELD = {question.field: question for question in QUESTIONS}


def _say(text: str) -> None:
    out.print(f"[bold green]✓[/] {escape(text)}")


def _finish(answers: Answers, places: Places, made: Identity, *, test: bool) -> None:
    fit = _selftest(places) if test else None
    _tell_what_is_missing(answers, places, made, fit)
    if fit is False:
        raise typer.Exit(1)


def _answers_of(places: Places) -> Answers:
    """Those that matter afterwards, out of the configuration that is there. Raises ConfigError."""
    cfg = load(places.config)
    return Answers(name=cfg.device.name, source=cfg.source.uri, broker_host=cfg.mqtt.host,
                   escrow_key=NONE if cfg.recorder.escrow == "none" else "there")


def _places(folder: Path | None) -> Places:
    """The package's, for root; everything in one folder to try. Raises Refused, ConfigError."""
    if folder is not None:
        folder = folder.resolve()
        return Places(folder, folder / "recordings", folder / "state", folder / "run",
                      default_models_dir().resolve(), installed=False)
    if os.geteuid() != 0:
        raise Refused("a unit is made by root", meaning="Nothing was changed",
                      todo="run it with sudo, or with --dir FOLDER to try a unit without root")
    try:
        pwd.getpwnam(USER)
    except KeyError:
        raise ConfigError(f"this machine has no user {USER!r}", meaning="Nothing was changed",
                          todo="install the package (docs/first-unit.md), or try a unit with --dir FOLDER") from None
    paths = Paths()
    return Places(CONFIG_DIR, Path(paths.recordings_dir), Path(paths.state_dir), Path(paths.run_dir),
                  default_models_dir(), installed=True)


def _asked(answers: Answers, given: frozenset[str]) -> Answers:
    """Ask each question that was not answered, until its answer holds."""
    for question in QUESTIONS:
        if question.field in given or (question.only_with and not getattr(answers, question.only_with)):
            continue
        while True:
            text = typer.prompt(question.text, default=str(getattr(answers, question.field)), show_default=True)
            try:
                answers = _answered(answers, question, str(text).strip())
                break
            except ScrubcamError as error:
                report_error(error)
    return answers


def _answered(answers: Answers, question: Question, text: str) -> Answers:
    """Raises ScrubcamError when the answer does not hold."""
    if text:
        question.check(text, answers)
    elif question.needed:
        raise ConfigError("this needs an answer", todo="give one, or stop with Ctrl-C: nothing was changed so far")
    return with_answers(answers, **{question.field: int(text) if question.field == "broker_port" else text})


def _selftest(places: Places) -> bool:
    """With the unit's own configuration, and as the recorder's own user where there is one."""
    command = [sys.executable, "-m", "firmware.cli.main", "selftest", "--config", str(places.config)]
    out.print("[bold]Self-test[/] with this configuration:")
    try:
        if places.installed:
            user = pwd.getpwnam(USER)
            groups = os.getgrouplist(USER, user.pw_gid)
            return subprocess.run(command, timeout=SELFTEST_S, check=False, cwd="/", user=user.pw_uid,
                                  group=user.pw_gid, extra_groups=groups).returncode == 0
        return subprocess.run(command, timeout=SELFTEST_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        out.print(f"[bold red]✗[/] not done within {SELFTEST_S:.0f} s: this machine is too slow, or something hangs")
        return False


def _tell_what_is_missing(answers: Answers, places: Places, made: Identity, fit: bool | None) -> None:
    missing = []
    if fit is False:
        missing.append("The self-test did not pass: see above, and run `scrubcam selftest --config "
                       f"{places.config}` again.")
    if not (places.state_dir / "device.crt").exists():
        missing.append(f"No certificate of the site's device CA: have {made.request} certified, where the CA is "
                       f"(`scrubcam keys certify {made.request.name} --ca device-ca.pem --name {answers.name}`), then "
                       "`scrubcam provision --device-certificate FILE`. Until then the unit's key alone speaks for it.")
    if answers.source.startswith("/dev/") and not Path(answers.source).exists():
        missing.append(f"No camera at {answers.source}: plug it in, or look with `v4l2-ctl --list-devices`.")
    if answers.escrow_key == NONE:
        missing.append("No escrow key: whoever loses the archive's private key loses every recording.")
    if not answers.broker_host:
        missing.append("No broker: nothing is told to a fleet manager.")
    missing.append("No logins: the first is an administrator's, `scrubcam roles set NAME --role administrator --config "
                   f"{places.config}` while the unit runs.")
    out.print(f"\nThis unit is [bold]{escape(made.fingerprint)}[/]; write that down where the archive keeps its own.")
    out.print("[bold]Still missing:[/]")
    for text in missing:
        out.print(f"  - {escape(text)}")
    start = "systemctl restart scrubcam.target" if places.installed else f"scrubcam run --config {places.config}"
    out.print(f"Next: `{escape(start)}`; then wire and press the pedal: docs/first-unit.md.")
