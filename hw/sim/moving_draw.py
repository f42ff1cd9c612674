"""Stamps a turned, scaled, smeared piece of picture into an NV12 frame, to a fraction of a pixel. Knows no scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.ports import U8
from hw.sim.scene_sprites import BLACK_Y, F32, NEUTRAL_UV, TO_YUV

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Texture:
    """Y, U, V, opacity, premultiplied, (H, W, 4), at full size and halved again and again; `marks` are the outlines
    of what identifies in it, (n, 2) points each, in its own pixels."""

    levels: tuple[U8, ...]
    marks: tuple[F64, ...]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.levels[0].shape[:2]
        return width, height


def make_texture(rgb: F32, alpha: F32, marks: Sequence[Any] = ()) -> Texture:
    """RGB 0..255 (H, W, 3), opacity 0..1 (H, W)."""
    alpha = np.pad(np.clip(alpha, 0, 1), 2).astype(np.float32)  # a clear rim, so that edges stay soft
    rgb = np.pad(rgb, ((2, 2), (2, 2), (0, 0)), mode="edge").astype(np.float32)
    yuv = cv2.transform(rgb, TO_YUV) + np.array((BLACK_Y, NEUTRAL_UV, NEUTRAL_UV), np.float32)
    full = np.dstack([yuv * alpha[..., None], alpha * 255])
    levels = [np.clip(np.rint(full), 0, 255).astype(np.uint8)]
    while min(levels[-1].shape[:2]) > 24 and len(levels) < 6:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return Texture(tuple(levels), tuple(np.asarray(mark, np.float64).reshape(-1, 2) + 2 for mark in marks))


def placing(pivot: tuple[float, float], at: tuple[float, float], scale: float, tilt_deg: float) -> F64:
    """The matrix (2, 3) that lays a texture's `pivot` on the frame's point `at`, scaled and turned clockwise."""
    cos, sin = scale * math.cos(math.radians(tilt_deg)), scale * math.sin(math.radians(tilt_deg))
    x, y = pivot[0] + 2, pivot[1] + 2
    return np.array([[cos, -sin, at[0] - cos * x + sin * y], [sin, cos, at[1] - sin * x - cos * y]])


def moved(points: F64, matrix: F64) -> F64:
    """Points (n, 2) of a texture in the frame."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def stamp(y: U8, uv: U8, texture: Texture, matrices: Sequence[F64], between: tuple[float, float] | None = None) -> None:
    """Draw `texture` into NV12 planes, at each of `matrices` for an equal share of the exposure; `between` two
    columns only."""
    height, width = y.shape
    corners = np.array([(0, 0), (texture.size[0], 0), (0, texture.size[1]), texture.size], np.float64)
    spots = np.concatenate([moved(corners, matrix) for matrix in matrices])
    left, top = (2 * max(0, math.floor(v / 2)) for v in spots.min(axis=0))
    right, bottom = math.ceil(spots[:, 0].max()), math.ceil(spots[:, 1].max())
    right, bottom = min(width, right + right % 2), min(height, bottom + bottom % 2)
    if between is not None:
        left, right = max(left, 2 * round(between[0] / 2)), min(right, 2 * round(between[1] / 2))
    if left >= right or top >= bottom:
        return
    shown = _exposed(texture, matrices, left, top, right - left, bottom - top)
    _over(y[top:bottom, left:right], shown[..., 0], shown[..., 3])
    half = cv2.resize(shown, ((right - left) // 2, (bottom - top) // 2), interpolation=cv2.INTER_AREA)
    cells = uv[top // 2 : bottom // 2, left // 2 : right // 2]
    _over(cells, half[..., 1:3], np.repeat(half[..., 3:], 2, axis=2))


def _exposed(texture: Texture, matrices: Sequence[F64], left: int, top: int, width: int, height: int) -> U8:
    scale = math.sqrt(abs(float(np.linalg.det(matrices[0][:, :2]))))
    level = min(len(texture.levels) - 1, max(0, math.floor(-math.log2(max(scale, 1e-6)) + 0.25)))
    total = np.zeros((height, width, 4), np.float32)
    for matrix in matrices:
        shifted = matrix - np.array([[0, 0, left], [0, 0, top]], np.float64)
        shifted[:, :2] *= 2**level
        total += cv2.warpAffine(texture.levels[level], shifted, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(np.rint(total / len(matrices)), np.uint8)


def _over(into: U8, paint: U8, opacity: U8) -> None:
    clear = cv2.subtract(np.full_like(opacity, 255), opacity)
    into[...] = cv2.add(cv2.multiply(np.ascontiguousarray(into), clear, scale=1 / 255), np.ascontiguousarray(paint))
