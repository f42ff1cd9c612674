"""Which passes look at a frame for faces, at which sizes, and how each is made and brought back. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from firmware.pipeline.detect.face_networks import Boxes, FaceNetwork, NetworkName, shifted
from firmware.pipeline.detect.picture import scaled
from hw.ports import U8

MEDIUM, FINE, FINEST = 640, 1280, 3840
"""Sizes at which middling, small and very small faces are looked for; a picture is enlarged up to twice for them."""
SMALL = 224
"""A face that fills the picture, or is cut by its edge, is seen as a whole at this size."""
LIVE_SIZE = 1920
"""The copy that live looks are made of is no larger."""
LIVE_MEDIUM = 384
"""CenterFace's live look at a whole picture of which YuNet sees a third at full size: small faces are found there, and
CenterFace looks closer at them."""
PART_OVERLAP = 96
"""Live looks see a third of the picture at full size each; a small face on the line between two is whole in one."""
TURNS = (2, 1, 3)
"""By how many right angles the picture is turned for heads that are not upright; live looks take turns at them."""
DIM, BRIGHT, MOST_GAIN = 80, 200, 8.0
"""Of 255: a darker picture is too dark for the networks; how bright its brightest parts are made; the most gain."""
NOISE = 1.0
"""A lightened picture is as noisy as it is bright: live looks smooth it with this deviation, in its own pixels."""
GREY = (110, 110, 110)
"""Shown where there is no picture."""
CLOSE_FACE, CLOSE_SIDE = 48, 192
"""A close look shows a suspected face about this large, in a square of this side: pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """One pass over a frame at `long_side` pixels: flipped left to right, or turned by `quarter` right angles.

    Scores are divided by `strictness`: at some sizes a network sees more than there is. With a `part`, it is over that
    third of the picture alone, along the longer side.
    """

    network: NetworkName
    long_side: int
    flipped: bool = False
    quarter: int = 0
    strictness: float = 1.0
    part: int | None = None


def looks(profile: Literal["live", "thorough"], width: int, height: int, turn: int = 0) -> list[Look]:
    """The passes for a frame of this size.

    YuNet costs a seventh, so it makes most of them. Live looks turn the picture one way each, TURNS[`turn`], and see
    one third of it at full size: a round of them has all. Thorough ones have all.
    """
    longest = max(width, height)
    medium, fine = min(MEDIUM, 2 * longest), min(FINE, 2 * longest)
    half = medium // 2
    passes = [
        Look("yunet", medium), Look("yunet", half), Look("yunet", half, flipped=True),
        Look("yunet", SMALL), Look("yunet", SMALL, flipped=True),
    ]
    if profile == "live":
        full = min(longest, LIVE_SIZE)
        if full > 1.4 * medium:
            passes += [Look("centerface", LIVE_MEDIUM), Look("yunet", full, part=turn)]
        else:
            passes.append(Look("centerface", medium))
        return [*passes, *_turned(half, TURNS[turn])]
    passes += [
        Look("centerface", half), Look("centerface", medium), Look("centerface", medium, flipped=True),
        Look("yunet", medium, flipped=True),
    ]
    if fine > 1.4 * medium:
        passes += [Look("centerface", fine, strictness=1.25), Look("yunet", fine, strictness=1.2)]
    if longest > 1.4 * fine:
        passes += [Look("centerface", longest, strictness=1.25), Look("yunet", longest, strictness=1.2)]
    if (finest := max(longest, min(2 * longest, FINEST))) > 1.4 * max(fine, longest):
        passes.append(Look("yunet", finest, strictness=1.2))
    for quarter in TURNS:
        passes += [*_turned(half, quarter), Look("yunet", medium, quarter=quarter)]
    return passes


def _turned(long_side: int, quarter: int) -> list[Look]:
    """Both networks, for a head that lies or hangs: a patient on the table."""
    return [Look("centerface", long_side, quarter=quarter), Look("yunet", long_side, quarter=quarter)]


