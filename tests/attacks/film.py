"""Stills through the product: a film of them, known regions, the real pipeline process, and back to pictures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from firmware import config
from firmware.messages import Configure, Finished
from firmware.pipeline.detect.types import DetectorKind
from hw.ports import U8
from tests.pipeline_helpers import run_pipeline

WIDTH, HEIGHT = 1280, 720
RATE, HOLD, TAKEN = 5, 10, 6
"""Each still is shown for `HOLD` frames, long enough that the fills of the one before are over at frame `TAKEN`."""
Box = tuple[float, float, float, float]


@dataclass
class Still:
    """A picture (HEIGHT, WIDTH, 3) RGB, and the boxes (x, y, w, h) of what the product is to cover in it."""

    rgb: U8
    boxes: list[Box] = field(default_factory=list)


@dataclass
class Planes:
    """Y (H, W), U and V (H/2, W/2) of one picture."""

    y: U8
    u: U8
    v: U8

    @classmethod
    def of(cls, flat: U8) -> Planes:
        y, u, v = np.split(flat, [WIDTH * HEIGHT, WIDTH * HEIGHT * 5 // 4])
        return cls(y.reshape(HEIGHT, WIDTH), u.reshape(HEIGHT // 2, -1), v.reshape(HEIGHT // 2, -1))

    def rgb(self) -> U8:
        flat = np.concatenate([self.y.ravel(), self.u.ravel(), self.v.ravel()]).reshape(HEIGHT * 3 // 2, WIDTH)
        return np.asarray(cv2.cvtColor(flat, cv2.COLOR_YUV2RGB_I420), np.uint8)


def as_planes(rgb: U8) -> Planes:
    return Planes.of(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8).ravel())


def fitted(rgb: U8) -> tuple[U8, float]:
    """A picture of any size in the corner of a grey still, never enlarged; and by how much it was scaled."""
    scale = min(WIDTH / rgb.shape[1], HEIGHT / rgb.shape[0], 1.0)
    still = np.full((HEIGHT, WIDTH, 3), 118, np.uint8)
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    still[: small.shape[0], : small.shape[1]] = small[:HEIGHT, :WIDTH]
    return still, scale


def scrubbed(stills: Sequence[Still], folder: Path, name: str) -> list[Planes]:
    """What the product made of each still: its own fill and its own encoder at its best quality, decoded again."""
    film, log = folder / f"{name}.mkv", folder / f"{name}.jsonl"
    _write(stills, film)
    with log.open("w") as out:
        for frame in range(len(stills) * HOLD):
            boxes = [[*box, 0.0, 1.0] for box in stills[frame // HOLD].boxes]
            for kind in get_args(DetectorKind):
                seen = boxes if kind == "face" else []
                out.write(json.dumps({"kind": kind, "pts_ns": frame * 1_000_000_000 // RATE, "regions": seen}) + "\n")
    heard = run_pipeline(Configure(
        config.Source(uri=str(film)), config.Encode(preset="superfast", quality=10), config.Sound(),
        config.Detect(), "", replay_detections=str(log),
    ), timeout_s=600).heard
    if heard.last != Finished(len(stills) * HOLD) or any(v.kind == "blanked" for v in heard.verdicts):
        raise SystemExit(f"the product did not make a film of the stills: {heard.last}, {heard.alerts}")
    made = folder / f"{name}.mp4"
    made.write_bytes(heard.mp4)
    return [planes for at, planes in enumerate(_decoded(made)) if at % HOLD == TAKEN]


def _write(stills: Sequence[Still], path: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}",
               "-r", str(RATE), "-i", "-", "-c:v", "ffv1", "-color_primaries", "bt709", "-color_trc", "bt709",
               "-colorspace", "bt709", "-color_range", "tv", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        for still in stills:
            writer.stdin.write(cv2.cvtColor(still.rgb, cv2.COLOR_RGB2YUV_I420).tobytes() * HOLD)
    if writer.returncode:
        raise SystemExit("ffmpeg could not write the film")


def _decoded(path: Path) -> Iterator[Planes]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt",
               "yuv420p", "-"]
    size = WIDTH * HEIGHT * 3 // 2
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        while len(data := reader.stdout.read(size)) == size:
            yield Planes.of(np.frombuffer(data, np.uint8))
