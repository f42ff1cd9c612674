"""Which regions of several looks are the same thing: tracks, and where it is not sure, bridges between two. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.types import Region

F64 = NDArray[np.float64]

NEAR = 0.75
"""Two regions whose centres are closer than this share of their mean size may be the same thing."""
ALIKE = 2.0
"""Largest ratio of the sizes of the same thing in two looks."""
LINK_LOOKS = 7
"""A thing that six looks in a row missed is still the same thing,"""
LONGEST_GAP_NS = 1_500_000_000
"""if they are no further apart than this."""
FASTEST = 0.6
"""A thing may cross this share of the picture's longer side in a second."""
FAR_ALIKE = 1.4
"""What moves further than it is large between two looks must at least keep its width and height."""
SAME_SIDES = 1.2
COMMON = 0.012
"""Of things that may have moved together the sides stay the same up to this ratio, and their steps up to this share of
the picture's longer side."""
EDGE = 0.012
"""A region closer to the border than this share of the picture's longer side is taken to go on beyond it."""
FAST = 0.5
"""A way longer than this share of a thing's size may be two things, unless its speed just before or after agrees."""
PART = 0.75
"""What one look saw so much smaller than the looks before and after, it saw in part."""
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """One region in the look at `pts_ns`. `swept`: it came here as most of what was seen did, so the camera moved."""

    pts_ns: int
    region: Region
    swept: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """`tracks`: sightings of one thing each, in order of time. `bridges`: the last sighting of one track and the first
    of another, which may be the same thing gone far: it must be covered on the way too."""

    tracks: list[list[Sighting]]
    bridges: list[tuple[Sighting, Sighting]]


Pairs = tuple[dict[int, int], set[int]]


class Follower:
    """Links the regions of a window of looks that slides: what was worked out for the last window is not again.

    How one look continues the chains before it depends on nothing but their last two sightings; while the window
    moves by a look at either end, almost all of that stays as it was.
    """

    def __init__(self, width: int, height: int) -> None:
        self._picture = width, height
        self._known: dict[tuple[object, ...], Pairs] = {}

    def follow(self, looks: Sequence[tuple[int, Sequence[Region]]]) -> Followed:
        """Link the regions of `looks`, (pts_ns, regions) in order of time, nearest first, each to one at most.

        A thing is looked for where it was and where its speed would have taken it.
        """
        used: dict[tuple[object, ...], Pairs] = {}
        chains: list[list[Sighting]] = []
        last_look: list[int] = []
        for number, (pts_ns, regions) in enumerate(looks):
            open_ = [
                index for index, chain in enumerate(chains)
                if number - last_look[index] <= LINK_LOOKS and pts_ns - chain[-1].pts_ns <= LONGEST_GAP_NS
            ]
            ends = [chains[index][-2:] for index in open_]
            key = pts_ns, tuple(regions), tuple(tuple((one.pts_ns, one.region) for one in end) for end in ends)
            taken, swept = used[key] = self._known.get(key) or _pairs(ends, regions, pts_ns, self._picture)
            for place, region in enumerate(regions):
                sighting = Sighting(pts_ns, region, place in swept)
                if place in taken:
                    index = open_[taken[place]]
                    chains[index].append(sighting)
                    last_look[index] = number
                else:
                    chains.append([sighting])
                    last_look.append(number)
        self._known = used
        return _cut_up(chains)


def _cut_up(chains: list[list[Sighting]]) -> Followed:
    found = Followed([], [])
    for chain in chains:
        dips = _dips(chain)
        found.tracks.extend([chain[index]] for index in dips)
        _split([sighting for index, sighting in enumerate(chain) if index not in dips], found)
    return found


def distance(a: Region, b: Region) -> float:
    """Between the centres, in pixels."""
    return math.hypot(a.x + a.w / 2 - b.x - b.w / 2, a.y + a.h / 2 - b.y - b.h / 2)


