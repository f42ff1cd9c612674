"""One timed run of each way to encode a file: ffmpeg, GStreamer, the recorder with replayed and with real detections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firmware.config import Encode


@dataclass
class Run:
    """What one run took. `peak_rss_bytes` is that of its largest process."""

    seconds: float
    frames: int
    peak_rss_bytes: int
    stage_s: dict[str, float] = field(default_factory=dict)
    blanked: int = 0

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


def _timed(command: Sequence[str], frames: int) -> Run:
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}")
    return Run(time.monotonic() - began, frames, usage.ru_maxrss * 1024)


def ffmpeg(clip: Path, frames: int, encode: Encode, out: Path) -> Run:
    """(a) Plain encode with ffmpeg at the same settings."""
    return _timed(
        ["ffmpeg", "-v", "error", "-y", "-i", str(clip), "-an", "-c:v", "libx264", "-preset", encode.preset,
         "-b:v", str(encode.bitrate_bps), "-bf", "0", "-g", "30", "-tune", "zerolatency", str(out)],
        frames,
    )  # fmt: skip


def gstreamer(clip: Path, frames: int, encode: Encode, out: Path, encoder: str) -> Run:
    """(b) Plain encode with GStreamer; `encoder` is the very element string that the recorder uses."""
    return _timed(
        ["gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "decodebin", "!", "queue", "!", *encoder.split(),
         "!", "h264parse", "!", "mp4mux", "!", "filesink", f"location={out}"],
        frames,
    )  # fmt: skip


def recorder(clip: Path, frames: int, out_dir: Path, public_key: Path, replay: Path | None, save: Path | None) -> Run:
    """(c), (d) The whole recorder: scrub, encode, encrypt, sign, sync. `replay`: recorded detections, else real ones."""
    stats = out_dir / "stats.json"
    command = [sys.executable, "-m", "tests.bench.record_worker", str(clip), str(out_dir), str(public_key), str(stats)]
    command += ["--replay", str(replay)] if replay else []
    command += ["--save", str(save)] if save else []
    run = _timed(command, frames)
    told = json.loads(stats.read_text())
    run.frames, run.stage_s, run.blanked = told["frames"], told["stage_s"], told["blanked"]
    for sealed in out_dir.glob("*.scrub"):
        sealed.unlink()
    return run
