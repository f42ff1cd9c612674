"""The exported MP4 through somebody else's eyes: ffprobe and ffmpeg. Writes nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.demo.stage import find_program
from firmware.errors import MediaUnreadable
from hw.ports import U8

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What ffprobe says. `complaints` is all that it printed as warning or error."""

    codec: str
    width: int
    height: int
    frames: int
    seconds: float
    sound_codec: str
    pts_s: list[float]
    complaints: str


def probe(path: Path) -> Probe:
    """Look at every frame of `path`. Raises PartMissing, MediaUnreadable."""
    program = find_program("ffprobe", "ffmpeg")
    command = [
        program, "-v", "warning", "-show_entries", "stream=codec_type,codec_name,width,height:format=duration",
        "-show_entries", "packet=pts_time,codec_type", "-of", "json", str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise MediaUnreadable(f"ffprobe does not read {path}: {done.stderr.strip()[:300]}")
    told: dict[str, Any] = json.loads(done.stdout)
    streams = {stream["codec_type"]: stream for stream in told.get("streams", [])}
    video = streams.get("video", {})
    packets = sorted(float(p["pts_time"]) for p in told.get("packets", []) if p.get("codec_type") == "video")
    return Probe(
        video.get("codec_name", ""), video.get("width", 0), video.get("height", 0), len(packets),
        float(told.get("format", {}).get("duration", 0)), streams.get("audio", {}).get("codec_name", ""), packets,
        done.stderr.strip(),
    )


def luma_frames(path: Path, width: int, height: int) -> Iterator[tuple[U8, U8]]:
    """Every frame of `path` in order as (luma (H, W), whole NV12 frame). Raises PartMissing, MediaUnreadable."""
    program = find_program("ffmpeg", "ffmpeg")
    size = width * height * 3 // 2
    command = [program, "-v", "error", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough", "-f", "rawvideo",
               "-pix_fmt", "nv12", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stdout is not None
        try:
            while True:
                buffer = bytearray(size)
                view, got = memoryview(buffer), 0
                while got < size and (count := process.stdout.readinto(view[got:])):  # type: ignore[attr-defined]
                    got += count
                if got < size:
                    break
                frame: U8 = np.frombuffer(buffer, np.uint8)
                yield frame[: width * height].reshape(height, width), frame
        finally:
            process.kill()
    if got:
        raise MediaUnreadable(f"ffmpeg stopped in the middle of a frame of {path}")


def sound(path: Path) -> NDArray[np.int16]:
    """The whole sound as mono, 48 kHz, starting at the picture's time 0. Raises PartMissing, MediaUnreadable."""
    program = find_program("ffmpeg", "ffmpeg")
    command = [program, "-v", "error", "-i", str(path), "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0",
               "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise MediaUnreadable(f"ffmpeg does not decode the sound of {path}: {done.stderr.decode()[:300]}")
    return np.frombuffer(done.stdout[: len(done.stdout) // 2 * 2], np.int16)
