"""`scrubcam ask` and `scrubcam board`: a hand on a running device, from the same machine."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile, away, connect, log_in, wait_for
from firmware.config import Config
from firmware.errors import ConfigError, Refused
from firmware.ipc import ChannelClosed
from firmware.messages import Answer, Command, Consent, StateReport, Subscribe, Verb

ConfigFile = Annotated[Path, typer.Option("--config", help="The running device's scrubcam.toml.")]


def register(app: typer.Typer) -> None:
    app.command("ask")(ask)
    app.command("board")(board)


def ask(
    verb: Annotated[Verb, typer.Argument(help="What to ask for.")],
    config: ConfigFile,
    note: Annotated[str, typer.Option(help="Goes with a bookmark.")] = "",
    by: Annotated[str, typer.Option(help="With consent: who gave it.")] = "",
    evidence: Annotated[str, typer.Option(help="With consent: on what evidence.")] = "",
    purpose: Annotated[str, typer.Option(help="With consent: what the recording is for.")] = "",
    audio: Annotated[bool, typer.Option("--audio", help="With consent: it covers sound too.")] = False,
    state: Annotated[str, typer.Option(help="With consent: given, refused or withdrawn.")] = "given",
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask a running device: status, consent, start, bookmark, pause, resume or stop.

    Example: `scrubcam ask consent --by "Dr. N." --evidence "signed form" --purpose teaching --config scrubcam.toml`
    """
    consent = _consent(state, audio, by, evidence, purpose) if verb == "consent" else None
    channel = connect(_load(config))
    try:
        if login:
            log_in(channel, login, passphrase_file)
        channel.send(Subscribe(after_seq=2**62))
        told = wait_for(channel, StateReport)
        command = Command(id=uuid.uuid4().hex, verb=verb, note=note, consent=consent)
        channel.send(command)
        answer = wait_for(channel, Answer)
    except ChannelClosed:
        raise away(config) from None
    finally:
        channel.close()
    if not answer.ok:
        raise Refused(f"{verb} was refused: {answer.reason or answer.state}", todo="meet the condition and ask again")
    out.print(f"[bold]{answer.state}[/]" + (f"  {escape(answer.reason)}" if answer.reason else ""))
    if verb == "status":
        on_disk = f"{told.durable_bytes} bytes on the disk" if told.recording_id else "no recording"
        out.print(f"  disk: {told.hours_left:.1f} h left at the present rate")
        out.print(f"  consent {told.consent}; {on_disk}; {escape(told.fault or told.refusal or 'no fault')}")


def board(
    words: Annotated[list[str], typer.Argument(help="e.g. `tap pedal 0.15`, `press privacy`, `lights`, `log`.")],
    config: ConfigFile,
) -> None:
    """Press the pedal of a simulated board, or look at its lights. docs/hardware.md lists the words."""
    from hw.sim.board_wire import BoardRemote

    settings = _load(config)
    if settings.board.kind != "sim":
        raise ConfigError(f"{config}: board.kind is {settings.board.kind!r}", todo="press the real pedal")
    try:
        remote = BoardRemote(settings.paths.run_dir)
    except OSError:
        raise away(config) from None
    try:
        answer = remote.ask(" ".join(words))
    except ValueError as error:
        raise Refused(f"The board does not know that: {error}", todo="see docs/hardware.md") from None
    finally:
        remote.close()
    out.print_json(json.dumps({name: value for name, value in answer.items() if name != "ok"} or {"done": True}))


def _load(config: Path) -> Config:
    from firmware.config_file import load

    return load(config)


def _consent(state: str, audio: bool, by: str, evidence: str, purpose: str) -> Consent:
    if state == "given" and not (by and evidence and purpose):
        raise ConfigError("A consent names who gave it, on what evidence, and for what",
                          todo="add --by, --evidence and --purpose")  # fmt: skip
    for known in ("given", "refused", "withdrawn"):
        if state == known:
            given = state == "given"
            return Consent(known, video=given, audio=given and audio, by=by, evidence=evidence, purpose=purpose)
    raise ConfigError(f"--state {state}: allowed are given, refused and withdrawn")