def _pairs(
    chains: list[list[Sighting]], regions: Sequence[Region], pts_ns: int, picture: tuple[int, int]
) -> Pairs:
    """Place of the region -> place of the chain that it continues; and the regions that came with most others.

    The last two sightings of each chain are enough.
    """
    if not chains or not regions:
        return {}, set()
    old, new = numbers([chain[-1].region for chain in chains]), numbers(regions)
    away_s = np.array([(pts_ns - chain[-1].pts_ns) / _S for chain in chains])[:, None]
    speed = np.array([_speed(chain) for chain in chains])
    step = new[None, :, :2] - old[:, None, :2]
    going = np.hypot(*np.moveaxis(step - speed[:, None, :] * away_s[..., None], 2, 0))
    size = (old[:, None, 2] + new[None, :, 2]) / 2
    alike = ratio(old[:, None, 2], new[None, :, 2])
    wide, high = ratio(old[:, None, 3], new[None, :, 3]), ratio(old[:, None, 4], new[None, :, 4])
    cut = _cut(old, picture)[:, None] | _cut(new, picture)[None, :]  # the border hides one side at most
    sides = np.where(cut, np.minimum(wide, high), np.maximum(wide, high))
    reach = FASTEST * max(picture) * away_s
    way = np.minimum(np.hypot(step[..., 0], step[..., 1]), going)
    latest = away_s == away_s.min()
    shift = common_step(step, latest & (sides <= SAME_SIDES) & (way <= reach + NEAR * size), COMMON * max(picture))
    swept = np.zeros(way.shape, np.bool_)
    if shift is not None:
        along = np.hypot(*np.moveaxis(step - np.array(shift) * (away_s / away_s.min())[..., None], 2, 0))
        swept = (along <= FAST * np.minimum(size, reach)) & (sides <= FAR_ALIKE)
        way = np.minimum(np.minimum(along, going), way + FAST * size)
    gone = _outside(old, speed, away_s, picture) & np.array([len(chain) > 1 for chain in chains])[:, None]
    near = (way <= NEAR * size) & (alike <= ALIKE) & ~gone
    far = ~near & (way <= reach + NEAR * size) & (sides <= FAR_ALIKE) & ~gone
    taken = _nearest(np.where(near, way / size + 0.5 * (alike - 1) + 0.3 * away_s, np.inf), {})
    taken |= _nearest(np.where(far, way, np.inf), taken)
    return taken, {column for column, row in taken.items() if swept[row, column]}


def common_step(step: F64, possible: NDArray[np.bool_], cell: float) -> tuple[float, float] | None:
    """The step that most things may have made together, or None where more stayed or too few agree.

    `step` (n, m, 2) from each old to each new region, of which `possible` (n, m) may be the same thing; steps that
    differ by less than `cell` are one. A row of words can be mistaken for itself shifted by a word; most cannot.
    """
    rows, columns = np.nonzero(possible)
    steps = step[rows, columns]
    if len(rows) < 2 or not (np.hypot(*steps.T) > cell).any():
        return None
    cells, counts = np.unique(np.rint(steps / cell), axis=0, return_counts=True)
    best, most = None, _votes(steps, np.zeros(2), rows, columns, cell)
    for place in np.argsort(-counts, kind="stable")[:8]:
        votes = _votes(steps, cells[place] * cell, rows, columns, cell)
        if votes > most:
            best, most = cells[place] * cell, votes
    if best is None or most < max(2, 0.5 * min(len(set(rows.tolist())), len(set(columns.tolist())))):
        return None
    x, y = np.median(steps[np.hypot(*(steps - best).T) <= cell], axis=0).tolist()
    return x, y


def _votes(steps: F64, centre: F64, rows: NDArray[np.intp], columns: NDArray[np.intp], cell: float) -> int:
    """How many things, each counted once, may have made a step within `cell` of `centre`."""
    close = np.hypot(*(steps - centre).T) <= cell
    return min(len(np.unique(rows[close])), len(np.unique(columns[close])))


