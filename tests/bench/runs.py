"""One timed run of each way to encode a file: ffmpeg, GStreamer, and the whole recorder."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from firmware.config import Encode
from firmware.pipeline.encode import NO_OWN_IDR, x264_spec
from hw.ports import StreamFormat


@dataclass
class Run:
    """What one run took. `peak_rss_bytes` is that of its largest process, `cpu_s` processor time of all of them."""

    seconds: float
    frames: int
    peak_rss_bytes: int
    stage_s: dict[str, float] = field(default_factory=dict)
    blanked: int = 0
    cpu_s: float = 0.0

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


def timed(command: Sequence[str], frames: int) -> Run:
    """Run `command` to its end. Raises RuntimeError when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}")
    seconds = time.monotonic() - began
    return Run(seconds, frames, usage.ru_maxrss * 1024, cpu_s=usage.ru_utime + usage.ru_stime)


def ffmpeg(clip: Path, frames: int, encode: Encode, out: Path) -> Run:
    """(a) Plain encode with ffmpeg at the same settings."""
    return timed(
        ["ffmpeg", "-v", "error", "-y", "-i", str(clip), "-an", "-c:v", "libx264", "-preset", encode.preset,
         "-b:v", str(encode.bitrate_bps), "-bf", "0", "-g", "30", "-tune", "zerolatency", str(out)],
        frames,
    )  # fmt: skip


def gstreamer(clip: Path, frames: int, encode: Encode, out: Path) -> Run:
    """(b) Plain encode with GStreamer: the very encoder settings that the recorder uses, an IDR each second."""
    fmt = StreamFormat(width=0, height=0, rate=Fraction(30), live=False)
    encoder = x264_spec(encode, fmt).chain.replace(f"key-int-max={NO_OWN_IDR}", "key-int-max=30")
    return timed(
        ["gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "decodebin", "!", "queue", "!",
         *shlex.split(encoder), "!", "h264parse", "!", "mp4mux", "!", "filesink", f"location={out}"],
        frames,
    )  # fmt: skip


def recorder(clip: Path, out_dir: Path, public_key: Path, replay: Path | None, save: Path | None) -> Run:
    """(c), (d) The whole recorder: scrub, encode, encrypt, sign, sync; with `replay`, no inference."""
    stats = out_dir / "stats.json"
    command = [sys.executable, "-m", "tests.bench.record_worker", str(clip), str(out_dir), str(public_key), str(stats)]
    command += ["--replay", str(replay)] if replay else []
    command += ["--save", str(save)] if save else []
    run = timed(command, 0)
    told = json.loads(stats.read_text())
    run.frames, run.stage_s, run.blanked = told["frames"], told["stage_s"], told["blanked"]
    for sealed in out_dir.glob("*.scrub"):
        sealed.unlink()
    return run


def null_path(width: int, height: int, work: Path) -> Run:
    """(n) The frame path alone: see null_path.py. Its seconds are the path's own, without drawing the pictures."""
    stats = work / "null.json"
    run = timed(
        [sys.executable, "-m", "tests.bench.null_path", "--width", str(width), "--height", str(height),
         "--stats", str(stats)], 0,
    )  # fmt: skip
    told = json.loads(stats.read_text())
    run.frames, run.seconds, run.blanked = told["frames"], told["frames"] / told["fps"], told["blanked"]
    run.stage_s = told["stage_s"]
    return run
