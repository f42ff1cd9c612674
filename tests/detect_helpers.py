"""Pictures with known faces and words, and the place of the models, for the detector tests."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import skimage
from PIL import Image

from firmware.pipeline.detect.merge import around
from firmware.pipeline.detect.types import Region
from hw.ports import U8

MODELS_DIR = Path(os.environ.get("SCRUBCAM_MODELS", Path(__file__).parent.parent / ".models"))

FACE = (176, 60, 100, 130)
"""x, y, w, h of the face in `portrait`, brow to chin, by eye."""

Planes = tuple[U8, U8]


@cache
def portrait() -> U8:
    """The public-domain portrait in scikit-image's wheel: 512x512 RGB, one face at FACE."""
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB"))


def backdrop(width: int, height: int) -> U8:
    """A dim wall: a soft gradient with a little noise, nothing on it."""
    shade = np.linspace(70, 110, width, dtype=np.float32)[None, :, None] + np.zeros((height, 1, 3), np.float32)
    noise = np.random.default_rng(1).normal(0, 2, (height, width, 1))
    return np.asarray(np.clip(shade + noise, 0, 255), np.uint8)


def place(picture: U8, patch: U8, x: int, y: int) -> None:
    picture[y : y + patch.shape[0], x : x + patch.shape[1]] = patch


def head(size: int) -> U8:
    """The portrait's head and shoulders, `size` pixels square; the face is about a third of it."""
    return np.asarray(cv2.resize(portrait()[0:300, 76:376], (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def write(picture: U8, words: str, x: int, y: int, high: int, colour: tuple[int, int, int] = (240, 240, 240)) -> None:
    """Letters about `high` pixels tall with their baseline at y."""
    cv2.putText(picture, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, high / 22, colour, max(1, high // 12), cv2.LINE_AA)


def nv12(rgb: U8) -> Planes:
    """RGB (even sides) as NV12 planes."""
    height, width = rgb.shape[:2]
    flat = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8).reshape(-1)
    y, u, v = flat[: width * height], *np.split(flat[width * height :], 2)
    uv = np.stack([u, v], axis=-1).reshape(height // 2, width // 2, 2)
    return y.reshape(height, width).copy(), np.ascontiguousarray(uv)


def share_covered(regions: tuple[Region, ...], box: tuple[float, float, float, float]) -> float:
    """Share of a box (x, y, w, h) inside the union of the regions' upright boxes."""
    x, y, w, h = box
    points_x, points_y = np.meshgrid(np.linspace(x, x + w, 40), np.linspace(y, y + h, 40))
    inside = np.zeros(points_x.shape, bool)
    for region in regions:
        box_around = around(region)
        inside |= (
            (points_x >= box_around.x)
            & (points_x <= box_around.x + box_around.w)
            & (points_y >= box_around.y)
            & (points_y <= box_around.y + box_around.h)
        )
    return float(inside.mean())
