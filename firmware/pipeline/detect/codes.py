"""Finds linear and matrix codes: by their structure, readable or not, and with a reader. It keeps nothing it reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import zxingcpp

from firmware.config import Detect
from firmware.pipeline.detect.code_checks import judge
from firmware.pipeline.detect.code_fields import Candidate, candidates, upright
from firmware.pipeline.detect.types import Region
from hw.ports import U8

LIVE_LONG_SIDE = 1920
LEVELS = {"live": 3, "thorough": 4}
"""How often the picture is halved, plus one: wide bars have their edges too far apart for the cells of the first."""
READINGS = {"live": 6, "thorough": 24}
"""Doubtful candidates that are given to the reader, at most."""
LARGEST = (0.5, 0.4)
"""Of the picture's longer and shorter side: a matrix code larger than this is near enough to be read, or it is none."""
LINEAR_ENDS, LINEAR_SIDES = 0.1, 0.3
"""Growth on each side as a share of a linear code's length and height: quiet zone, and the number below the bars."""
MATRIX_SIDES = 0.12
CELLS = 8.0
"""Pixels of the level it was found at: its edge may lie anywhere in a cell."""
SMALL = 600
"""A picture whose shorter side has fewer pixels is read at its own size in every direction."""
LINE_HIGH = 0.6
"""A reader may have read a linear code along one line: it is then taken to be this share of its length high."""

FORMATS: Any = [
    zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.MicroQRCode, zxingcpp.BarcodeFormat.DataMatrix,
    zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.PDF417, zxingcpp.BarcodeFormat.Code128,
    zxingcpp.BarcodeFormat.Code39, zxingcpp.BarcodeFormat.Code93, zxingcpp.BarcodeFormat.Codabar,
    zxingcpp.BarcodeFormat.EANUPC, zxingcpp.BarcodeFormat.ITF,
]
_MATRIX = {"QRCode", "MicroQRCode", "DataMatrix", "Aztec", "PDF417"}


@dataclass(frozen=True, slots=True)
class Grey:
    """A private copy of a frame's luma, perhaps smaller than the frame: `width` and `height` are the frame's own."""

    y: U8
    width: int
    height: int


