"""Test clips for the benchmarks: the staged operation, encoded once with ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from hw.ports import EndOfStream
from hw.sim.scene import SceneSource


def make_clip(path: Path, width: int, height: int, seconds: float, rate: int = 30) -> Path:
    """An H.264 file of the staged operation at camera-like quality; made once, then reused."""
    if path.exists():
        return path
    scene = SceneSource(f"scene://?width={width}&height={height}&rate={rate}&seed=7&seconds={seconds:g}&paced=0&sound=0")
    fmt = scene.open()
    partial = path.with_suffix(".partial.mp4")
    command = [
        "ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "nv12", "-s", f"{width}x{height}", "-r", str(rate),
        "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-i", "-",
        "-vf", "noise=alls=3:allf=t",  # a camera's noise; without it the encoder has nothing to do
        "-c:v", "libx264", "-preset", "superfast", "-crf", "21", "-pix_fmt", "yuv420p", "-g", str(rate), str(partial),
    ]  # fmt: skip
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    frame = np.empty(fmt.frame_bytes, np.uint8)
    try:
        while True:
            if scene.read(frame, 5.0) is not None:
                encoder.stdin.write(frame.tobytes())
    except EndOfStream:
        pass
    finally:
        scene.close()
        encoder.stdin.close()
    if encoder.wait() != 0:
        raise RuntimeError("ffmpeg could not make the benchmark clip")
    partial.rename(path)
    return path
