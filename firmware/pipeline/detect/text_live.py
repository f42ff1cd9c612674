"""Finds text in a live picture, within half a second on little more than a third of a core: one small network, in
tiles, where something has changed. It never reads words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from firmware.config import Detect
from firmware.pipeline.detect import text_rules
from firmware.pipeline.detect.field import is_field
from firmware.pipeline.detect.letters import Word, covered_share, words
from firmware.pipeline.detect.picture import Picture, scaled, take, tiles
from firmware.pipeline.detect.text_network import TextNetwork
from firmware.pipeline.detect.text_smear import is_smeared
from firmware.pipeline.detect.tiling import Waiting, choose, due
from firmware.pipeline.detect.types import Region
from hw.ports import U8

HALF_FROM = 960
"""A frame is halved, but not below this longer side: the network finds clear print of 7 pixels, so of 14 in the frame,
in 1080p and 4K alike."""
TILE = (1024, 640)
"""Widest and highest tile. Half a 1080p frame is one tile, half a 4K frame four."""
OVERLAP = 96
"""A letter up to this high, in half-size pixels, is whole in one tile; larger ones are found in the coarse look."""
COARSE = 736
MOST_TILES = 2
"""At one look. Of four tiles that all change, each is then seen at every second look."""
CELL = 8
CHANGED = 5.0
"""Mean difference in grey levels of one cell: camera noise stays below, a letter's edge does not."""


@dataclass
class _Tile:
    """One part of the picture: where it is, what it showed at the last look and what was found then."""

    rows: slice
    columns: slice
    seen: U8 | None = None
    found: list[Word] = field(default_factory=list)
    looks_ago: int = 0

    def waiting(self, y: U8) -> Waiting:
        changed = self.seen is None or differs(y[self.rows, self.columns], self.seen)
        return Waiting(self.looks_ago, changed, bool(self.found))


class LiveTextDetector:
    """The live profile, behind the detector interface.

    Every answer is about the whole picture: a tile with no change since it was last looked at keeps what was found in
    it, the others are looked at again. When more have changed than there is time for, those left over are seen in a
    coarse look at the whole picture only, keep in addition what was found in them before, and come first next time.
    So an answer is always evidence for the whole picture, but with four tiles in motion at once small letters can be
    one look late in two of them.
    """

    kind: Literal["text"] = "text"

    def __init__(self, tiny: bytes, settings: Detect) -> None:
        self._network = TextNetwork(tiny, settings)
        self._threshold = settings.text_threshold
        self._begin(())

    def _begin(self, shape: tuple[int, ...]) -> None:
        """Nothing has been seen of a picture of this (H, W); () while there is none."""
        self._shape = shape
        self._coarse: list[Word] = []
        self._answer: tuple[Region, ...] = ()
        windows = tiles(shape[1], shape[0], TILE, OVERLAP) if shape else ()
        self._tiles = [_Tile(rows, columns) for rows, columns in windows]

    def prepare(self, y: U8, uv: U8) -> Picture:
        """A private copy at half size."""
        longest = max(y.shape)
        return take(y, uv, max(longest // 2, min(longest, HALF_FROM)))

    def detect(self, prepared: Picture) -> tuple[Region, ...]:
        """What to cover, as rotated boxes."""
        if prepared.y.shape != self._shape:
            self._begin(prepared.y.shape)
        unseen = sum(tile.seen is None for tile in self._tiles)  # nothing is known of them yet: no time is too long
        parts = [tile.waiting(prepared.y) for tile in self._tiles]
        chosen = choose(parts, max(MOST_TILES, unseen))
        if chosen and is_smeared(prepared.y, prepared.uv):
            self._begin(())
            return text_rules.everything(prepared)
        for tile in self._tiles:
            tile.looks_ago += tile.seen is not None
        if not chosen:
            return self._answer
        in_field = is_field(prepared.y, prepared.uv)
        self._look([self._tiles[number] for number in chosen], prepared, in_field)
        left_over = [number for number, part in enumerate(parts) if due(part) and number not in chosen]
        fresh = [word for number, tile in enumerate(self._tiles) if number not in left_over for word in tile.found]
        # What a tile sees whole now needs no second, coarser box around it; what it saw before may have moved.
        coarse = [
            word for word in self._coarse
            if covered_share(word, fresh, prepared.width, prepared.height) < text_rules.AGREED
        ]
        found = fresh + coarse + [word for number in left_over for word in self._tiles[number].found]
        self._answer = text_rules.regions(text_rules.kept([found], prepared, in_field), prepared)
        return self._answer

    def _look(self, chosen: list[_Tile], picture: Picture, in_field: bool) -> None:
        rgb = picture.rgb()
        ratio = picture.width / rgb.shape[1]
        if len(self._tiles) > 1:
            small = scaled(rgb, COARSE)
            self._coarse = self._words(small, picture.width / small.shape[1], in_field)
        for tile in chosen:
            found = self._words(np.ascontiguousarray(rgb[tile.rows, tile.columns]), ratio, in_field)
            tile.found = [word.moved(tile.columns.start * ratio, tile.rows.start * ratio) for word in found]
            tile.seen, tile.looks_ago = picture.y[tile.rows, tile.columns].copy(), 1

    def _words(self, rgb: U8, ratio: float, in_field: bool) -> list[Word]:
        return words(self._network.chances(rgb), ratio, self._threshold, text_rules.least_score(in_field))


def differs(now: U8, then: U8) -> bool:
    """Whether two pictures of the same size, (H, W), differ in some cell by more than noise."""
    size = (-(-now.shape[1] // CELL), -(-now.shape[0] // CELL))
    cells = cv2.resize(cv2.absdiff(now, then), size, interpolation=cv2.INTER_AREA)
    return bool(cells.max() > CHANGED)
