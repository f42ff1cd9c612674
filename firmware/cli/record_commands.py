"""`scrubcam record`, `recover` and `scrub`: recordings without a pedal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec.structs import replace
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from firmware.cli.case_options import consent_from
from firmware.cli.console import err, human_bytes, human_time, out
from firmware.config import Config
from firmware.errors import ConfigError, DamagedRecording, Refused
from firmware.messages import Consent, Progress
from firmware.paths import default_models_dir

Codec = Literal["h264", "h265"]
Profile = Literal["live", "thorough"]
SCRUB_QUALITY = 15
"""What is not covered should look as it did: footage is scrubbed once, and disk space is the user's own."""
CONFIG_HELP = "Take encoder, detector and sound settings from this scrubcam.toml."


def register(app: typer.Typer) -> None:
    app.command("record")(record)
    app.command("recover")(recover)
    app.command("scrub")(scrub)


def record(
    source: Annotated[
        str, typer.Argument(help="A video file, /dev/videoN, rtsp://..., or scene:// (a staged operation).")
    ],
    out_dir: Annotated[Path, typer.Option("-o", "--out", help="Folder for the sealed file.")],
    to: Annotated[
        list[Path], typer.Option("--to", help="Public key of the archive that may open it (archive.pub); repeatable.")
    ],
    escrow: Annotated[
        list[Path] | None, typer.Option("--escrow", help="Public key kept elsewhere for when the archive's is lost.")
    ] = None,
    reader: Annotated[
        list[Path] | None, typer.Option("--reader", help="Public key of anybody else who may open it.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Stop after this much recording; 0: at the end.", min=0)] = 0,
    config: Annotated[Path | None, typer.Option(help=CONFIG_HELP)] = None,
    codec: Annotated[Codec | None, typer.Option(help="Picture codec.")] = None,
    bitrate: Annotated[int | None, typer.Option(help="Picture bit rate in bit/s.")] = None,
    profile: Annotated[Profile | None, typer.Option(help="How closely the detectors look.")] = None,
    sound: Annotated[bool, typer.Option("--sound", help="Record sound, where the case's consent covers it.")] = False,
    case: Annotated[
        Path | None, typer.Option("--case", help="The case (TOML, see docs/consent.md); only scene:// needs none.")
    ] = None,
) -> None:
    """Record without a pedal into one sealed file.

    A file is taken as fast as it goes and nothing is dropped; a device, an address or the scene is recorded live.
    Ctrl-C stops cleanly: what was recorded is sealed.
    """
    from firmware.recorder.record_once import record as record_once

    settings = _settings(config, codec, bitrate, profile, sound)
    consent = _consent(source, case)
    keys: list[tuple[Literal["archive", "escrow", "reader"], Path]] = [
        *(("archive", path) for path in to), *(("escrow", path) for path in escrow or []),
        *(("reader", path) for path in reader or []),
    ]
    with stop_on_signal() as stop, _ProgressLine("recording") as line:
        result = record_once(settings, source, out_dir, keys, seconds, consent, line.update, stop)
    out.print(f"[bold green]Sealed[/] {escape(result.path)}")
    out.print(
        f"  {human_time(result.seconds)}, {result.frames} frames ({result.clean} clean, {result.masked} masked, "
        f"{result.blanked} blanked), {human_bytes(result.size_bytes)}"
    )
    out.print(f"  {escape(result.statement)}")
    if not escrow:
        out.print("  No escrow key (--escrow): whoever loses the archive's key loses this recording.")


def recover(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sealed recordings (.scrub) left open.")],
    config: Annotated[Path | None, typer.Option(help=CONFIG_HELP)] = None,
) -> None:
    """Close what `record` left open when it was killed or the power went. On the machine that recorded it.

    All that had reached the disk is kept; at most the last second is missing. Running it again changes nothing.
    """
    from firmware.config_file import load
    from firmware.recorder.record_once import close_left_open

    cfg = load(config) if config else Config()
    for file in files:
        told = close_left_open(cfg, str(file))
        name = f"{escape(str(file))}: {told.fragments} fragments"
        match told.outcome:
            case "closed":
                out.print(f"[bold green]Closed[/] {name}")
            case "was-closed":
                out.print(f"[bold green]Was closed[/] {name}")
            case "unstarted":
                out.print(f"[bold yellow]Empty[/] {escape(str(file))}: the power went before anything was on the disk")
            case "in-use":
                raise Refused(f"{file} is still being recorded", meaning="It was left as it is",
                              todo="stop that recording first")
            case _:
                raise DamagedRecording(f"{file} is damaged", meaning="It was left as it is",
                                       todo="scrubcam verify says where; export --partial saves what can be read")


