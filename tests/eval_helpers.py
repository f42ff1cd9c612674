"""A small labelled set, drawn and encoded when a test needs it: a staged operation, and a pattern of nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from firmware.errors import ScrubcamError
from hw.sim.scene import SceneSource

WIDTH, HEIGHT, RATE, FRAMES = 640, 360, 10, 10
SCENE = f"scene://?width={WIDTH}&height={HEIGHT}&rate={RATE}&seed=3&seconds=1&paced=0&sound=0"


def write_set(folder: Path) -> Path:
    """`moving/case.mp4` (the scene, every frame marked) and `negatives/pattern.mp4` (ten frames, nothing in them)."""
    scene = SceneSource(SCENE)
    entries: list[dict[str, Any]] = []
    for index in range(FRAMES):
        boxes = [box for box in scene.truth_at(index) if box.visible_fraction > 0.5]
        entries.append({
            "frame": index, "boxes": [[box.x, box.y, box.w, box.h] for box in boxes],
            "labels": [box.kind for box in boxes], "visible": [box.visible_fraction for box in boxes],
        })
    encode(folder / "moving" / "case.mp4", scene_frames(scene))
    encode(folder / "negatives" / "pattern.mp4", pattern_frames())
    write_truth(folder, {"moving/case.mp4": entries, "negatives/pattern.mp4": [{"frame": 4, "boxes": []}]})
    return folder


def write_truth(folder: Path, clips: dict[str, list[dict[str, Any]]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ground_truth.json").write_text(json.dumps(clips))


def scene_frames(scene: SceneSource) -> Iterator[bytes]:
    frame = np.zeros(WIDTH * HEIGHT * 3 // 2, np.uint8)
    for index in range(FRAMES):
        scene.picture.draw(index, frame)
        yield frame.tobytes()


def pattern_frames() -> Iterator[bytes]:
    """Soft waves all over: texture in every block, and nothing like a face or a letter."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    luma = (126 + 40 * np.sin(x / 9.0 + y / 31.0) + 30 * np.sin(y / 11.0 - x / 47.0)).astype(np.uint8)
    frame = luma.tobytes() + bytes([128]) * (WIDTH * HEIGHT // 2)
    for _ in range(FRAMES):
        yield frame


def encode(path: Path, frames: Iterator[bytes]) -> None:
    """NV12 frames into an MP4 with hardly any loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "nv12", "-s", f"{WIDTH}x{HEIGHT}",
         "-r", str(RATE), "-i", "-",
         "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p", str(path)],
        input=b"".join(frames), capture_output=True, timeout=60, check=False,
    )
    if done.returncode:
        raise ScrubcamError(done.stderr.decode())
