"""Which of the words that the text networks suspect are covered, and what is covered with them. Pure."""

from __future__ import annotations

from firmware.pipeline.detect.letters import Word, covered_share, has_strokes
from firmware.pipeline.detect.picture import Picture
from firmware.pipeline.detect.text_labels import labels, lines
from firmware.pipeline.detect.types import Region

SMALL = 0.05
"""Of the shorter side of the frame: up to this height one pass is enough, a larger word must be confirmed."""
BLOCK, BLOCK_LONG = 0.025, 1.5
"""What is higher than this and hardly longer than high is a single sign, or a lamp, a tile, a marker: it must have
strokes too."""
LARGEST = 0.15
"""Of the shorter side: what is larger is a surface with a pattern, not writing that names a person."""
LARGEST_FIELD = 0.04
"""In a view of the operating field: larger letters there are the maker's name on an instrument, which is not the
patient's. What a video tower burns in is smaller."""
SURE, SURE_FIELD = 0.6, 0.8
"""Least mean probability of a word; highlights and folds in the operating field come close to it."""
ALONE, ALONE_FIELD = 0.8, 0.9
"""A word fainter than this must be seen by a second pass too, where there is one: two passes agree on letters much
more often than on highlights and on the teeth of an instrument."""
AGREED = 0.5
"""Share of a word that the others must cover to have seen it too."""
GROW = 1.8


def least_score(field: bool) -> float:
    """The least score with which a word may count in a view of the operating field (`field`) or elsewhere."""
    return SURE_FIELD if field else SURE


def kept(passes: list[list[Word]], picture: Picture, field: bool) -> list[Word]:
    """The words that count, not yet grown.

    `passes` is what each pass saw: a network at a size. Words that are small and sure count as they are; large or faint
    ones when another pass agrees, if there is another; large ones and single signs only when they have strokes.
    """
    shorter = min(picture.width, picture.height)
    largest = (LARGEST_FIELD if field else LARGEST) * shorter
    alone = ALONE_FIELD if field else ALONE
    ratio = picture.width / picture.y.shape[1]
    out = []
    for index, found in enumerate(passes):
        others = [word for number, other in enumerate(passes) if number != index for word in other]
        for word in found:
            if word.high > largest:
                continue
            large = word.high > SMALL * shorter
            doubtful = len(passes) > 1 and (large or word.score < alone)
            if doubtful and covered_share(word, others, picture.width, picture.height) < AGREED:
                continue
            block = word.high > BLOCK * shorter and max(word.w, word.h) < BLOCK_LONG * word.high
            if (large or block) and not has_strokes(word, picture.y, ratio):
                continue
            out.append(word)
    return out


def regions(words: list[Word], picture: Picture) -> tuple[Region, ...]:
    """What to cover: each word grown to its full height, the words of a line as one, a label or band as a whole."""
    whole = labels(lines([word.grown(GROW) for word in words]), picture)
    return tuple(region for word in whole if (region := region_of(word, picture.width, picture.height)))


def everything(picture: Picture) -> tuple[Region, ...]:
    """The whole picture: nobody can tell where in it the writing is."""
    return (Region("text", 0.0, 0.0, float(picture.width), float(picture.height)),)


def region_of(word: Word, width: int, height: int) -> Region | None:
    """As a region; None when its centre is outside the picture (the rest of it is then a sliver at the edge)."""
    if not (0 <= word.x <= width and 0 <= word.y <= height):
        return None
    return Region("text", word.x - word.w / 2, word.y - word.h / 2, word.w, word.h, word.angle_deg, word.score)