def scrub(
    source: Annotated[str, typer.Argument(metavar="IN", help="Any video file GStreamer or ffmpeg can read.")],
    out_mp4: Annotated[Path, typer.Option("-o", "--out", help="The scrubbed MP4.")],
    report: Annotated[Path | None, typer.Option("--report", help="JSON report: a verdict for each frame.")] = None,
    config: Annotated[Path | None, typer.Option(help=CONFIG_HELP)] = None,
    codec: Annotated[Codec | None, typer.Option(help="Picture codec.")] = None,
    bitrate: Annotated[int | None, typer.Option(help="Picture bit rate in bit/s.")] = None,
    profile: Annotated[Profile, typer.Option(help="How closely the detectors look.")] = "thorough",
    keep_sound: Annotated[bool, typer.Option("--keep-sound", help="Keep the sound; voices identify people.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is there.")] = False,
) -> None:
    """Scrub footage that exists already: a plain MP4 with the same size, frame count and timing."""
    from firmware.recorder.scrub_once import scrub as scrub_once

    settings = scrub_settings(config, codec, bitrate, profile, keep_sound=keep_sound)
    with stop_on_signal() as stop, _ProgressLine("scrubbing") as line:
        result = scrub_once(settings, source, out_mp4, report, keep_sound, line.update, stop, force=force)
    told = f"; report {escape(str(report))}" if report else ""
    out.print(f"[bold green]Scrubbed[/] {escape(str(out_mp4))}")
    out.print(
        f"  {human_time(result.seconds)}, {result.frames} frames ({result.clean} clean, {result.masked} masked, "
        f"{result.blanked} blanked), {human_bytes(result.size_bytes)}{told}"
    )
    out.print(f"  {escape(result.statement)}")


def scrub_settings(
    config: Path | None, codec: Codec | None, bitrate: int | None, profile: Profile, *, keep_sound: bool
) -> Config:
    """What `scrub` uses for these options; `privacy-eval` measures just that."""
    settings = _settings(config, codec, bitrate, profile, keep_sound)
    if config is None and bitrate is None:
        settings = replace(settings, encode=replace(settings.encode, quality=SCRUB_QUALITY))
    return settings


def _consent(source: str, case: Path | None) -> Consent:
    """The case as its file says it; the staged scene, in which there is nobody, is the one source that needs none."""
    from firmware.recorder.record_once import STAGED

    if case is None and source.startswith("scene://"):
        return STAGED
    if case is None:
        raise Refused("consent: none", meaning="Nothing is recorded",
                      todo="say what was agreed to in a file, --case; docs/consent.md lists what it must say")
    return consent_from(case)


def _settings(
    config: Path | None, codec: Codec | None, bitrate: int | None, profile: Profile | None, sound: bool
) -> Config:
    from firmware.config_file import load

    settings = load(config) if config else Config()
    encode, detect = settings.encode, settings.detect
    if codec and codec != encode.codec:
        if encode.encoder == "nvv4l2":
            encode = replace(encode, codec=codec)
        else:
            encode = replace(encode, codec=codec, encoder="x265" if codec == "h265" else "x264")
    if bitrate is not None:
        if not 200_000 <= bitrate <= 100_000_000:
            raise ConfigError(f"--bitrate {bitrate}: allowed 200000 to 100000000 bit/s", todo="give a rate in bit/s")
        encode = replace(encode, bitrate_bps=bitrate)
    if profile:
        detect = replace(detect, profile=profile)
    return replace(
        settings,
        encode=encode,
        detect=detect,
        sound=replace(settings.sound, enabled=sound),
        paths=settings.paths if config else replace(settings.paths, models_dir=str(default_models_dir())),
    )


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM ask for a clean stop; a second Ctrl-C gives up waiting."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.default_int_handler(number, None)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _ProgressLine:
    """One line: time, frames, size, regions masked, frames blanked; printed every 10 s without a terminal."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._live = Live(console=err, refresh_per_second=4, transient=True) if sys.stderr.isatty() else None
        self._first_pts_ns: int | None = None
        self._last_printed_s = 0.0

    def __enter__(self) -> _ProgressLine:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, progress: Progress, size_bytes: int) -> None:
        if not progress.frames_out:
            return
        if self._first_pts_ns is None:
            self._first_pts_ns = progress.pts_ns
        seconds = (progress.pts_ns - self._first_pts_ns) / 1e9
        frames = f"{progress.frames_out}" + (f"/{progress.total_frames}" if progress.total_frames else "")
        text = (
            f"{self._doing}  {human_time(seconds)}  {frames} frames  {human_bytes(size_bytes)}  "
            f"{progress.regions_masked} regions masked  {progress.frames_blanked} frames blanked"
            + (f"  {progress.frames_dropped} dropped" if progress.frames_dropped else "")
        )
        if self._live:
            self._live.update(Text(text))
        elif seconds - self._last_printed_s >= 10:
            self._last_printed_s = seconds
            err.print(text)
