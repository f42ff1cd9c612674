"""Finds text with PP-OCR's detection network: words as rotated boxes. It never reads them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from firmware.config import Detect
from firmware.pipeline.detect.field import is_field
from firmware.pipeline.detect.letters import F32, SMEARED, Word, covered_share, has_strokes, smear, words
from firmware.pipeline.detect.picture import Picture, network_input, scaled, take, tiles
from firmware.pipeline.detect.runtime import Session
from firmware.pipeline.detect.types import Region
from hw.ports import U8

LIVE_LONG_SIDE = 736
SMALL = 0.05
"""Of the shorter side of the frame: up to this height one pass is enough, a larger word must be confirmed."""
LARGEST = 0.15
"""Of the shorter side: what is larger is a surface with a pattern, not writing that names a person."""
LARGEST_FIELD = 0.04
"""In a view of the operating field: larger letters there are the maker's name on an instrument, which is not the
patient's. What a video tower burns in is smaller."""
SURE, SURE_FIELD = 0.65, 0.8
"""Least mean probability of a word; highlights and folds in the operating field come close to it."""
ALONE_IN_FIELD = 0.85
"""The same where tissue fills the picture and only one pass saw it: there a row of highlights looks like writing."""
GROW, GROW_SMEARED = 1.8, 2.0
FAINT, FAINT_SCORE = 0.15, 0.3
"""In a smeared picture letters cannot be told apart: any suspicion of this strength counts, at any size."""

# The network was trained on BGR with ImageNet's means and deviations in this order.
ORDER = (2, 1, 0)
MEAN = (123.675, 116.28, 103.53)
SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)


def long_sides(profile: Literal["live", "thorough"], width: int, height: int) -> list[int]:
    """The sizes at which a frame is looked at. Small pictures are enlarged up to twice."""
    longest = max(width, height)
    if profile == "live":
        return [min(LIVE_LONG_SIDE, max(longest, LIVE_LONG_SIDE // 2))]
    fine = max(longest, min(2 * longest, 1280))
    return [fine, fine // 2]


class TextDetector:
    """PP-OCR text detection behind the detector interface. `model` is the file's bytes, checked by models.load."""

    kind: Literal["text"] = "text"

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(model, settings)
        self._profile, self._threshold = settings.profile, settings.text_threshold
        self._last: tuple[Picture, tuple[Region, ...]] | None = None

    def prepare(self, y: U8, uv: U8) -> Picture:
        """A private copy, no larger than the passes need."""
        return take(y, uv, LIVE_LONG_SIDE if self._profile == "live" else None)

    def detect(self, prepared: Picture) -> tuple[Region, ...]:
        """Words as rotated boxes. A frame equal to the one before gets the same answer."""
        if self._last is not None and prepared.same_as(self._last[0]):
            return self._last[1]
        rgb = prepared.rgb()
        smeared = smear(prepared.y) < SMEARED
        field = not smeared and is_field(prepared.y, prepared.uv)
        found: list[list[Word]] = []
        suspected: list[Word] = []
        for long_side in long_sides(self._profile, prepared.width, prepared.height):
            small = scaled(rgb, long_side)
            chance = self._chances(small)
            ratio = prepared.width / small.shape[1]
            found.append(words(chance, ratio, self._threshold, SURE_FIELD if field else SURE))
            if smeared:
                suspected += [word.grown(GROW_SMEARED) for word in words(chance, ratio, FAINT, FAINT_SCORE)]
        kept = [word.grown(GROW) for word in _kept(found, prepared, field)] + suspected
        regions = tuple(region for word in kept if (region := region_of(word, prepared.width, prepared.height)))
        self._last = (prepared, regions)
        return regions

    def _chances(self, rgb: U8) -> F32:
        """The probability of text at each pixel, (H, W)."""
        height, width = rgb.shape[:2]
        whole = np.zeros((height, width), np.float32)
        for rows, columns in tiles(width, height):
            part = rgb[rows, columns]
            answer = self._session.maps(network_input(part, ORDER, MEAN, SCALE), 1)[0]
            chance = answer[0, 0, : part.shape[0], : part.shape[1]]
            np.maximum(whole[rows, columns], chance, out=whole[rows, columns])
        return whole


def _kept(passes: list[list[Word]], picture: Picture, field: bool) -> list[Word]:
    """Small words as they are; large ones when they have strokes and, with several passes, two agree. In a view of
    the operating field (`field`) two must agree on faint ones too."""
    largest = LARGEST_FIELD if field else LARGEST
    shorter = min(picture.width, picture.height)
    ratio = picture.width / picture.y.shape[1]
    kept = []
    for index, found in enumerate(passes):
        others = [word for number, other in enumerate(passes) if number != index for word in other]
        for word in found:
            if word.high > largest * shorter:
                continue
            large = word.high > SMALL * shorter
            doubtful = large or (field and word.score < ALONE_IN_FIELD)
            if doubtful and len(passes) > 1 and covered_share(word, others, picture.width, picture.height) < 0.5:
                continue
            if large and not has_strokes(word, picture.y, ratio):
                continue
            kept.append(word)
    return kept


def region_of(word: Word, width: int, height: int) -> Region | None:
    """As a region; None when its centre is outside the picture (the rest of it is then a sliver at the edge)."""
    if not (0 <= word.x <= width and 0 <= word.y <= height):
        return None
    return Region("text", word.x - word.w / 2, word.y - word.h / 2, word.w, word.h, word.angle_deg, word.score)
