"""`scrubcam info`, `verify` and `export`: what the archive does with a sealed file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from firmware.cli.console import err, human_bytes, human_time, out
from firmware.errors import ConfigError, DamagedRecording, InterruptedRecording, UnsupportedRecording
from firmware.messages import FieldZone
from firmware.vault.format import ClockInfo, PublicConsent, PublicRecipient, StoredHeader

if TYPE_CHECKING:
    from firmware.vault.device_ca import ChainVerdict

SealedFile = Annotated[Path, typer.Argument(metavar="FILE", help="A sealed recording (.scrub).")]


def register(app: typer.Typer) -> None:
    app.command("info")(info)
    app.command("verify")(verify)
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


def verify(
    file: SealedFile,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="List of trusted devices: fingerprints or public keys.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="The site's device CA (PEM): trusts the devices that it certified.")
    ] = None,
) -> None:
    """Check every byte, without any key: intact, in order, complete, and signed by which device.

    Exit code 0: sealed and whole. 16: whole as far as it goes, but never closed (power cut). 10: damaged.
    18: needs a newer scrubcam.
    """
    from firmware.vault.keys import load_trust_list
    from firmware.vault.reader import Recording

    trusted = load_trust_list(str(trust)) if trust else None
    with Recording.open(str(file)) as recording, _bytes_bar("verifying") as bar:
        chain = _chain(recording.header, ca) if ca else None
        if chain:
            trusted = (trusted or frozenset()) | ({recording.device_fingerprint} if chain.trusted else frozenset())
        task = bar.add_task("verifying", total=recording.size_bytes)
        report = recording.verify(lambda done, _total: bar.update(task, completed=done), trusted)
    intact = "[green]yes[/]" if report.intact else "[bold red]no[/]"
    who = {True: "[green]trusted[/]", False: "[bold red]not trusted[/]", None: "not checked (--trust, --ca)"}
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("[bold]intact, in order[/]", f"{intact}: {report.records} records, {report.fragments} fragments, "
                  f"{report.frames} frames, {human_time(report.duration_ns / 1e9)}")
    table.add_row("[bold]complete[/]", "[green]yes, sealed[/]" if report.complete else f"[yellow]no: {report.state}[/]")
    table.add_row("[bold]signed by[/]", f"{escape(report.device_name)} {report.device_fingerprint}, "
                  f"{who[report.trusted]}; {report.signed_records} of {report.records} records"
                  + (f", {report.late_signed_records} of them at recovery" if report.late_signed_records else ""))
    if chain:
        table.add_row("[bold]device CA[/]", f"[green]trusted through {escape(chain.ca_name)}[/]" if chain.trusted else
                      f"[bold red]not trusted through {escape(chain.ca_name)}[/]: {escape(chain.problem)}")
    table.add_row("[bold]keys[/]", "attached" if report.key_envelope else "not attached: in the device's keystore")
    table.add_row("[bold]privacy[/]", escape(report.statement))
    out.print(table)
    if report.state == "unsupported":
        assert report.first_problem is not None
        raise UnsupportedRecording(
            f"{file}: {report.first_problem.text}",
            meaning=f"The {report.fragments} fragments before it are intact", todo="use a newer scrubcam",
        )
    if report.state == "damaged" or (report.first_problem and report.trusted is False):
        assert report.first_problem is not None
        raise DamagedRecording(
            f"{file}: {report.first_problem.text}",
            meaning=f"The {report.fragments} fragments before it are intact",
            todo="take another copy of the file, or export what is whole with --partial",
        )
    if not report.complete:
        raise InterruptedRecording(
            f"{file} was never closed by its recorder ({report.state})",
            meaning=f"All {report.fragments} fragments in it are intact and can be exported",
            todo="nothing; note that the recording ended by a power cut or a crash",
        )
    out.print("[bold green]Intact, complete and signed.[/]")


def export(
    file: SealedFile,
    key: Annotated[Path, typer.Option("--key", help="The archive's private key (archive.key).")],
    out_mp4: Annotated[Path | None, typer.Option("-o", "--out", help="The MP4; default: FILE with .mp4.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Export what is whole of a damaged file.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the MP4 if it is there.")] = False,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for the private key's passphrase.")] = False,
    keystore: Annotated[
        Path | None, typer.Option("--keystore", help="The device's keystore, for a file without its keys attached.")
    ] = None,
) -> None:
    """Open a sealed file with the archive's key and write a plain MP4. The MP4 is not encrypted."""
    from firmware.export.sealed import export_sealed
    from firmware.vault.keys import PrivateKey
    from firmware.vault.keystore import Keystore

    secret = typer.prompt("Passphrase", hide_input=True) if passphrase else None
    private = PrivateKey.load(str(key), secret)
    target = out_mp4 or file.with_suffix(".mp4")
    if key.exists() and target.exists() and key.samefile(target):
        raise ConfigError(f"{target} is the private key", meaning="It was left as it is",
                          todo="choose another name for the MP4")
    with _bytes_bar("exporting") as bar:
        task = bar.add_task("exporting", total=file.stat().st_size if file.exists() else None)
        result = export_sealed(
            file, private, target, lambda done: bar.update(task, completed=done), partial=partial, force=force,
            keystore=Keystore(str(keystore)) if keystore else None,
        )
    out.print(f"[bold green]Exported[/] {escape(str(target))}")
    out.print(f"  {human_time(result.seconds)}, {result.frames} frames, {human_bytes(target.stat().st_size)}")
    out.print(f"  {escape(result.statement)}")
    if result.stopped_at:
        out.print(f"[yellow]Only what stands before the damage: {escape(result.stopped_at)}[/]")


def _chain(header: StoredHeader, ca: Path) -> ChainVerdict:
    from firmware.vault.device_ca import check_chain
    from firmware.vault.device_certificates import read_certificates

    device = header.device
    return check_chain(device.certificates, device.public_key, read_certificates(str(ca))[0], header.created_unix_s)


def _left_visible(zone: FieldZone, profile: str) -> str:
    place = f"{zone.w:.0%} by {zone.h:.0%} of the picture, from x {zone.x:.0%}, y {zone.y:.0%}"
    return f"faces in {zone.name} ({profile}): {place}"


def _bytes_bar(doing: str) -> Progress:
    return Progress(
        TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, transient=True
    )


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
