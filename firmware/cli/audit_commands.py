"""`scrubcam audit`: check, show and export the device's audit log."""

from __future__ import annotations

import datetime
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.audit import chain
from firmware.audit.log_file import export_text, read_export
from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile, away, log_in, log_pages, lost
from firmware.config import Config
from firmware.errors import DamagedRecording, DiskFault, ScrubcamError
from firmware.ipc import ChannelClosed
from firmware.recorder.journal import JOURNAL_NAME, Journal
from firmware.recorder_socket import connect_to_recorder
from firmware.vault.device_key import PUBLIC_NAME, public_key_of, signature_holds

MOST_SHOWN = 20
ConfigFile = Annotated[Path, typer.Option("--config", help="The device's scrubcam.toml.")]

audit_app = typer.Typer(help="Check, show and export the audit log.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(audit_app, name="audit")


@audit_app.callback()
def audit() -> None:
    """Check, show and export the audit log."""


@audit_app.command("verify")
def verify(
    config: Annotated[Path | None, typer.Option("--config", help="Check the log of the device of this file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Check an exported log instead.")] = None,
    device: Annotated[Path | None, typer.Option("--device", help="With --file: the device's device.pub.")] = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="NUMBER:CHAIN of an event that the fleet holds; repeat for several."),
    ] = None,
) -> None:
    """Check every line, link and signature, and that nothing is missing. Names each line that is not as written.

    Lines that were cut off at the end are seen only with a --head from outside the device.
    """
    if file is not None and device is not None:
        public, rows = public_key_of(str(device)), read_export(file)
    elif config is not None and file is None:
        settings = _load(config)
        public, rows = public_key_of(os.path.join(settings.paths.state_dir, PUBLIC_NAME)), _rows(settings)
    else:
        raise typer.BadParameter("give --config, or --file and --device")
    found = chain.verify(rows, lambda signature, data: signature_holds(public, signature, data), map(_head, head or ()))
    for finding in found.findings[:MOST_SHOWN]:
        out.print(f"[bold red]{finding.seq}[/]  {escape(finding.what)}")
    if found.findings:
        raise DamagedRecording(
            f"the audit log is not as it was written: {len(found.findings)} findings, the first at line"
            f" {found.findings[0].seq}", todo="keep the device as it is and compare with what the fleet holds",
        )
    out.print(f"[bold green]whole[/]  {found.lines} lines, head {found.last.seq}:{found.last.chain.hex()}")


@audit_app.command("show")
def show(
    config: ConfigFile,
    last: Annotated[int, typer.Option(help="How many of the newest lines; 0: all.", min=0)] = 50,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show the log, oldest first: number, time (UTC), kind, recording, details. A running device notes who reads it."""
    for row in deque(_told(_load(config), login, passphrase_file), maxlen=last or None):
        try:
            event = chain.event_of(row.line)
        except ValueError:
            out.print(f"{row.seq}  [bold red]not a line of this log[/]")
            continue
        at = datetime.datetime.fromtimestamp(event.unix_s, datetime.timezone.utc).isoformat(timespec="milliseconds")
        details = "  ".join(f"{name}={value}" for name, value in event.fields.items())
        out.print(f"{row.seq}  {at}  [bold]{escape(event.kind)}[/]  {event.recording_id}  {escape(details)}".rstrip())


@audit_app.command("export")
def export(
    config: ConfigFile,
    to: Annotated[Path, typer.Option("-o", "--out", help="A new file.")],
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the whole log, with chain values and signatures, as a text file. docs/audit.md has its form.

    A running device notes who reads it.
    """
    from firmware.durable import write_durably

    lines = b"".join(export_text(_told(_load(config), login, passphrase_file)))
    try:
        write_durably(str(to), lines, exclusive=True)
    except FileExistsError:
        raise DiskFault(f"{to} is there already", meaning="Nothing was written", todo="name a new file") from None
    out.print(f"[bold]{escape(str(to))}[/]  {lines.count(10)} lines")


def log_lines(config: Path, login: str, passphrase_file: Path | None) -> Iterator[chain.Row]:
    """Every line of a device's log, from the running recorder, which notes who reads; else from its file."""
    return _told(_load(config), login, passphrase_file)


def _load(config: Path) -> Config:
    from firmware.config_file import load

    return load(config)


def _told(settings: Config, login: str, passphrase_file: Path | None) -> Iterator[chain.Row]:
    """Every line, from the running recorder. With none that runs, from the file, for whoever may read that."""
    try:
        channel = connect_to_recorder(Path(settings.paths.run_dir))
    except (FileNotFoundError, ConnectionRefusedError):
        if login:
            raise away(Path(settings.paths.run_dir)) from None  # nobody is there who could check the passphrase
        yield from _rows(settings)
        return
    except OSError as error:
        raise ScrubcamError(f"The recorder cannot be asked ({error.strerror})",
                            todo="run this as the device's own user, or as a member of access.group") from None
    try:
        if login:
            log_in(channel, login, passphrase_file)
        for page in log_pages(channel):
            yield from (chain.Row(line.seq, line.line, line.chain, line.signature) for line in page)
    except ChannelClosed:
        raise lost() from None
    finally:
        channel.close()


def _rows(settings: Config) -> Iterator[chain.Row]:
    path = os.path.join(settings.paths.state_dir, JOURNAL_NAME)
    if not os.path.exists(path):
        raise DiskFault(f"there is no audit log {path}", todo="name the configuration of a device that has run here")
    journal = Journal(path, readonly=True)
    try:
        yield from journal.rows()
    finally:
        journal.close()


def _head(text: str) -> chain.Head:
    number, _, value = text.partition(":")
    try:
        return chain.Head(int(number), bytes.fromhex(value))
    except ValueError:
        raise typer.BadParameter(f"--head {text}: write NUMBER:CHAIN, as `scrubcam audit verify` prints it") from None