class CodeDetector:
    """Structure and reader behind the detector interface."""

    kind: Literal["code"] = "code"

    def __init__(self, settings: Detect) -> None:
        self._profile = settings.profile
        self._last: tuple[U8, tuple[Region, ...]] | None = None

    def prepare(self, y: U8, uv: U8) -> Grey:
        """A private copy; live, a picture larger than 1920 pixels is reduced to that."""
        height, width = y.shape
        if self._profile != "live" or max(width, height) <= LIVE_LONG_SIDE:
            return Grey(y.copy(), width, height)
        ratio = LIVE_LONG_SIDE / max(width, height)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        return Grey(np.asarray(cv2.resize(y, size, interpolation=cv2.INTER_AREA), np.uint8), width, height)

    def detect(self, prepared: Grey) -> tuple[Region, ...]:
        """Codes as rotated boxes with their margins. A frame equal to the one before gets the same answer."""
        if self._last is not None and np.array_equal(prepared.y, self._last[0]):
            return self._last[1]
        ratio = prepared.width / prepared.y.shape[1]
        found = [*self._seen(prepared.y), *self._read(prepared.y)]
        regions = tuple(
            region for box in found if (region := _region(box, ratio, prepared.width, prepared.height)) is not None
        )
        self._last = (prepared.y, regions)
        return regions

    def _seen(self, grey: U8) -> Iterator[_Box]:
        """What the structure says, at each level; what is in doubt is left to the reader."""
        doubtful: list[tuple[float, U8, Candidate]] = []
        scale, level, finer = 1.0, grey, grey
        for number in range(LEVELS[self._profile]):
            if number:
                scale *= 2
                finer = level
                half = (level.shape[1] // 2, level.shape[0] // 2)
                level = np.asarray(cv2.resize(level, half, interpolation=cv2.INTER_AREA), np.uint8)
            if min(level.shape) < 64:
                break
            for candidate in candidates(level):
                judgement = judge(level, candidate)
                if judgement == "sure" and not _too_large(candidate, level):
                    yield _grown(candidate, scale)
                elif judgement != "no":
                    doubtful.append((scale, finer, candidate))
        doubtful.sort(key=lambda each: -each[2].along * each[2].across * each[0] ** 2)
        for scale, level, candidate in doubtful[: READINGS[self._profile]]:
            zoom = 1.0 if scale == 1 else 2.0  # a reader sees more in the next finer picture
            patch = upright(level, candidate.scaled(zoom), margin=2 * CELLS * zoom)
            if zxingcpp.read_barcodes(np.ascontiguousarray(patch), formats=FORMATS):
                yield _grown(candidate, scale)

    def _read(self, grey: U8) -> Iterator[_Box]:
        """What the reader reads in the picture as it is. Live it takes the time for turned codes (matrix codes too) at
        half the size only: there it reads nearly as many, in a quarter of the time."""
        if self._profile == "thorough":
            yield from (_box_of(read, 1.0) for read in zxingcpp.read_barcodes(grey, formats=FORMATS))
            return
        plain = {"try_downscale": False, "try_invert": False}
        if min(grey.shape) < SMALL:
            yield from (_box_of(read, 1.0) for read in zxingcpp.read_barcodes(grey, formats=FORMATS, **plain))
            return
        for read in zxingcpp.read_barcodes(grey, formats=FORMATS, try_rotate=False, **plain):
            yield _box_of(read, 1.0)
        size = (grey.shape[1] // 2, grey.shape[0] // 2)
        half = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        for read in zxingcpp.read_barcodes(half, formats=FORMATS, **plain):
            yield _box_of(read, 2.0)


@dataclass(frozen=True, slots=True)
class _Box:
    """Centre, sides and clockwise turn in radians, in pixels of the prepared picture."""

    x: float
    y: float
    w: float
    h: float
    turn: float


def _too_large(found: Candidate, picture: U8) -> bool:
    shorter, longer = sorted((found.along, found.across))
    return found.shape == "matrix" and (
        longer > LARGEST[0] * max(picture.shape) or shorter > LARGEST[1] * min(picture.shape)
    )


def _grown(found: Candidate, scale: float) -> _Box:
    """With its quiet zone, margin, and the number that stands below the bars of a linear code."""
    if found.shape == "linear":
        ends, sides = LINEAR_ENDS * found.along, LINEAR_SIDES * found.across
    else:
        ends = sides = MATRIX_SIDES * max(found.along, found.across)
    return _Box(
        found.x * scale, found.y * scale, (found.along + 2 * (ends + CELLS)) * scale,
        (found.across + 2 * (sides + CELLS)) * scale, found.turn,
    )


def _box_of(read: Any, scale: float) -> _Box:
    """The rectangle around what the reader has read in a picture `scale` times smaller, grown in the same way."""
    position = read.position
    corners = np.array(
        [(p.x, p.y) for p in (position.top_left, position.top_right, position.bottom_right, position.bottom_left)],
        np.float32,
    )
    (x, y), (w, h), angle = cv2.minAreaRect(corners * scale)
    if read.format.name in _MATRIX:
        grow = MATRIX_SIDES * max(w, h) + CELLS
        return _Box(x, y, w + 2 * grow, h + 2 * grow, math.radians(angle))
    if h > w:
        w, h, angle = h, w, angle + 90
    h = max(h, LINE_HIGH * w)
    return _Box(
        x, y, w * (1 + 2 * LINEAR_ENDS) + 2 * CELLS, h * (1 + 2 * LINEAR_SIDES) + 2 * CELLS, math.radians(angle)
    )


def _region(box: _Box, ratio: float, width: int, height: int) -> Region | None:
    """As a region of the frame with its angle in (-45, 45]; None when its centre is outside the picture."""
    x, y, w, h, angle = box.x * ratio, box.y * ratio, box.w * ratio, box.h * ratio, math.degrees(box.turn)
    while angle > 45:
        w, h, angle = h, w, angle - 90
    while angle <= -45:
        w, h, angle = h, w, angle + 90
    if not (0 <= x <= width and 0 <= y <= height):
        return None
    return Region("code", x - w / 2, y - h / 2, w, h, angle)
