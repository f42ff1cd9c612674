"""Which passes look at a frame for faces, at which sizes, and how each is made and brought back. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from firmware.pipeline.detect.face_networks import Boxes, FaceNetwork, NetworkName
from firmware.pipeline.detect.picture import scaled
from hw.ports import U8

MEDIUM, FINE, FINEST = 640, 1280, 3840
"""Sizes at which middling, small and very small faces are looked for; a picture is enlarged up to twice for them."""
TINY, SMALL = 160, 224
"""A face that fills the picture, or is cut by its edge, is seen as a whole at these sizes."""


@dataclass(frozen=True, slots=True)
class Look:
    """One pass over a frame at `long_side` pixels: flipped left to right, or turned by `quarter` right angles.

    Scores are divided by `strictness`: at some sizes a network sees more than there is.
    """

    network: NetworkName
    long_side: int
    flipped: bool = False
    quarter: int = 0
    strictness: float = 1.0


def live_size(width: int, height: int) -> int:
    """The longer side of the copy that the live passes look at."""
    return min(FINE, max(width, height))


def looks(profile: Literal["live", "thorough"], width: int, height: int, turn: int) -> list[Look]:
    """The passes for a frame of this size.

    YuNet costs a seventh, so it makes most of them. Live passes lie on one side at a time: `turn` (1 or 3) says on
    which, and should change from look to look. Thorough ones lie on both.
    """
    longest = max(width, height)
    medium, fine = min(MEDIUM, 2 * longest), min(FINE, 2 * longest)
    half = medium // 2
    passes = [
        Look("centerface", half),
        Look("yunet", SMALL), Look("yunet", SMALL, flipped=True),
        Look("yunet", half), Look("yunet", half, flipped=True),
        Look("yunet", medium),
    ]
    if profile == "live":
        if min(fine, longest) > 1.4 * medium:
            passes.append(Look("yunet", min(fine, longest)))
        return [*passes, *_lying(half, turn)]
    passes += [
        Look("centerface", TINY, strictness=1.5), Look("centerface", SMALL, strictness=1.25),
        Look("centerface", medium), Look("centerface", medium, flipped=True),
        Look("yunet", TINY, strictness=1.5), Look("yunet", medium, flipped=True),
    ]
    if fine > 1.4 * medium:
        passes += [Look("centerface", fine, strictness=1.25), Look("yunet", fine, strictness=1.2)]
    if longest > 1.4 * fine:
        passes += [Look("centerface", longest, strictness=1.25), Look("yunet", longest, strictness=1.2)]
    if (finest := max(longest, min(2 * longest, FINEST))) > 1.4 * max(fine, longest):
        passes.append(Look("yunet", finest, strictness=1.2))
    for quarter in (1, 3):
        passes += [*_lying(half, quarter), Look("yunet", medium, quarter=quarter)]
    return passes


def _lying(long_side: int, quarter: int) -> list[Look]:
    """Both networks, for a head on its side: a patient on the table."""
    return [Look("centerface", long_side, quarter=quarter), Look("yunet", long_side, quarter=quarter)]


class Looker:
    """Makes passes over one frame, `rgb` (H, W, 3); pictures of a size that several passes need are made once."""

    def __init__(self, rgb: U8, networks: dict[NetworkName, FaceNetwork]) -> None:
        self._rgb, self._networks = rgb, networks
        self._sizes: dict[int, U8] = {}

    def see(self, look: Look) -> Boxes:
        """Boxes in pixels of `rgb`, cut to it; scores divided by the pass's strictness."""
        if look.long_side not in self._sizes:
            self._sizes[look.long_side] = scaled(self._rgb, look.long_side)
        small = self._sizes[look.long_side]
        height, width = small.shape[:2]
        if look.flipped:
            small = small[:, ::-1]
        found = self._networks[look.network].boxes(np.rot90(small, look.quarter))
        if look.flipped:
            found[:, 0] = width - found[:, 0] - found[:, 2]
        found = turned_back(found, look.quarter, width, height)
        found[:, :4] *= self._rgb.shape[1] / width
        found[:, 4] = np.minimum(found[:, 4] / look.strictness, 1.0)
        return cut(found, self._rgb.shape[1], self._rgb.shape[0])


def turned_back(boxes: Boxes, quarter: int, width: int, height: int) -> Boxes:
    """Boxes seen in a `width` x `height` picture that was turned counter-clockwise by `quarter` right angles."""
    x, y, wide, high, score = boxes.T
    if quarter == 1:  # x' = y, y' = width - x
        return np.stack([width - y - high, x, high, wide, score], axis=1)
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
