"""From what the detectors saw, now and then, to what must be covered in every frame between. Pure: no clock, no I/O.

The regions of a frame follow from the looks within `delay_ns` after it and `hold_ns` before it, and from nothing
else. Where it is in doubt it covers more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from firmware.pipeline.detect.merge import around, at_most
from firmware.pipeline.detect.tracks import Sighting, link
from firmware.pipeline.detect.types import Detections, DetectorKind, Region

MOST_REGIONS = 64
MOST_LOOKS = 256
LINK_LOOKS = 3
"""A thing that two looks in a row missed is still the same thing."""
MARGIN_PX = 2.0
WANDER = 0.3
"""Between two sightings a thing need not move straight or evenly: grow by up to this share of its way."""
FAST = 0.5
"""A way longer than this share of its size may be two things: cover both ends as well."""
TURN_DEG = 20.0
"""So may a larger turn."""
DRIFT_PER_S = 0.4
"""Away from its only sighting a thing may move: grow by this share of its shorter side for each second."""
MOST_DRIFT = 0.5
"""Growth by known speed ends at this share of its longer side."""
_S = 1_000_000_000


@dataclass(slots=True)
class _Look:
    pts_ns: int
    sightings: list[Sighting]


class Planner:
    """Detections in, regions out, for one picture size.

    `delay_ns` is how far ahead of a frame the looks are known when it leaves. A thing is covered for up to that long
    before its first sighting, but not further back than two looks that did not see it; for `hold_ns` after its
    last sighting; and in between it moves evenly from one sighting to the next.
    """

    def __init__(self, width: int, height: int, delay_ns: int, hold_ns: int = _S // 2) -> None:
        self._width, self._height = width, height
        self._delay_ns, self._hold_ns = delay_ns, hold_ns
        self._looks: dict[DetectorKind, list[_Look]] = {}

    def add(self, detections: Detections) -> None:
        """One look's answer, in any order; a repeated time replaces the older answer.

        Memory is bounded: the oldest look of a kind goes when there are more than MOST_LOOKS.
        """
        looks = self._looks.setdefault(detections.kind, [])
        look = _Look(detections.pts_ns, [Sighting(detections.pts_ns, region) for region in detections.regions])
        at = bisect_left(looks, look.pts_ns, key=_time_of)
        if at == len(looks):
            looks.append(look)
            self._link(looks, at)
        else:
            looks[at : at + (looks[at].pts_ns == look.pts_ns)] = [look]
            for other in looks:
                for sighting in other.sightings:
                    sighting.before = sighting.after = None
            for index in range(len(looks)):
                self._link(looks, index)
        _drop(looks, len(looks) - MOST_LOOKS)

    def regions_at(self, pts_ns: int) -> list[Region]:
        """What to cover in the frame at `pts_ns`: at most MOST_REGIONS, neighbours merged where there are more."""
        first_ns, last_ns = pts_ns - self._hold_ns, pts_ns + self._delay_ns
        found: list[Region] = []
        for looks in self._looks.values():
            start = bisect_left(looks, first_ns, key=_time_of)
            end = bisect_left(looks, last_ns + 1, key=_time_of)
            for index in range(start, end):
                # Two looks after the frame and before this one: what they did not see was not there yet.
                unseen = index >= 2 and looks[index - 2].pts_ns > pts_ns
                for sighting in looks[index].sightings:
                    found += _cover(sighting, pts_ns, first_ns, last_ns, unseen)
        return at_most(MOST_REGIONS, [region for region in found if self._shows(region)])

    def forget_before(self, pts_ns: int) -> None:
        """No frame before `pts_ns` will be asked for again: drop the looks that can no longer matter."""
        for looks in self._looks.values():
            _drop(looks, bisect_left(looks, pts_ns - self._hold_ns - self._delay_ns, key=_time_of))

    def _link(self, looks: list[_Look], at: int) -> None:
        for back in range(1, min(LINK_LOOKS, at) + 1):
            if looks[at].pts_ns - looks[at - back].pts_ns <= self._hold_ns + self._delay_ns:
                link(looks[at - back].sightings, looks[at].sightings)

    def _shows(self, region: Region) -> bool:
        box = around(region)
        return box.x < self._width and box.y < self._height and box.x + box.w > 0 and box.y + box.h > 0


def _cover(sighting: Sighting, pts_ns: int, first_ns: int, last_ns: int, unseen: bool) -> list[Region]:
    """What one sighting asks to cover at `pts_ns`, knowing its neighbours between `first_ns` and `last_ns` only.

    A pair of sightings around the frame is answered for by the earlier one.
    """
    before = sighting.before if sighting.before is not None and sighting.before.pts_ns >= first_ns else None
    after = sighting.after if sighting.after is not None and sighting.after.pts_ns <= last_ns else None
    if sighting.pts_ns == pts_ns:
        # A neighbour too far away to be surely the same thing may have been there already, or be there still.
        others = [other for other in (before, after) if other is not None and _apart(sighting.region, other.region)]
        return [_grown(sighting.region, MARGIN_PX), *(_drifted(other, None, pts_ns) for other in others)]
    if sighting.pts_ns < pts_ns:
        if after is None:
            return [_drifted(sighting, before, pts_ns)]
        return _between(sighting, after, pts_ns) if after.pts_ns > pts_ns else []
    if before is None and not unseen:
        return [_drifted(sighting, after, pts_ns)]
    return []


def _between(one: Sighting, other: Sighting, pts_ns: int) -> list[Region]:
    """A thing on its way from one sighting to the next."""
    a, b = one.region, other.region
    share = (pts_ns - one.pts_ns) / (other.pts_ns - one.pts_ns)
    way = _distance(a, b)
    regions = []
    if abs(a.angle_deg - b.angle_deg) <= TURN_DEG:
        middle = Region(
            a.kind,
            a.x + share * (b.x - a.x),
            a.y + share * (b.y - a.y),
            a.w + share * (b.w - a.w),
            a.h + share * (b.h - a.h),
            a.angle_deg + share * (b.angle_deg - a.angle_deg),
            max(a.score, b.score),
        )
        regions.append(_grown(middle, MARGIN_PX + WANDER * way * 4 * share * (1 - share)))
        if not _apart(a, b):
            return regions
    return [*regions, _drifted(one, None, pts_ns), _drifted(other, None, pts_ns)]


def _drifted(sighting: Sighting, neighbour: Sighting | None, pts_ns: int) -> Region:
    """A thing some time away from its only sighting, or from the last of several: then its speed is known."""
    region, away_s = sighting.region, abs(pts_ns - sighting.pts_ns) / _S
    by = MARGIN_PX + DRIFT_PER_S * away_s * min(region.w, region.h)
    if neighbour is not None:
        speed = _distance(region, neighbour.region) / (abs(neighbour.pts_ns - sighting.pts_ns) / _S)
        by += min(speed * away_s, MOST_DRIFT * max(region.w, region.h))
    return _grown(region, by)


def _grown(region: Region, by: float) -> Region:
    return Region(
        region.kind, region.x - by, region.y - by, region.w + 2 * by, region.h + 2 * by, region.angle_deg, region.score
    )


def _apart(a: Region, b: Region) -> bool:
    """Whether two sightings lie so far from each other that they may be two things."""
    return _distance(a, b) > FAST * max(min(a.w, a.h), min(b.w, b.h))


def _distance(a: Region, b: Region) -> float:
    """Between the centres, in pixels."""
    return math.hypot(a.x + a.w / 2 - b.x - b.w / 2, a.y + a.h / 2 - b.y - b.h / 2)


def _time_of(look: _Look) -> int:
    return look.pts_ns


def _drop(looks: list[_Look], count: int) -> None:
    """Drop the first looks, and cut their links: a chain of them would hold every look ever made."""
    for look in looks[: max(count, 0)]:
        for sighting in look.sightings:
            sighting.unlink()
    del looks[: max(count, 0)]