class Looker:
    """Makes passes over one frame, `rgb` (H, W, 3); pictures of a size that several passes need are made once."""

    def __init__(self, rgb: U8, networks: dict[NetworkName, FaceNetwork]) -> None:
        self._rgb, self._networks = rgb, networks
        self._sizes: dict[int, U8] = {}

    def see(self, look: Look) -> Boxes:
        """Boxes in pixels of `rgb`, cut to it; scores divided by the pass's strictness."""
        whole = self._size(look.long_side)
        rows, columns = third(whole.shape[1], whole.shape[0], look.part)
        small = whole[rows, columns]
        height, width = small.shape[:2]
        if look.flipped:
            small = small[:, ::-1]
        found = self._networks[look.network].boxes(np.rot90(small, look.quarter))
        if look.flipped:
            found[:, 0] = width - found[:, 0] - found[:, 2]
        found = shifted(turned_back(found, look.quarter, width, height), columns.start, rows.start)
        found[:, :4] *= self._rgb.shape[1] / whole.shape[1]
        found[:, 4] = np.minimum(found[:, 4] / look.strictness, 1.0)
        return cut(found, self._rgb.shape[1], self._rgb.shape[0])

    def close(self, network: NetworkName, box: Sequence[float]) -> Boxes:
        """What a network sees in a closer look at one `box` (x, y, w, h) and around it, in pixels of `rgb`."""
        x, y, wide, high = box[:4]
        by = CLOSE_FACE / max(wide, high, 1.0)
        left, top = x + wide / 2 - CLOSE_SIDE / 2 / by, y + high / 2 - CLOSE_SIDE / 2 / by
        matrix = np.array([[1 / by, 0, left], [0, 1 / by, top]])
        square = cv2.warpAffine(
            self._rgb, matrix, (CLOSE_SIDE, CLOSE_SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=GREY,
        )  # fmt: skip
        found = self._networks[network].boxes(np.asarray(square, np.uint8))
        found[:, :4] /= by
        return cut(shifted(found, left, top), self._rgb.shape[1], self._rgb.shape[0])

    def _size(self, long_side: int) -> U8:
        """The picture at this size, made from a smaller copy where there is one of at least twice the size."""
        if long_side not in self._sizes:
            larger = [side for side in self._sizes if side >= 2 * long_side]
            self._sizes[long_side] = scaled(self._sizes[min(larger)] if larger else self._rgb, long_side)
        return self._sizes[long_side]


def lightened(rgb: U8, *, smooth: bool) -> U8:
    """A picture in which next to nothing is brighter than DIM, made brighter (and `smooth`); any other as it is."""
    top = float(np.percentile(rgb[::8, ::8], 99))
    if top >= DIM:
        return rgb
    bright = cv2.convertScaleAbs(rgb, alpha=min(BRIGHT / max(top, 1.0), MOST_GAIN))
    return np.asarray(cv2.GaussianBlur(bright, (0, 0), NOISE) if smooth else bright, np.uint8)


def third(width: int, height: int, part: int | None) -> tuple[slice, slice]:
    """Rows and columns of one of three overlapping parts of a picture, along its longer side; None: all of it."""
    if part is None:
        return slice(0, height), slice(0, width)
    longest = max(width, height)
    side = min(longest, -(-(longest + 2 * PART_OVERLAP) // 3))
    start = part * (longest - side) // 2
    along = slice(start, start + side)
    return (slice(0, height), along) if width >= height else (along, slice(0, width))


def turned_back(boxes: Boxes, quarter: int, width: int, height: int) -> Boxes:
    """Boxes seen in a `width` x `height` picture that was turned counter-clockwise by `quarter` right angles."""
    x, y, wide, high, score = boxes.T
    if quarter == 1:  # x' = y, y' = width - x
        return np.stack([width - y - high, x, high, wide, score], axis=1)
    if quarter == 2:
        return np.stack([width - x - wide, height - y - high, wide, high, score], axis=1)
    if quarter == 3:  # x' = height - y, y' = x
        return np.stack([y, height - x - wide, high, wide, score], axis=1)
    return boxes


def cut(boxes: Boxes, width: int, height: int) -> Boxes:
    """The part of each box inside the picture; what has none is dropped."""
    left, top = np.clip(boxes[:, 0], 0, width), np.clip(boxes[:, 1], 0, height)
    right = np.clip(boxes[:, 0] + boxes[:, 2], 0, width)
    bottom = np.clip(boxes[:, 1] + boxes[:, 3], 0, height)
    inside = np.stack([left, top, right - left, bottom - top, boxes[:, 4]], axis=1).astype(np.float32)
    return inside[(inside[:, 2] > 0) & (inside[:, 3] > 0)]
