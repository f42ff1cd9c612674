"""`scrubcam erase` and `scrubcam certificate`: make a recording unreadable for good, and prove that it was done."""

from __future__ import annotations

import datetime
import hashlib
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile, ToTheRecorder, connect, log_in, lost, wait_for
from firmware.errors import ConfigError, Refused, ScrubcamError
from firmware.ipc import ChannelClosed
from firmware.messages import Answer, Command, Event, StateReport, Subscribe

if TYPE_CHECKING:
    from firmware.vault.certificate import Certificate

ConfigFile = Annotated[Path, typer.Option("--config", help="The running device's scrubcam.toml.")]
ERASED_TIMEOUT_S = 60.0
OUTCOMES = ("erased", "erase-failed")


def register(app: typer.Typer) -> None:
    app.command("erase")(erase)
    app.command("certificate")(certificate)


def erase(
    recording: Annotated[str, typer.Argument(help="The recording's id: its file name without `.scrub`.")],
    config: ConfigFile,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Erase a recording for good: its key is destroyed, its files are removed, a certificate is signed.

    Needs the privacy officer's login. Copies that left the device are not erased. docs/consent.md says more.
    """
    from firmware.config_file import load

    settings = load(config)
    if not yes:
        typer.confirm(f"Erase {recording} for good? Nobody can bring it back", abort=True)
    channel = connect(settings)
    try:
        if login:
            log_in(channel, login, passphrase_file)
        channel.send(Subscribe(after_seq=-1))
        wait_for(channel, StateReport)
        channel.send(Command(id=uuid.uuid4().hex, verb="erase", recording=recording))
        answer = wait_for(channel, Answer)
        if not answer.ok:
            raise Refused(f"erase was refused: {answer.reason or answer.state}", meaning="Nothing was erased")
        event = _outcome(channel, recording)
    except ChannelClosed:
        raise lost() from None
    finally:
        channel.close()
    if event.kind != "erased":
        raise ScrubcamError(f"{recording} is not erased: {event.fields.get('problem', '')}",
                            todo="look at the device; what was begun goes on when it starts again")
    out.print(f"[bold]{recording}[/]  erased; {event.fields['files']} files removed")
    out.print(f"  certificate, SHA-256 {event.fields['certificate_sha256']}")
    out.print(f"  to see it: scrubcam certificate {recording} --config {escape(str(config))}")


def certificate(
    what: Annotated[str, typer.Argument(help="An erased recording's id (with --config), or a certificate file.")],
    config: Annotated[Path | None, typer.Option("--config", help="The device that erased it.")] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="List of trusted devices: fingerprints or public keys.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the certificate to this file.")] = None,
) -> None:
    """Show an erasure's certificate, its signature checked."""
    from firmware.durable import write_durably
    from firmware.vault.certificate import checked
    from firmware.vault.device_key import load_trust_list

    data = _found(what, config)
    said = checked(data, load_trust_list(str(trust)) if trust is not None else None)
    if output is not None:
        write_durably(str(output), data, exclusive=True)
    _show(said, data, judged=trust is not None)


def _found(what: str, config: Path | None) -> bytes:
    from firmware.config_file import load
    from firmware.vault.erasure import certificate_path

    path = Path(certificate_path(load(config).paths.state_dir, what)) if config is not None else Path(what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The certificate {path} cannot be read ({error.strerror})",
                          todo="name a file, or an erased recording's id with --config") from None


def _show(said: Certificate, data: bytes, *, judged: bool) -> None:
    from firmware.vault.device_key import fingerprint

    how, took = said.sanitization, said.key_destroyed_after_s
    out.print(f"[bold]{said.recording_id}[/]  erased; {said.order.cause} ({said.order.role or 'unknown'})")
    out.print(f"  ordered {_utc(said.order.unix_s)}, key destroyed {_utc(said.key_destroyed_unix_s)}"
              + (f" ({took:.3f} s after the order)" if took is not None else " (after a restart)"))
    out.print(f"  {how.standard}: {how.method}, {how.technique}")
    out.print(f"  key: {how.key}")
    out.print(f"  ciphertext: {how.ciphertext}; {len(said.files)} files")
    out.print(f"  device {escape(said.device.name)}  {fingerprint(said.device.public_key)}"
              + ("  trusted" if judged else "  (not checked whose it is: --trust)"))
    out.print("  not covered:")
    for copy in said.copies:
        out.print(f"    a copy at {escape(copy.target)}, {_utc(copy.unix_s)}")
    for sentence in said.not_covered:
        out.print(f"    {escape(sentence)}")
    out.print(f"  SHA-256 {hashlib.sha256(data).hexdigest()}")


def _utc(unix_s: float) -> str:
    """Seconds since 1970 as people write it in a document."""
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).isoformat(timespec="milliseconds")


def _outcome(channel: ToTheRecorder, recording: str) -> Event:
    deadline = time.monotonic() + ERASED_TIMEOUT_S
    while (left := deadline - time.monotonic()) > 0:
        message = channel.recv(left)
        if isinstance(message, Event) and message.kind in OUTCOMES and message.recording_id in (recording, ""):
            return message  # "": what is no recording's id is not repeated
    raise ScrubcamError(f"{recording}: the erasure is not done yet", meaning="Its key may be destroyed already",
                        todo="ask the device for the certificate later")
