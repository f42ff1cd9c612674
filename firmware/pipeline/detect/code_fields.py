"""Where a picture has the texture of a code: edges in one direction, or in two at right angles. Pure; reads nothing.

All is measured in cells of 8x8 pixels. With the gradient (gx, gy) as the complex number g, the mean of g squared over
a window tells how far all edges run one way (Bigun and Granlund 1987), the mean of its square in turn how far they run
one way or across it; both divided by the mean energy lie between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.ports import U8

F32 = NDArray[np.float32]
Shape = Literal["linear", "matrix"]

CELL = 8
WINDOW = 3
"""Cells: a window of 24 pixels."""
ENERGY = 30.0
"""Least mean energy of a window; sensor noise of 6 grey levels makes 14."""
ONE_WAY = 0.7
TWO_WAYS = 0.35
"""Least order of a window, for linear codes and for matrix codes; letters stay below the second more often than not."""
ACROSS = 0.62
"""A matrix code has edges in both directions: a window with more of them in one is a border."""
FEWEST_CELLS = 9
MOST_CANDIDATES = 48


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rectangle with the texture of a code, in pixels of the picture that was looked at.

    `x`, `y` is the centre. Its side `along` runs in the direction `turn` (radians, clockwise on the screen), across
    the bars of a linear code; `across` is the other side. `order1` and `order2` are the measures of one way and of two.
    """

    shape: Shape
    x: float
    y: float
    along: float
    across: float
    turn: float
    order1: float
    order2: float
    fill: float

    def scaled(self, by: float) -> Candidate:
        """The same place in a picture `by` times as large."""
        return replace(self, x=self.x * by, y=self.y * by, along=self.along * by, across=self.across * by)


def cells(grey: U8) -> F32:
    """(5, rows, columns): energy, and real and imaginary parts of both measures, as means over each cell."""
    height, width = (side // CELL * CELL for side in grey.shape)
    part = grey[:height, :width]
    # A Sobel sum is 8 times the slope: after the shift, one grey level a pixel is 1 and products fit in 16 bits.
    # Every second row and column is enough for a mean, at a quarter of the time.
    gx = cv2.Sobel(part, cv2.CV_16S, 1, 0)[::2, ::2] >> 3
    gy = cv2.Sobel(part, cv2.CV_16S, 0, 1)[::2, ::2] >> 3
    xx, yy = gx * gx, gy * gy
    energy = np.maximum(xx + yy, 1).astype(np.float32)
    real, imaginary = (xx - yy).astype(np.float32), (2 * gx * gy).astype(np.float32)
    real2 = cv2.divide(cv2.subtract(cv2.multiply(real, real), cv2.multiply(imaginary, imaginary)), energy)
    imaginary2 = cv2.divide(cv2.multiply(real, imaginary), energy, scale=2)
    size = (width // CELL, height // CELL)
    planes = (energy, real, imaginary, real2, imaginary2)
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]).astype(np.float32)


def candidates(grey: U8) -> Iterator[Candidate]:
    """Every place in `grey` (H, W) that may be a code, the largest first, at most MOST_CANDIDATES of each shape."""
    if min(grey.shape) < WINDOW * CELL:
        return
    field = cells(grey)
    near = np.stack([cv2.blur(plane, (WINDOW, WINDOW), borderType=cv2.BORDER_REPLICATE) for plane in field])
    order1 = np.hypot(near[1], near[2]) / near[0]
    order2 = np.hypot(near[3], near[4]) / near[0]
    linear = (near[0] > ENERGY) & (order1 > ONE_WAY) & (field[0] > ENERGY / 3)
    matrix = (near[0] > ENERGY) & (order2 > TWO_WAYS) & (order1 < ACROSS) & (field[0] > ENERGY / 2)
    yield from _connected("linear", linear, field)
    yield from _connected("matrix", cv2.morphologyEx(matrix.astype(np.uint8), cv2.MORPH_CLOSE, _CROSS) > 0, field)


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def _connected(shape: Shape, marked: NDArray[np.bool_], field: F32) -> Iterator[Candidate]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    large = [number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= FEWEST_CELLS]
    large.sort(key=lambda number: -int(stats[number, cv2.CC_STAT_AREA]))
    for number in large[:MOST_CANDIDATES]:
        left, top, wide, high = (int(value) for value in stats[number, :4])
        inside = labels[top : top + high, left : left + wide] == number
        sums = field[:, top : top + high, left : left + wide][:, inside].sum(axis=1)
        rows, columns = np.nonzero(inside)
        yield _rectangle(shape, (columns + left + 0.5) * CELL, (rows + top + 0.5) * CELL, sums)


def _rectangle(shape: Shape, x: NDArray[Any], y: NDArray[Any], sums: F32) -> Candidate:
    """The rectangle around cell centres, turned the way their edges run."""
    energy = float(sums[0])
    if shape == "linear":
        turn = 0.5 * math.atan2(float(sums[2]), float(sums[1]))
    else:
        turn = 0.25 * math.atan2(float(sums[4]), float(sums[3]))
    cos, sin = math.cos(turn), math.sin(turn)
    along, across = x * cos + y * sin, y * cos - x * sin
    u0, u1 = float(along.min()), float(along.max())
    v0, v1 = float(across.min()), float(across.max())
    u, v = (u0 + u1) / 2, (v0 + v1) / 2
    length, height = u1 - u0 + CELL, v1 - v0 + CELL
    return Candidate(
        shape, u * cos - v * sin, u * sin + v * cos, length, height, turn,
        float(np.hypot(sums[1], sums[2])) / energy, float(np.hypot(sums[3], sums[4])) / energy,
        x.size * CELL * CELL / (length * height),
    )


def upright(grey: U8, found: Candidate, share: float = 1.0, margin: float = 0.0) -> U8:
    """The candidate turned upright, pixel for pixel: `share` of its sides, and `margin` pixels around it."""
    wide = max(4, round(found.along * share + 2 * margin))
    high = max(4, round(found.across * share + 2 * margin))
    cos, sin = math.cos(found.turn), math.sin(found.turn)
    x = found.x - cos * (wide - 1) / 2 + sin * (high - 1) / 2
    y = found.y - sin * (wide - 1) / 2 - cos * (high - 1) / 2
    # Positions are pixel edges, samples are pixel centres: half a pixel apart.
    matrix = np.array([[cos, -sin, x - 0.5], [sin, cos, y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(grey, matrix, (wide, high), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(patch, np.uint8)
