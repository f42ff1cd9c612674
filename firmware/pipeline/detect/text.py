"""Finds text in a picture, at leisure: two networks at two sizes each. Words as rotated boxes; it never reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from firmware.config import Detect
from firmware.pipeline.detect import models, text_rules
from firmware.pipeline.detect.field import is_field
from firmware.pipeline.detect.letters import Word, covered_share, words
from firmware.pipeline.detect.picture import Picture, scaled, take
from firmware.pipeline.detect.text_live import LiveTextDetector
from firmware.pipeline.detect.text_network import TextNetwork
from firmware.pipeline.detect.text_reader import LetterReader
from firmware.pipeline.detect.text_smear import is_smeared
from firmware.pipeline.detect.types import Region
from hw.ports import U8

ENLARGED = 1280
"""Small pictures are enlarged up to twice, at most to this longer side: letters of 8 pixels are too small as is."""
DOUBTFUL = 0.93
"""A word with a lower score is tried to be read: highlights, teeth and folds come up to 0.91, clear print is above."""
MOST_READ = 24
"""In one picture; further ones count unread."""


class TextDetector:
    """The thorough profile, behind the detector interface: for files, where nothing is late.

    Two networks, each at full size and at half of it: the larger one finds faint print, the smaller one errs elsewhere
    and so tells letters from what looks like letters. What is in doubt then is tried to be read.
    """

    kind: Literal["text"] = "text"

    def __init__(self, small: bytes, tiny: bytes, reader: bytes, settings: Detect) -> None:
        self._networks = (TextNetwork(small, settings), TextNetwork(tiny, settings))
        self._reader = LetterReader(reader, settings)
        self._threshold = settings.text_threshold
        self._last: tuple[Picture, tuple[Region, ...]] | None = None

    def prepare(self, y: U8, uv: U8) -> Picture:
        """A private copy in full size."""
        return take(y, uv, None)

    def detect(self, prepared: Picture) -> tuple[Region, ...]:
        """What to cover, as rotated boxes. A frame equal to the one before gets the same answer."""
        if self._last is None or not prepared.same_as(self._last[0]):
            self._last = (prepared, self._look(prepared))
        return self._last[1]

    def _look(self, picture: Picture) -> tuple[Region, ...]:
        if is_smeared(picture.y, picture.uv):
            return text_rules.everything(picture)
        field = is_field(picture.y, picture.uv)
        rgb = picture.rgb()
        passes = []
        for long_side in long_sides(picture.width, picture.height):
            looked_at = scaled(rgb, long_side)
            ratio = picture.width / looked_at.shape[1]
            for network in self._networks:
                chance = network.chances(looked_at)
                passes.append(words(chance, ratio, self._threshold, text_rules.least_score(field)))
        found = self._read(text_rules.kept(passes, picture, field), picture, rgb)
        return text_rules.regions(found, picture)

    def _read(self, found: list[Word], picture: Picture, rgb: U8) -> list[Word]:
        """Without the doubtful ones in which nothing can be read, and that no sure one covers."""
        sure = [word for word in found if word.score >= DOUBTFUL]
        doubtful = sorted(set(found) - set(sure), key=lambda word: word.score)
        alone = [word for word in doubtful
                 if covered_share(word, sure, picture.width, picture.height) < text_rules.AGREED]  # fmt: skip
        empty = {word for word in alone[:MOST_READ] if not self._reader.finds_letters(picture, rgb, word)}
        return [word for word in found if word not in empty]


def long_sides(width: int, height: int) -> list[int]:
    """The sizes at which a picture is looked at: any letters from 8 pixels upwards suit one of them."""
    longest = max(width, height)
    fine = max(longest, min(2 * longest, ENLARGED))
    return [fine, max(fine // 2, 1)]


def open_text(models_dir: str | Path, settings: Detect) -> TextDetector | LiveTextDetector:
    """The text detector of the configured profile. Raises PartMissing when a model is not there or not the right
    one."""
    tiny = models.load(models_dir, models.TEXT_TINY)
    if settings.profile == "live":
        return LiveTextDetector(tiny, settings)
    return TextDetector(models.load(models_dir, models.TEXT), tiny, models.load(models_dir, models.READ), settings)
