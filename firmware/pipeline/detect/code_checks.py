"""Tells a code from what has the texture of one: stripes, curtains, windows, faces, print. Pure measures, no reading.

A code is black and white with nothing between (so its grey levels are spread less than a bell curve's), changes often
and in no rhythm, and is as busy at its edges as in its middle. A linear code also looks the same in every slice.
The bounds come from codes drawn over public pictures, sharp to hardly legible, against what those pictures show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.code_fields import Candidate, upright
from hw.ports import U8

F32 = NDArray[np.float32]
Judgement = Literal["no", "perhaps", "sure"]

BAND = 0.35
"""Of the deviation: what swings less than this to either side of its surroundings is not a change."""
SLICES = 4
FINE_SLICES, NEIGHBOURS = 8, 3
"""Where much else lies beside the bars, three slices next to each other must be enough."""
CONTRAST = 12.0
"""Least deviation in grey levels: a code on a dark label in dim light."""
DOUBT = -1.5
"""A matrix code's score from which a quiet margin makes up for the rest."""
QUIET_PX = 14
QUIET = 0.25
"""Mean slope in the margin over that inside, at most, on three sides."""
EQUAL = 0.25
"""Deviation of the widths of bars over their mean, at least."""
STRAIGHT = 0.88
"""Order of one way where there are few bars: folds and striped cloth are less straight."""
SQUAREST = 1.2
"""Height over length of a linear code, at most; a curtain is higher than wide."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a linear candidate must hold to. `changes`: from black to white or back, along one line."""

    changes: float
    changes_least: float
    alike: float
    spread: float
    rhythm: float
    longest_gap: float


_SURE = _Bounds(14, 9, 0.5, 3.0, 0.5, 0.17)
_MANY = _Bounds(22, 16, 0.8, 3.2, 0.75, 0.12)
"""So many bars, in every slice the same: then the rest may be in doubt."""
_PERHAPS = _Bounds(9, 4, 0.35, 3.6, 0.6, 0.25)


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Measures of a matrix candidate: `order1`, `order2` and `fill` as in Candidate, changes along a middling row and
    column together, pixels from one change to the next, spread (fourth moment) of the grey levels, and how busy the
    dullest parts are against the whole (`evenness`)."""

    order1: float
    order2: float
    fill: float
    changes: float
    run: float
    spread: float
    evenness: float

    @property
    def score(self) -> float:
        """Above 0 for a code. The weights are those of a logistic regression, codes drawn over pictures against the
        same pictures' own candidates, shifted so that one in three hundred pictures of people and rooms has one."""
        return (
            8.8 * self.order2 - 3.6 * self.order1 + 1.9 * self.fill + math.log2(self.changes)
            - 1.3 * math.log2(self.run) - 2.3 * min(self.spread, 4.0) + 12.4 * self.evenness - 10.1
        )


def judge(grey: U8, found: Candidate) -> Judgement:
    """Whether `found`, a candidate in `grey`, is a code: "perhaps" only counts when a reader confirms it."""
    if found.shape == "linear":
        return _linear(grey, found)
    return _matrix(grey, found)


def _linear(grey: U8, found: Candidate) -> Judgement:
    if found.along < 56 or found.across < 20 or found.order1 < 0.8 or found.fill < 0.25:
        return "no"
    rows = upright(grey, found).astype(np.float32)
    cut = round(0.12 * len(rows))
    rows = rows[cut : max(len(rows) - cut, cut + 2)]
    whole = _measured(_slices(rows, SLICES))
    straight = found.order1 > STRAIGHT and found.across <= SQUAREST * found.along
    if whole is not None and (whole.within(_MANY) or (straight and whole.within(_SURE))):
        return "sure"
    parts = _slices(rows, FINE_SLICES)
    for start in range(len(parts) - NEIGHBOURS + 1):
        some = _measured(parts[start : start + NEIGHBOURS])
        if some is not None and some.within(_MANY):
            return "sure"
    return "perhaps" if whole is not None and whole.within(_PERHAPS) else "no"


@dataclass(frozen=True, slots=True)
class _Bars:
    """Measures of slices across the bars; see _Bounds."""

    changes: float
    changes_least: float
    alike: float
    spread: float
    rhythm: float
    longest_gap: float

    def within(self, bounds: _Bounds) -> bool:
        return (
            self.changes >= bounds.changes and self.changes_least >= bounds.changes_least
            and self.alike > bounds.alike and self.spread < bounds.spread and self.rhythm < bounds.rhythm
            and self.longest_gap < bounds.longest_gap
        )


