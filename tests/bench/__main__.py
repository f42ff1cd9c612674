"""`make bench`: frames per second of plain encodes and of the whole recorder, bytes per second of sealed recordings, as
ratios of interleaved runs; and how soon a press is answered."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firmware.config import Config
from firmware.vault.keys import new_archive_key
from tests.bench import clips, deface, presses, runs, sealed

SIZES = {"1080p": (1920, 1080, 20.0), "4K": (3840, 2160, 8.0)}
NAMES = {
    "a": "(a) ffmpeg, plain encode",
    "b": "(b) GStreamer, plain encode",
    "c": "(c) recorder, replayed detections",
    "d": "(d) recorder, detectors on the CPU",
    "e": "(e) deface 1.5.0, full resolution",
    "n": "(n) frame path alone, null encoder, replayed detections",
}
DEFACE_SIZE = "1080p"
"""It takes minutes for a few seconds of 4K."""
console = Console(highlight=False, width=120)


@dataclass
class Figures:
    """All runs of one way at one size."""

    runs: list[runs.Run] = field(default_factory=list)
    why_not: str = ""

    @property
    def fps(self) -> float:
        return statistics.median(run.fps for run in self.runs)


def measure(size: str, rounds: int, work: Path, public_key: Path) -> dict[str, Figures]:
    """Run a, b, c, d in turn, `rounds` times, so that a slow minute of the machine falls on all of them."""
    width, height, seconds = SIZES[size]
    clip = clips.make_clip(work / f"clip-{size}.mp4", width, height, seconds)
    frames = round(seconds * 30)
    encode = Config().encode
    detections = work / f"detections-{size}"
    sealed = work / "sealed"
    sealed.mkdir(exist_ok=True)
    if not detections.exists():
        console.print(f"{size}: recording the detections to replay")
        runs.recorder(clip, sealed, public_key, None, detections)
    found = {way: Figures() for way in NAMES}
    tool, piece_frames = None, 0
    if size == DEFACE_SIZE:
        try:
            tool = deface.install(work)
            piece_frames = deface.cut(clip, 30, work / "piece.mp4")
        except deface.NotInstalled as error:
            found["e"].why_not = str(error)
    else:
        found["e"].why_not = f"measured at {DEFACE_SIZE} only"
    for number in range(rounds):
        for way, run in (
            ("a", lambda: runs.ffmpeg(clip, frames, encode, work / "plain.mp4")),
            ("b", lambda: runs.gstreamer(clip, frames, encode, work / "plain.mp4")),
            ("c", lambda: runs.recorder(clip, sealed, public_key, detections, None)),
            ("d", lambda: runs.recorder(clip, sealed, public_key, None, None)),
            ("e", lambda: deface.deface(tool, work / "piece.mp4", piece_frames, work / "plain.mp4")),
            ("n", lambda: runs.null_path(width, height, work)),
        ):
            if way == "e" and tool is None:
                continue
            found[way].runs.append(run())
            console.print(f"{size} round {number + 1}/{rounds} {NAMES[way]}: {found[way].runs[-1].fps:.1f} frames/s")
    (work / "plain.mp4").unlink(missing_ok=True)
    return found


def report(size: str, found: dict[str, Figures]) -> None:
    table = Table(title=f"{size}, {Config().encode.encoder} {Config().encode.preset}")
    for column in ("way", "frames/s", "of (b), median [range]", "peak memory, largest process", "blanked"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way, figures in found.items():
        if figures.why_not:
            table.add_row(NAMES[way], figures.why_not)
            continue
        ratios = [run.fps / base.fps for run, base in zip(figures.runs, found["b"].runs, strict=True)]
        table.add_row(
            NAMES[way],
            f"{figures.fps:.1f}",
            f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]",
            f"{max(run.peak_rss_bytes for run in figures.runs) / 1e6:.0f} MB",
            str(sum(run.blanked for run in figures.runs)) if way in "cdn" else "",
        )
    console.print(table)
    if found["e"].runs:
        times = [ours.fps / theirs.fps for ours, theirs in zip(found["d"].runs, found["e"].runs, strict=True)]
        console.print(f"(d) is {statistics.median(times):.1f} [{min(times):.1f}-{max(times):.1f}] times as fast as (e)")
    stages = Table(title=f"{size}: busy time of each stage, share of the run's wall time")
    stages.add_column("stage")
    shown = [way for way in "cdn" if found[way].runs[-1].stage_s]
    for way in shown:
        stages.add_column(f"({way})", justify="right")
    for stage in sorted({name for way in shown for name in found[way].runs[-1].stage_s}):
        cells = [found[way].runs[-1].stage_s.get(stage, 0.0) / found[way].runs[-1].seconds for way in shown]
        stages.add_row(stage, *(f"{100 * cell:.0f} %" for cell in cells))
    console.print(stages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--starts", type=int, default=100, help="Recordings started by the pedal.")
    parser.add_argument("--work", type=Path, default=Path("bench-out"))
    asked = parser.parse_args()
    asked.work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as keys:
        public_key = Path(keys, "bench.pub")
        new_archive_key(str(Path(keys, "bench.key")), str(public_key))
        results = {size: measure(size, asked.rounds, asked.work, public_key) for size in asked.sizes}
    for size, found in results.items():
        report(size, found)
    recorder_cpu_s = None
    if "4K" in results:
        runs_of_c = results["4K"]["c"].runs
        recorder_cpu_s = statistics.median(run.cpu_s for run in runs_of_c) / SIZES["4K"][2]
    sealed.measure(asked.rounds, None, recorder_cpu_s)
    presses.measure(asked.starts)


if __name__ == "__main__":
    main()
