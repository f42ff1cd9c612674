"""`scrubcam recordings`, `handover` and `hold`: what lies on a device, and where it goes from there."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from firmware.cli.console import err, human_bytes, human_time, out
from firmware.cli.talk import LoginOption, PassphraseFile, request_as
from firmware.config import Config
from firmware.errors import ConfigError, DamagedRecording, DiskFault, ScrubcamError
from firmware.export.handover import check_target, hand_over, to_hand_over
from firmware.messages import Hold, MayHandOver
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import Ledger
from firmware.vault.reader import Recording
from firmware.vault.retention import OnDevice, handed_over_unix_s, standing
from firmware.vault.seek import length_ns
from firmware.vault.survey import survey
from firmware.vault.timestamp_store import TimestampStore
from firmware.vault.writer import recording_path

ConfigFile = Annotated[Path, typer.Option("--config", help="The device's scrubcam.toml.")]
MOST_NAME = 40
MOST_REASON = 200


def register(app: typer.Typer) -> None:
    app.command("recordings")(recordings)
    app.command("handover")(handover)
    app.command("hold")(hold)


def recordings(
    config: ConfigFile,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that were deleted, and where their copies went.")
    ] = False,
) -> None:
    """List what is on the device: state, length, size, whether it was handed over, how long it is kept and why."""
    settings = _load(config)
    if deleted:
        _list_deleted(Ledger.of_device(settings.paths.state_dir))
        return
    listed = survey(settings.paths.targets, Ledger.of_device(settings.paths.state_dir))
    if not listed:
        out.print("No recordings on this device.")
        return
    now = time.time()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("recording", "made", "state", "length", "size", "handed over", "kept until", "deleted?"):
        table.add_column(name, justify="right" if name in ("length", "size") else "left", no_wrap=name == "recording")
    for one in listed:
        stands, handed_over = standing(one, settings.retention, now), handed_over_unix_s(one)
        colour = "" if one.state == "sealed" else "red" if one.state == "damaged" else "yellow"
        until = stands.kept_until_unix_s
        table.add_row(
            one.recording_id, _day(one.made_unix_s, clock=True), f"[{colour}]{one.state}[/]" if colour else one.state,
            _length(one), human_bytes(one.size_bytes),
            f"[green]{_day(handed_over)}[/]" if handed_over is not None else "[yellow]no[/]",
            _day(until) if until is not None else "no limit", escape(("yes: " if stands.over else "no: ") + stands.why),
        )
    out.print(table)
    waiting = [one for one in listed if handed_over_unix_s(one) is None]
    size = human_bytes(sum(one.size_bytes for one in listed))
    out.print(f"{len(listed)} recordings, {size}; {len(waiting)} not handed over: those are never deleted.")


def _list_deleted(ledger: Ledger) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("recording", "deleted", "why", "handed over", "to"):
        table.add_column(name, no_wrap=name == "recording")
    for recording_id in ledger.ids("deleted"):
        mark = ledger.marked(recording_id, "deleted")
        for copy in ledger.handovers(recording_id):
            table.add_row(recording_id, _day(mark.unix_s if mark else 0.0), mark.reason if mark else "",
                          _day(copy.unix_s), escape(f"{copy.target}: {copy.path}"))
    out.print(table if table.row_count else "None was deleted.")


def handover(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder on a removable drive or mounted share.")],
    config: ConfigFile,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only this recording; repeat for several.")] = None,
    name: Annotated[str, typer.Option(help="What the ledger calls the target; never a patient's name.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Also what was handed over before.")] = False,
    same_disk: Annotated[
        bool, typer.Option("--same-disk", help="The folder may be on the recordings' own disk: others fetch from it.")
    ] = False,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Copy recordings, with their keys, to another disk; check every byte there; write down that it was done.

    A copy opens with the archive's key alone. Only what was handed over may ever be deleted on the device.
    """
    settings = _load(config)
    label = name or target.resolve().name or "/"
    if len(label) > MOST_NAME or not label.isprintable():
        raise ConfigError(f"the target's name has more than {MOST_NAME} characters, or some that cannot be printed",
                          todo="give a short --name")
    if login:
        request_as(settings, MayHandOver(uuid.uuid4().hex), login, passphrase_file)
    check_target(str(target), settings.paths.targets, same_disk=same_disk)
    ledger = Ledger.of_device(settings.paths.state_dir)
    listed = survey(settings.paths.targets, ledger)
    chosen = to_hand_over(listed, ids or (), again=again)
    for one in listed:
        if one.state not in ("sealed", "interrupted"):
            err.print(f"[yellow]{one.recording_id} is {one.state}: it is not handed over.[/]")
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err,
                  transient=True) as bar:
        task = bar.add_task("handing over", total=sum(2 * one.size_bytes for one in chosen))
        before = {one.recording_id: sum(2 * other.size_bytes for other in chosen[:n]) for n, one in enumerate(chosen)}

        def show(recording_id: str, done: int, _total: int) -> None:
            bar.update(task, description=recording_id, completed=before[recording_id] + done)

        stamps = TimestampStore.of_device(settings.paths.state_dir)
        result = hand_over(chosen, Keystore.of_device(settings.paths.state_dir), ledger, str(target), label, time.time,
                           show, stamps.of, origin=login or "operator")
    for recording_id in result.done:
        out.print(f"[bold green]Handed over[/] {escape(str(target / recording_id))}.scrub, every byte checked there")
    awaited = sum(1 for recording_id in result.done if stamps.awaited(recording_id))
    if awaited:
        out.print(f"{awaited} of them still wait for a timestamp: hand them over there once more with --again, later.")
    if not chosen:
        out.print("Everything that is closed was handed over before.")
    for recording_id, fault in result.failed.items():
        err.print(f"[bold red]{recording_id}:[/] {escape(str(fault))}")
    if result.failed:
        left = len(chosen) - len(result.done)
        kind = DiskFault if any(isinstance(fault, DiskFault) for fault in result.failed.values()) else ScrubcamError
        raise kind(f"{left} of {len(chosen)} recordings were not handed over", meaning="They stay on the device",
                   todo="see above")


def hold(
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="The recording.")],
    config: ConfigFile,
    reason: Annotated[str, typer.Option(help="Why it must be kept; never patient data.")] = "",
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Keep a recording on the running device whatever retention says, until the hold is released.

    Needs the privacy officer or an administrator.
    """
    if len(reason) > MOST_REASON:
        raise ConfigError(f"the reason has more than {MOST_REASON} characters", todo="say it shorter")
    request_as(_load(config), Hold(uuid.uuid4().hex, recording_id, reason, release), login, passphrase_file)
    out.print(f"{recording_id} is {'no longer held' if release else 'held'}.")


def _load(config: Path) -> Config:
    from firmware.config_file import load

    return load(config)


def _day(unix_s: float, *, clock: bool = False) -> str:
    return time.strftime("%Y-%m-%d %H:%M" if clock else "%Y-%m-%d", time.localtime(unix_s)) if unix_s else "-"


def _length(one: OnDevice) -> str:
    """From its first picture to its last; what has no end, or no picture, has no length yet."""
    if not one.chain:
        return "-"
    try:
        with Recording.open(recording_path(one.folder, one.recording_id)) as recording:
            return human_time(length_ns(recording) / 1e9)
    except DamagedRecording:
        return "-"
