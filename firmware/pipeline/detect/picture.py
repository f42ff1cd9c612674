"""Pictures on their way into a detector: private NV12 copies, resized, as network input. Finds nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.ports import U8

F32 = NDArray[np.float32]
STEP = 32
"""Both networks halve the picture five times."""

TILE = (1920, 1088)
"""Widest and highest input of one run: a network needs some 250 bytes of memory for each pixel."""
TILE_OVERLAP = 192

cv2.setNumThreads(1)  # the cores belong to the encoder and the detectors' own threads


@dataclass(frozen=True, slots=True)
class Picture:
    """A private NV12 copy, perhaps smaller than the frame: `width` and `height` are the frame's own."""

    y: U8
    uv: U8
    width: int
    height: int

    def same_as(self, other: Picture | None) -> bool:
        """Bit for bit the same picture."""
        return (
            other is not None
            and self.y.shape == other.y.shape
            and np.array_equal(self.y, other.y)
            and np.array_equal(self.uv, other.uv)
        )

    def rgb(self) -> U8:
        """As RGB (BT.601 weights: a detector does not mind the difference)."""
        return np.asarray(cv2.cvtColorTwoPlane(self.y, self.uv, cv2.COLOR_YUV2RGB_NV12), dtype=np.uint8)


def take(y: U8, uv: U8, long_side: int | None) -> Picture:
    """Copy a frame's planes, scaled down so that the longer side is at most `long_side` (None: full size)."""
    height, width = y.shape
    if long_side is None or max(width, height) <= long_side:
        return Picture(y.copy(), uv.copy(), width, height)
    ratio = long_side / max(width, height)
    half_width, half_height = max(1, round(width * ratio / 2)), max(1, round(height * ratio / 2))
    small_y = cv2.resize(y, (2 * half_width, 2 * half_height), interpolation=cv2.INTER_AREA)
    small_uv = cv2.resize(uv, (half_width, half_height), interpolation=cv2.INTER_AREA)
    return Picture(np.asarray(small_y, np.uint8), np.asarray(small_uv, np.uint8), width, height)


def scaled(rgb: U8, long_side: int) -> U8:
    """The picture with its longer side at `long_side` pixels."""
    height, width = rgb.shape[:2]
    ratio = long_side / max(width, height)
    if ratio == 1:
        return rgb
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def network_input(rgb: U8, order: tuple[int, int, int], mean: tuple[float, ...], scale: tuple[float, ...]) -> F32:
    """(1, 3, H, W) float32, (value - mean) * scale for each channel, zeros below and right up to multiples of 32."""
    height, width = rgb.shape[:2]
    batch = np.zeros((1, 3, -(-height // STEP) * STEP, -(-width // STEP) * STEP), np.float32)
    for channel, source in enumerate(order):
        plane = batch[0, channel, :height, :width]
        np.subtract(rgb[:, :, source], np.float32(mean[channel]), out=plane, dtype=np.float32)
        plane *= np.float32(scale[channel])
    return batch


def tiles(
    width: int, height: int, most: tuple[int, int] = TILE, overlap: int = TILE_OVERLAP
) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the windows that cover a picture, one alone where it fits, else overlapping evenly.

    `most` is the widest and highest window. All windows of a picture are of one size, no larger than needed.
    """
    for rows in _windows(height, most[1], overlap):
        for columns in _windows(width, most[0], overlap):
            yield rows, columns


def _windows(length: int, most: int, overlap: int) -> list[slice]:
    if length <= most:
        return [slice(0, length)]
    count = -(-(length - overlap) // (most - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    starts = [index * (length - side) // (count - 1) for index in range(count)]
    return [slice(start, start + side) for start in starts]
