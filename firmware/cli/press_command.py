"""`scrubcam audit presses`: what each press of a pedal or button did, and how long each step of it took."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from firmware.audit import chain
from firmware.audit.presses import PressTold, presses
from firmware.cli.audit_commands import audit_app, log_lines
from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile


def register() -> None:
    audit_app.command("presses")(show_presses)


def show_presses(
    config: Annotated[Path, typer.Option("--config", help="The device's scrubcam.toml.")],
    last: Annotated[int, typer.Option(help="How many of the newest presses; 0: all.", min=0)] = 50,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show what was pressed, what it did, and how long after the contact closed the light answered, the gesture was
    known and the first sealed bytes were on the disk (ms). A running device notes who reads it."""
    events = []
    for row in log_lines(config, login, passphrase_file):
        try:
            events.append(chain.event_of(row.line))
        except ValueError:
            continue  # `scrubcam audit verify` names it
    table = Table("time (UTC)", "pressed", "means", "did", "light", "known", "on the disk", "recording")
    for press in presses(events)[-last:]:
        at = datetime.datetime.fromtimestamp(press.unix_s, datetime.timezone.utc).isoformat(timespec="milliseconds")
        table.add_row(at, f"{press.line} {press.how}", _means(press), escape(_did(press)), _ms(press.light_ms),
                      _ms(press.known_ms), _ms(press.disk_ms), press.recording_id)
    out.print(table)


def _means(press: PressTold) -> str:
    return escape(f"{press.action} ({press.surgeon})" if press.surgeon else press.action)


def _did(press: PressTold) -> str:
    return f"{press.did}: {press.reason}" if press.reason else press.did


def _ms(wait_ms: float | None) -> str:
    return "" if wait_ms is None else f"{wait_ms:.0f} ms"