def _outside(old: F64, speed: F64, away_s: F64, picture: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether a thing's speed has taken its middle out of the picture: what is seen now is another."""
    x, y = old[:, 0] + speed[:, 0] * away_s[:, 0], old[:, 1] + speed[:, 1] * away_s[:, 0]
    return np.asarray(((x < 0) | (y < 0) | (x > picture[0]) | (y > picture[1]))[:, None], np.bool_)


def _nearest(cost: F64, but: dict[int, int]) -> dict[int, int]:
    """Column -> row, cheapest pairs first, each used once and none of those in `but`; infinite ones never."""
    columns, rows = set(but), set(but.values())
    found: dict[int, int] = {}
    first, second = np.nonzero(np.isfinite(cost))
    for place in np.argsort(cost[first, second], kind="stable"):
        row, column = int(first[place]), int(second[place])
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            found[column] = row
    return found


def numbers(regions: Sequence[Region]) -> F64:
    """Centre, diagonal, width and height of each; sides exchanged where it stands more than it lies."""
    found = []
    for r in regions:
        w, h = (r.h, r.w) if 45 < r.angle_deg % 180 <= 135 else (r.w, r.h)
        found.append((r.x + r.w / 2, r.y + r.h / 2, math.hypot(w, h), w, h))
    return np.array(found)


def _cut(of: F64, picture: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether the picture's border may hide a part."""
    x, y, half_w, half_h = of[:, 0], of[:, 1], of[:, 3] / 2, of[:, 4] / 2
    edge = EDGE * max(picture)
    inside = (x - half_w > edge) & (y - half_h > edge)
    return np.asarray(~(inside & (x + half_w < picture[0] - edge) & (y + half_h < picture[1] - edge)), np.bool_)


def ratio(a: F64, b: F64) -> F64:
    return np.asarray(np.maximum(a, b) / np.maximum(np.minimum(a, b), 1e-9), np.float64)


def _speed(chain: list[Sighting]) -> tuple[float, float]:
    """Pixels a second between the last two sightings; none before there are two."""
    return _speed_between(chain[-2], chain[-1]) if len(chain) > 1 else (0.0, 0.0)


def _speed_between(one: Sighting, other: Sighting) -> tuple[float, float]:
    a, b, seconds = one.region, other.region, (other.pts_ns - one.pts_ns) / _S
    return (b.x + b.w / 2 - a.x - a.w / 2) / seconds, (b.y + b.h / 2 - a.y - a.h / 2) / seconds


def _dips(chain: list[Sighting]) -> set[int]:
    """Sightings of a part only: much smaller than the ones before and after, which are alike."""
    sizes = [max(sighting.region.w, sighting.region.h) for sighting in chain]
    found: set[int] = set()
    for index in range(1, len(chain) - 1):
        here, (less, more) = sizes[index], sorted((sizes[index - 1], sizes[index + 1]))
        if index - 1 not in found and here < PART * less and less > PART * more:
            found.add(index)
    return found


def _split(chain: list[Sighting], into: Followed) -> None:
    """Cut a chain where it jumps: each part is a track, and each jump a bridge."""
    start = 0
    for index in range(len(chain) - 1):
        if not _sure(chain, index):
            into.tracks.append(chain[start : index + 1])
            into.bridges.append((chain[index], chain[index + 1]))
            start = index + 1
    into.tracks.append(chain[start:])


def _sure(chain: list[Sighting], index: int) -> bool:
    """Whether `chain[index]` and the next are surely the same thing: close by, or moving as before or after."""
    one, other = chain[index], chain[index + 1]
    least = FAST * max(min(one.region.w, one.region.h), min(other.region.w, other.region.h))
    if other.swept or distance(one.region, other.region) <= least:
        return True
    mine, seconds = _speed_between(one, other), (other.pts_ns - one.pts_ns) / _S
    for near in (index - 1, index + 1):
        if 0 <= near < len(chain) - 1:
            theirs = _speed_between(chain[near], chain[near + 1])
            if math.dist(mine, theirs) * seconds <= max(least, 0.25 * math.hypot(*mine) * seconds):
                return True
    return False
