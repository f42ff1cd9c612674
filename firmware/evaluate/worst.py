"""Chooses what a person should look at: the worst misses and the worst false fills, of each category in turn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from firmware.evaluate.judge import ClipFigures, JudgedBox
from firmware.evaluate.tally import GOALS

MISSES = 36
FALSE_FILLS = 16
_MISSES_OF_ONE_CLIP = 3
_WORTH_SHOWING = 0.003
"""Below this part of a frame's texture a false fill is not shown: the project's limit for false area."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A box that shows, at its worst frame, and for how many annotated frames in a row its clip leaked then."""

    clip: ClipFigures
    box: JudgedBox
    run: int


@dataclass(frozen=True, slots=True)
class FalseFill:
    """The frame of a clip in which most was covered away from any box."""

    clip: ClipFigures
    frame: int
    part: float


_T = TypeVar("_T")


def worst_misses(clips: Sequence[ClipFigures], count: int = MISSES) -> list[Miss]:
    """At most `count` misses: the longest exposures first, then what shows most, then the largest."""
    by_category: dict[str, list[Miss]] = {}
    for clip in clips:
        mine = sorted(_misses(clip), key=_badness)[:_MISSES_OF_ONE_CLIP]
        by_category.setdefault(clip.category, []).extend(mine)
    return _in_turn([sorted(found, key=_badness) for _, found in sorted(by_category.items())], count)


def worst_false_fills(clips: Sequence[ClipFigures], count: int = FALSE_FILLS) -> list[FalseFill]:
    """At most `count` frames, one of a clip; categories that exist to show false fills come first."""
    by_category: dict[str, list[FalseFill]] = {}
    for clip in clips:
        worst = max(clip.judged, key=lambda frame: frame.changed_away, default=None)
        if worst is not None and worst.changed_away > _WORTH_SHOWING:
            found = FalseFill(clip, worst.frame, worst.changed_away)
            by_category.setdefault(clip.category, []).append(found)
    first = {goal.category for goal in GOALS if goal.category}
    ordered = sorted(by_category.items(), key=lambda item: (item[0] not in first, item[0]))
    return _in_turn([sorted(found, key=lambda fill: -fill.part) for _, found in ordered], count)


def _misses(clip: ClipFigures) -> list[Miss]:
    """The worst frame of each box in each run of leaking frames; a box is told by its place in the frame's list."""
    leaking: dict[int, list[JudgedBox]] = {}
    for box in clip.boxes:
        if box.leaks:
            leaking.setdefault(box.frame, []).append(box)
    found: list[Miss] = []
    run: list[JudgedBox] = []
    length = 0
    for frame in [*(judged.frame for judged in clip.judged), -1]:
        if frame in leaking:
            run += leaking[frame]
            length += 1
            continue
        for number in sorted({box.number for box in run}):
            worst = max((box for box in run if box.number == number), key=lambda box: box.share)
            found.append(Miss(clip, worst, length))
        run, length = [], 0
    return found


def _badness(miss: Miss) -> tuple[int, float, float]:
    return -miss.run, -miss.box.share, -miss.box.height_px


def _in_turn(groups: Sequence[Sequence[_T]], count: int) -> list[_T]:
    """One of each group, then the next of each, until there are `count`; in the end together by group again."""
    taken = [0] * len(groups)
    left = count
    for row in zip_longest(*(range(len(group)) for group in groups)):
        for number, index in enumerate(row):
            if index is not None and left:
                taken[number] += 1
                left -= 1
    return [one for group, most in zip(groups, taken, strict=True) for one in group[:most]]
