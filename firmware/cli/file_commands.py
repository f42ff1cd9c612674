"""`scrubcam info` and `export`: what is in a sealed file, and the way out of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from firmware.cli.console import SealedFile, bytes_bar, human_bytes, human_time, out
from firmware.errors import ConfigError
from firmware.messages import FieldZone
from firmware.vault.format import ClockInfo, PublicConsent, PublicRecipient


def register(app: typer.Typer) -> None:
    app.command("info")(info)
    app.command("export")(export)


def info(file: SealedFile) -> None:
    """What is in a sealed file, read without any key. It tells what the file says; `verify` proves it."""
    from firmware.vault.reader import Recording

    with Recording.open(str(file)) as recording:
        told = recording.info()
    header = told.header
    start_ns = told.first_pts_ns or 0
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows: list[tuple[str, str]] = [
        ("recording", header.recording_id),
        ("device", f"{header.device.name}  key {told.device_fingerprint}"),
        ("made", f"{_when(header.created_unix_s)} with {header.software}; clock: {_clock(header.clock)}"),
        ("state", told.state + (f" ({told.end.reason})" if told.end and told.end.reason else "")),
        ("consent", f"{header.consent.state}: {_modalities(header.consent)}"),
        ("opens with", ", ".join(_recipient(one) for one in header.recipients)),
        ("its keys", "attached" if told.key_envelope else "not attached: in the device's keystore"),
        ("length", f"{human_time(told.duration_ns / 1e9)} in {told.fragments} fragments"),
        ("size", f"{human_bytes(told.size_bytes)} ({human_bytes(told.media_bytes)} of picture and sound)"),
        ("frames", f"{told.frames}: {told.clean} clean, {told.masked} masked, {told.blanked} blanked"),
    ]
    for stream in told.streams:
        rate = f"{stream.rate_num / stream.rate_den:.6g} frames/s" if stream.rate_num else "variable rate"
        rows.append(("picture", f"{stream.codec} {stream.width}x{stream.height}, {rate}, encoder {stream.encoder}"))
        rows.append(("looked for", ", ".join(stream.detectors) or "nothing: no detector ran"))
        rows.append(("sound", stream.sound_codec or "none"))
        rows += [("always filled", name) for name in stream.site_zones]
        rows += [("left visible", _left_visible(zone, stream.profile)) for zone in stream.field_zones]
    rows.append(("privacy", told.statement))
    rows += [("bookmark", human_time((pts - start_ns) / 1e9)) for pts in told.bookmarks_ns]
    rows += [
        ("gap", f"at {human_time((gap.pts_ns - start_ns) / 1e9)} for {gap.duration_ns / 1e9:.2f} s")
        for gap in told.gaps
    ]
    for name, value in rows:
        table.add_row(f"[bold]{name}[/]", escape(value))
    out.print(table)
    if told.problem:
        out.print(f"[yellow]Reading stopped at {escape(told.problem.text)}.[/] Run `scrubcam verify` on it.")


def export(
    file: SealedFile,
    key: Annotated[Path, typer.Option("--key", help="The archive's private key (archive.key).")],
    out_mp4: Annotated[Path | None, typer.Option("-o", "--out", help="The MP4; default: FILE with .mp4.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Export what is whole of a damaged file.")] = False,
    from_time: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Export a part: from here on. h:mm:ss or seconds.")
    ] = "",
    to_time: Annotated[str, typer.Option("--to", metavar="TIME", help="Export a part: up to here.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the MP4 if it is there.")] = False,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for the private key's passphrase.")] = False,
    keystore: Annotated[
        Path | None, typer.Option("--keystore", help="The device's keystore, for a file without its keys attached.")
    ] = None,
) -> None:
    """Open a sealed file with the archive's key and write a plain MP4. The MP4 is not encrypted.

    With --from and --to only that part is read, from the keyframe before it on (at most a second earlier). Times count
    from the recording's first frame.
    """
    from firmware.export.sealed import export_clip, export_sealed
    from firmware.vault.keys import PrivateKey
    from firmware.vault.keystore import Keystore

    secret = typer.prompt("Passphrase", hide_input=True) if passphrase else None
    private = PrivateKey.load(str(key), secret)
    target = out_mp4 or file.with_suffix(".mp4")
    if key.exists() and target.exists() and key.samefile(target):
        raise ConfigError(f"{target} is the private key", meaning="It was left as it is",
                          todo="choose another name for the MP4")
    store = Keystore(str(keystore)) if keystore else None
    if from_time or to_time:
        if partial:
            raise ConfigError("--partial is for whole exports",
                              todo="leave it out: a part is exported as far as it is whole")
        clip = export_clip(file, private, target, _seconds(from_time or "0"), _seconds(to_time or "inf"), force=force,
                           keystore=store)
        out.print(f"[bold green]Exported[/] {escape(str(target))}, from {human_time(clip.begins_s)}")
        out.print(f"  {human_time(clip.seconds)}, {clip.frames} frames, {human_bytes(clip.size_bytes)}")
        out.print(f"  {escape(clip.statement)}")
        out.print("  The rest of the recording was not checked: `scrubcam verify` does that.")
        return
    with bytes_bar("exporting") as bar:
        task = bar.add_task("exporting", total=file.stat().st_size if file.exists() else None)
        result = export_sealed(
            file, private, target, lambda done: bar.update(task, completed=done), partial=partial, force=force,
            keystore=store,
        )
    out.print(f"[bold green]Exported[/] {escape(str(target))}")
    out.print(f"  {human_time(result.seconds)}, {result.frames} frames, {human_bytes(target.stat().st_size)}")
    out.print(f"  {escape(result.statement)}")
    if result.stopped_at:
        out.print(f"[yellow]Only what stands before the damage: {escape(result.stopped_at)}[/]")


def _seconds(text: str) -> float:
    """Seconds from `h:mm:ss.f`, `mm:ss` or plain seconds. Raises ConfigError."""
    try:
        parts = [float(part) for part in text.split(":")]
        if not 1 <= len(parts) <= 3 or not all(part >= 0 for part in parts):
            raise ValueError(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time", todo="write seconds, mm:ss or h:mm:ss, as in 1:02:30") from error
    return sum(part * 60.0**place for place, part in enumerate(reversed(parts)))


def _left_visible(zone: FieldZone, profile: str) -> str:
    place = f"{zone.w:.0%} by {zone.h:.0%} of the picture, from x {zone.x:.0%}, y {zone.y:.0%}"
    return f"faces in {zone.name} ({profile}): {place}"


def _when(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(unix_s))


def _clock(clock: ClockInfo) -> str:
    return f"{clock.source}, {'synchronised' if clock.synchronised else 'not synchronised'}"


def _recipient(one: PublicRecipient) -> str:
    from firmware.vault.key_kinds import KINDS

    unsafe = one.kem in KINDS and not KINDS[one.kem].quantum_safe
    return f"{one.role} {one.key_id} ({one.kem}{', not quantum-safe' if unsafe else ''})"


def _modalities(consent: PublicConsent) -> str:
    given = (("picture", consent.video), ("sound", consent.audio), ("stills", consent.stills))
    what = ", ".join(name for name, agreed in given if agreed) or "nothing"
    return f"{what}, for {consent.purpose_class}" if consent.purpose_class else what
