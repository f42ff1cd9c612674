"""Paint over what identifies, in place on an NV12 picture: solid colour from outside the region, never a blur."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.types import Region
from hw.ports import U8

MID_GREY = 126  # the middle of limited range (16..235)
NO_COLOUR = 128
RING_CELLS = 2  # how far outside a region its colour is taken, in chroma cells of 2x2 pixels
_RING_SAMPLES = 96  # along each side at most: enough for a median

Bool = NDArray[np.bool_]


class _Shape:
    """A region on the chroma grid: the box [top:bottom, left:right] in cells, `mask` inside it (None: all of it).

    Luma is painted for whole cells, so that neither plane shows what the other hides.
    """

    __slots__ = ("bottom", "left", "mask", "right", "top")

    def __init__(self, region: Region, rows: int, columns: int) -> None:
        values = (region.x, region.y, region.w, region.h, region.angle_deg)
        if not all(math.isfinite(v) for v in values) or region.w < 0 or region.h < 0:
            raise ValueError(f"not a region: {region}")
        self.mask: Bool | None = None
        if region.angle_deg % 90 == 0:
            w, h = (region.w, region.h) if region.angle_deg % 180 == 0 else (region.h, region.w)
            x, y = region.x + (region.w - w) / 2, region.y + (region.h - h) / 2
            edges = (x, y, x + w, y + h)
        else:
            corners = _corners(region)
            edges = (*corners.min(0), *corners.max(0))
        self.left, self.right = _cells(edges[0], edges[2], columns)
        self.top, self.bottom = _cells(edges[1], edges[3], rows)
        if region.angle_deg % 90 != 0 and not self.empty:
            # One cell more on each side: every cell the rectangle touches is then inside the rasterised polygon.
            grown = Region(region.kind, region.x - 2, region.y - 2, region.w + 4, region.h + 4, region.angle_deg)
            points = _corners(grown) / 2 - 0.5 - (self.left, self.top)
            raster = np.zeros((self.bottom - self.top, self.right - self.left), np.uint8)
            cv2.fillConvexPoly(raster, np.round(points * 16).astype(np.int32), 1, shift=4)
            self.mask = raster.view(np.bool_)

    @property
    def empty(self) -> bool:
        return self.left >= self.right or self.top >= self.bottom

    def mark(self, covered: Bool) -> None:
        box = covered[self.top : self.bottom, self.left : self.right]
        if self.mask is None:
            box[:] = True
        else:
            box |= self.mask

    def colour(self, y: U8, uv: U8, covered: Bool) -> tuple[int, int, int]:
        """Median Y, U, V of uncovered cells just outside the box; mid-grey where there are none."""
        rows, columns = covered.shape
        top, bottom = max(self.top - RING_CELLS, 0), min(self.bottom + RING_CELLS, rows)
        left, right = max(self.left - RING_CELLS, 0), min(self.right + RING_CELLS, columns)
        across = max(1, (right - left) // _RING_SAMPLES)
        down = max(1, (bottom - top) // _RING_SAMPLES)
        strips = (
            (slice(top, self.top), slice(left, right, across)),
            (slice(self.bottom, bottom), slice(left, right, across)),
            (slice(self.top, self.bottom, down), slice(left, self.left)),
            (slice(self.top, self.bottom, down), slice(self.right, right)),
        )
        cells_y = y[::2, ::2]
        free = ~np.concatenate([covered[s].ravel() for s in strips])
        if not free.any():
            return MID_GREY, NO_COLOUR, NO_COLOUR
        luma = np.concatenate([cells_y[s].ravel() for s in strips])[free]
        chroma = np.concatenate([uv[s].reshape(-1, 2) for s in strips])[free]
        middle = luma.size // 2
        chroma.partition(middle, axis=0)
        luma.partition(middle)
        return int(luma[middle]), int(chroma[middle, 0]), int(chroma[middle, 1])

    def paint(self, y: U8, uv: U8, colour: tuple[int, int, int]) -> None:
        box_y = y[2 * self.top : 2 * self.bottom, 2 * self.left : 2 * self.right]
        box_uv = uv[self.top : self.bottom, self.left : self.right]
        if self.mask is None:
            box_y[:] = colour[0]
            box_uv[:] = colour[1:]
        else:
            box_y[self.mask.repeat(2, 0).repeat(2, 1)] = colour[0]
            box_uv[self.mask] = colour[1:]


def fill_regions(y: U8, uv: U8, regions: Sequence[Region]) -> int:
    """Fill `regions` in place; returns how many touch the picture.

    `y` is (H, W), `uv` (H/2, W/2, 2). The area is rounded outwards to whole 2x2 cells. The colour of each region
    is the median of the pixels around it that no region covers. Raises ValueError for a region that is not one
    (NaN, negative size): the caller then fills the whole frame.
    """
    rows, columns = uv.shape[:2]
    shapes = [s for s in (_Shape(r, rows, columns) for r in regions) if not s.empty]
    if not shapes:
        return 0
    covered: Bool = np.zeros((rows, columns), np.bool_)
    for shape in shapes:
        shape.mark(covered)
    colours = [shape.colour(y, uv, covered) for shape in shapes]  # all before the first is painted
    for shape, colour in zip(shapes, colours, strict=True):
        shape.paint(y, uv, colour)
    return len(shapes)


def fill_frame(y: U8, uv: U8) -> None:
    """Fill the whole picture with mid-grey."""
    y.fill(MID_GREY)
    uv.fill(NO_COLOUR)


def _cells(start: float, end: float, limit: int) -> tuple[int, int]:
    """The cells of 2 pixels that [start, end) touches, cut to the picture."""
    return max(math.floor(start / 2), 0), min(math.ceil(end / 2), limit)


def _corners(region: Region) -> NDArray[np.float64]:
    """The four corners (4, 2) of the rectangle turned about its centre."""
    angle = math.radians(region.angle_deg)
    along = np.array([math.cos(angle), math.sin(angle)]) * region.w / 2
    across = np.array([-math.sin(angle), math.cos(angle)]) * region.h / 2
    centre = np.array([region.x + region.w / 2, region.y + region.h / 2])
    return centre + np.stack([-along - across, along - across, along + across, across - along])