def _slices(rows: F32, most: int) -> F32:
    """At most `most` slices of six rows or more, two at least, each as the mean of its rows."""
    count = max(2, min(most, len(rows) // 6))
    return np.array([part.mean(axis=0) for part in np.array_split(rows, count)], np.float32)


def _measured(slices: F32) -> _Bars | None:
    """None where there is too little contrast, or equal bars at equal distances: a grid."""
    swings = _swings(slices, (max(9, slices.shape[1] // 6) | 1, 1))
    deviation = swings.std(axis=1)
    if float(np.median(deviation)) < CONTRAST or float(deviation.min()) <= 0:
        return None
    signs = _signs(swings, BAND * deviation[:, None])
    changes = _changes(signs)
    middle = int(np.argsort(changes)[len(changes) // 2])
    gaps = np.diff(np.flatnonzero(np.diff(_held(signs[middle : middle + 1])[0])))
    if len(gaps) < 3 or float(gaps.std()) < EQUAL * float(gaps.mean()):
        return None
    return _Bars(
        changes=float(np.median(changes)), changes_least=float(changes.min()),
        alike=float(np.median([np.corrcoef(one, two)[0, 1] for one, two in pairwise(swings)])),
        spread=float(np.median((swings**4).mean(axis=1) / deviation**4)),
        rhythm=float(np.median([_rhythm(line[None]) for line in swings])),
        longest_gap=float(gaps.max()) / signs.shape[1],
    )


def _matrix(grey: U8, found: Candidate) -> Judgement:
    shorter, longer = sorted((found.along, found.across))
    if shorter < 24 or longer > 8 * shorter or found.fill < 0.2:
        return "no"
    patch = upright(grey, found, share=0.8).astype(np.float32)
    window = max(9, max(patch.shape) // 4 | 1)
    swings = _swings(patch, (window, window))
    deviation = float(swings.std())
    if deviation < CONTRAST:
        return "no"
    signs = _signs(swings, BAND * deviation)
    columns, rows = float(np.median(_changes(signs))), float(np.median(_changes(signs.T)))
    if columns + rows < 6 or min(columns, rows) < 2:
        return "no"
    squares = swings * swings
    spread = float((squares * squares).mean()) / deviation**4
    if spread > 3.6:
        return "no"
    parts = sorted(part.std() for row in np.array_split(swings, 3) for part in np.array_split(row, 3, axis=1))
    evenness = float(parts[2]) / deviation  # two of the nine may be hidden
    run_x, run_y = patch.shape[1] / columns, patch.shape[0] / rows
    measures = _Matrix(
        found.order1, found.order2, found.fill, columns + rows, max(run_x, run_y), spread, evenness
    )
    square = abs(math.log2(run_x / run_y)) < 1.2 and longer < 4.5 * shorter and found.order1 < 0.4
    rhythm = max(_rhythm(swings), _rhythm(swings.T))
    if square and shorter >= 28 and rhythm < 0.3 and (
        measures.score > 0 or (measures.score > DOUBT and _stands_alone(grey, found))
    ):
        return "sure"
    return "perhaps" if spread < 3.2 and evenness > 0.5 and rhythm < 0.5 else "no"


def _stands_alone(grey: U8, found: Candidate) -> bool:
    """Whether at least three of its four sides are quiet, as the standards ask for: a label's margin."""
    patch = upright(grey, found, margin=QUIET_PX).astype(np.float32)
    slope = np.abs(cv2.Sobel(patch, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(patch, cv2.CV_32F, 0, 1))
    ring = QUIET_PX - 3
    inside = slope[QUIET_PX + 4 : -QUIET_PX - 4, QUIET_PX + 4 : -QUIET_PX - 4]
    if inside.size == 0:
        return False
    sides = (slope[2:ring], slope[-ring:-2], slope[:, 2:ring], slope[:, -ring:-2])
    return sorted(float(side.mean()) for side in sides)[2] < QUIET * float(inside.mean())


def _swings(values: F32, window: tuple[int, int]) -> F32:
    """`values` less the mean of their surroundings: light falls unevenly on a label."""
    return np.asarray(values - cv2.blur(values, window, borderType=cv2.BORDER_REPLICATE), np.float32)


def _signs(swings: F32, band: F32 | float) -> NDArray[np.int8]:
    """1 white, -1 black, 0 inside the band."""
    return np.asarray((swings > band).astype(np.int8) - (swings < -np.asarray(band)).astype(np.int8), np.int8)


def _held(signs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The same with each 0 replaced by what stood before it in its row."""
    last = np.where(signs != 0, np.arange(signs.shape[1])[None], 0)
    np.maximum.accumulate(last, axis=1, out=last)
    return np.asarray(np.take_along_axis(signs, last, axis=1), np.int8)


def _changes(signs: NDArray[np.int8]) -> NDArray[np.int64]:
    """How often each row goes from black to white or back."""
    held = _held(np.ascontiguousarray(signs))
    return np.asarray((held[:, 1:] * held[:, :-1] < 0).sum(axis=1), np.int64)


def _rhythm(lines: F32) -> float:
    """The highest return of the autocorrelation of rows after its first zero, up to 0.6 of their length: 1 for a grid,
    near 0 for a code."""
    lines = lines - lines.mean(axis=1, keepdims=True)
    length = lines.shape[1]
    spectrum = np.fft.rfft(lines, 2 * length, axis=1)
    returns = np.fft.irfft((spectrum * np.conj(spectrum)).sum(axis=0))[:length]
    returns = returns / max(float(returns[0]), 1e-6) * length / (length - np.arange(length))
    below = np.flatnonzero(returns < 0)
    if below.size == 0 or below[0] >= int(0.6 * length):
        return 0.0
    return float(returns[below[0] : int(0.6 * length)].max())
