"""From what the detectors saw, now and then, to what must be covered in every frame between. Pure: no clock, no I/O.

The regions of a frame follow from the looks within `delay_ns` after it and `reach_ns` before it, and from nothing
else. Where it is in doubt it covers more.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from firmware.pipeline.detect.company import carried, companions
from firmware.pipeline.detect.merge import around, at_most
from firmware.pipeline.detect.motion import (
    Speed,
    at_border,
    at_most_so_fast,
    between,
    beyond,
    from_border,
    speed_at,
    whole,
)
from firmware.pipeline.detect.tracks import FASTEST, Followed, Follower, Sighting, distance
from firmware.pipeline.detect.types import Detections, DetectorKind, Region

MOST_REGIONS = 64
MOST_LOOKS = 256
MOST_FOLLOWED = 128
"""Regions of one look that are followed; where there are more, neighbours are merged first."""
LEAVING_NS = 1_500_000_000
"""What was last seen at the picture's border, or on its way there, is covered until it must be out, at most so long."""
KNOWN = 2
"""What was seen twice or more is held so many times longer: it is no passing error of a detector."""
SURE = 0.45
"""A face that was hardly ever seen with this score is doubtful: it is covered where it was seen, not where it might
go. Otherwise passing errors, which jump about, would be followed as if they moved fast, and half the picture filled."""
JUMPS = 0.6
"""What was seen once, with a lower score than this, is not taken for something that was elsewhere before."""
DOUBT_NS = 200_000_000
"""Seen only once, it is covered for so long before and after: to the looks that did not see it, and no further."""
DOUBT_GAP_NS = 450_000_000
"""Further apart, two sightings of a doubtful face are two doubtful faces."""
STILL: Speed = (0.0, 0.0)
TOGETHER_PX = 4.0
"""Company that goes the same way, up to this, needs no region of its own."""
_S = 1_000_000_000


@dataclass(slots=True)
class _Look:
    pts_ns: int
    regions: tuple[Region, ...]


@dataclass(slots=True)
class _Track:
    """Sightings of one thing with what the border hides put back, how fast it came and goes, and with whom.

    It is covered for `before_ns` before the first of them and for `after_ns` after the last.
    """

    sightings: list[Sighting]
    came: Speed
    goes: Speed
    before_ns: int
    after_ns: int
    in_doubt: bool = False
    came_with: list[Sighting] | None = None
    goes_with: list[Sighting] | None = None


@dataclass(slots=True)
class _Plan:
    """What the looks of one window say: valid for frames whose window has this key."""

    key: tuple[int, ...]
    tracks: list[_Track]
    bridges: list[list[Sighting]]


class Planner:
    """Detections in, regions out, for one picture size.

    `delay_ns` is how far ahead of a frame the looks are known when it leaves: a thing is covered for up to that long
    before its first sighting. After its last one it is covered for `hold_ns`, longer if it was seen before that too
    and longer still on its way out of the picture. In between it moves from one sighting to the next.

    After `thorough` looks a face that was only seen faintly and now and then is doubtful: it is covered where it was
    seen, and is not followed. Live looks are few and coarse: there such a face may well be one.
    """

    def __init__(self, width: int, height: int, delay_ns: int, hold_ns: int = _S // 2, *,
                 thorough: bool = False) -> None:
        self._width, self._height = width, height
        self._delay_ns, self._hold_ns, self._thorough = delay_ns, hold_ns, thorough
        self._looks: dict[DetectorKind, list[_Look]] = {}
        self._plan = _Plan((), [], [])
        self._followed: dict[DetectorKind, tuple[tuple[int, ...], Followed]] = {}
        self._followers: dict[DetectorKind, Follower] = {}
        self._version: dict[DetectorKind, int] = {}

    @property
    def reach_ns(self) -> int:
        """How far before a frame a look may matter to it."""
        return max(KNOWN * self._hold_ns, LEAVING_NS) + self._delay_ns

    def add(self, detections: Detections) -> None:
        """One look's answer, in any order; a repeated time replaces the older answer.

        Memory is bounded: the oldest look of a kind goes when there are more than MOST_LOOKS.
        """
        looks = self._looks.setdefault(detections.kind, [])
        look = _Look(detections.pts_ns, tuple(at_most(MOST_FOLLOWED, list(detections.regions))))
        at = bisect_left(looks, look.pts_ns, key=_time_of)
        looks[at : at + (at < len(looks) and looks[at].pts_ns == look.pts_ns)] = [look]
        del looks[: max(0, len(looks) - MOST_LOOKS)]
        self._version[detections.kind] = self._version.get(detections.kind, 0) + 1

    def regions_at(self, pts_ns: int) -> list[Region]:
        """What to cover in the frame at `pts_ns`: at most MOST_REGIONS, neighbours merged where there are more."""
        found: list[Region] = []
        plan = self._plan_for(pts_ns)
        for track in plan.tracks:
            found += self._cover(track, pts_ns)
        for bridge in plan.bridges:
            if bridge[0].pts_ns < pts_ns < bridge[1].pts_ns:
                found += between(bridge, 0, pts_ns)
        return at_most(MOST_REGIONS, [region for region in found if self._shows(region)])

    def forget_before(self, pts_ns: int) -> None:
        """No frame before `pts_ns` will be asked for again: drop the looks that can no longer matter."""
        for looks in self._looks.values():
            del looks[: bisect_left(looks, pts_ns - self.reach_ns, key=_time_of)]

    # ---- inside ------------------------------------------------------------------------------------

    def _plan_for(self, pts_ns: int) -> _Plan:
        windows = {}
        for kind, looks in self._looks.items():
            start = bisect_left(looks, pts_ns - self.reach_ns, key=_time_of)
            window = looks[start : bisect_right(looks, pts_ns + self._delay_ns, key=_time_of)]
            ends = (window[0].pts_ns, window[-1].pts_ns) if window else ()
            windows[kind] = ((self._version[kind], *ends), window)
        key = tuple(number for key, _ in windows.values() for number in key)
        if key != self._plan.key:
            for kind, (part, window) in windows.items():
                if kind not in self._followed or self._followed[kind][0] != part:
                    looked = [(look.pts_ns, look.regions) for look in window]
                    follower = self._followers.setdefault(kind, Follower(self._width, self._height))
                    self._followed[kind] = part, follower.follow(looked)
            self._plan = self._plan_from(key)
        return self._plan

    def _plan_from(self, key: tuple[int, ...]) -> _Plan:
        plan, longer = _Plan(key, [], []), max(self._width, self._height)
        for _, followed in self._followed.values():
            bridges = [bridge for bridge in followed.bridges if not self._in_doubt(bridge)]
            jumps = [whole(list(bridge), self._width, self._height) for bridge in bridges]
            plan.bridges += jumps
            came = {bridge[0]: speed_at(jump, 0) for bridge, jump in zip(bridges, jumps, strict=True)}
            goes = {bridge[1]: speed_at(jump, 1) for bridge, jump in zip(bridges, jumps, strict=True)}
            for sightings in followed.tracks:
                if self._in_doubt(sightings):
                    plan.tracks += [self._doubtful(part) for part in _parts(sightings)]
                elif len(sightings) == 1:
                    plan.tracks.append(self._seen_once(sightings[0], came, goes))
                else:
                    seen = whole(sightings, self._width, self._height)
                    speeds = speed_at(seen, 0), speed_at(seen, len(seen) - 1)
                    plan.tracks.append(self._track(seen, speeds, KNOWN * self._hold_ns, may_leave=True))
        others = [track.sightings for track in plan.tracks]
        before, after = companions(others, longer, after=False), companions(others, longer, after=True)
        for index, track in enumerate(plan.tracks):
            if not track.in_doubt:
                track.came_with, track.goes_with = before[index], after[index]
        return plan

    def _seen_once(self, alone: Sighting, came: dict[Sighting, Speed], goes: dict[Sighting, Speed]) -> _Track:
        """Perhaps it jumped here, or jumps from here; at the border, perhaps it is only half in the picture."""
        (seen,), speeds = whole([alone], self._width, self._height), (STILL, STILL)
        if alone.region.score >= JUMPS:
            speeds = (came.get(alone, goes.get(alone, STILL)), goes.get(alone, came.get(alone, STILL)))
        if speeds == (STILL, STILL) and alone.region.angle_deg == 0:
            seen = Sighting(alone.pts_ns, from_border(seen.region, self._width, self._height))
        # A single word may well be an error, and a single face that seems to have jumped here another thing.
        known = alone.region.kind == "face" and speeds == (STILL, STILL)
        return self._track([seen], speeds, self._hold_ns, may_leave=known)

    def _track(self, seen: list[Sighting], speeds: tuple[Speed, Speed], hold_ns: int, *, may_leave: bool) -> _Track:
        # A jump from one large thing to another would make a speed that nothing has.
        fastest = FASTEST * max(self._width, self._height)
        came_at, goes_at = (at_most_so_fast(speed, fastest) for speed in speeds)
        leaving = may_leave and self._leaves(seen[-1], goes_at)
        after_ns = max(hold_ns, LEAVING_NS) if leaving else hold_ns
        return _Track(seen, came_at, goes_at, self._delay_ns, after_ns)

    def _in_doubt(self, sightings: Sequence[Sighting]) -> bool:
        """A face seen once must have been seen surely; one seen more often, surely twice."""
        sure = sum(sighting.region.kind != "face" or sighting.region.score >= SURE for sighting in sightings)
        return self._thorough and sure < min(2, len(sightings))

    def _doubtful(self, sightings: list[Sighting]) -> _Track:
        if len(sightings) == 1:
            return _Track(sightings, STILL, STILL, DOUBT_NS, DOUBT_NS, in_doubt=True)
        return _Track(sightings, STILL, STILL, self._delay_ns, self._hold_ns, in_doubt=True)

    def _cover(self, track: _Track, pts_ns: int) -> list[Region]:
        sightings = track.sightings
        first, last = sightings[0], sightings[-1]
        if pts_ns < first.pts_ns:
            near = first.pts_ns - pts_ns <= track.before_ns
            return _outside(first, track.came, track.came_with, pts_ns) if near else []
        if pts_ns <= last.pts_ns:
            if len(sightings) == 1:
                return [beyond(first, track.came, pts_ns)]
            index = bisect_right(sightings, pts_ns, key=_seen_at) - 1
            return between(sightings, min(index, len(sightings) - 2), pts_ns)
        if pts_ns - last.pts_ns <= track.after_ns:
            return _outside(last, track.goes, track.goes_with, pts_ns)
        return []

    def _leaves(self, last: Sighting, speed: Speed) -> bool:
        """Whether a thing was last seen at the border, or will be there before it is let go."""
        ahead_s = (LEAVING_NS - self._hold_ns) / _S
        x, y = last.region.x + speed[0] * ahead_s, last.region.y + speed[1] * ahead_s
        then = Region(last.region.kind, x, y, last.region.w, last.region.h)
        return any(at_border(around(region), self._width, self._height) for region in (last.region, then))

    def _shows(self, region: Region) -> bool:
        box = around(region)
        return box.x < self._width and box.y < self._height and box.x + box.w > 0 and box.y + box.h > 0


def _parts(sightings: list[Sighting]) -> list[list[Sighting]]:
    """Cut where two sightings are further apart than DOUBT_GAP_NS, or than half a face."""
    parts = [sightings[:1]]
    for one, other in pairwise(sightings):
        far = distance(one.region, other.region) > max(one.region.w, one.region.h) / 2
        if far or other.pts_ns - one.pts_ns > DOUBT_GAP_NS:
            parts.append([])
        parts[-1].append(other)
    return parts


def _outside(sighting: Sighting, speed: Speed, companion: list[Sighting] | None, pts_ns: int) -> list[Region]:
    """Before the first or after the last sighting: where its own speed takes it, and where its company goes."""
    regions = [beyond(sighting, speed, pts_ns)]
    if companion is not None:
        away_s = (pts_ns - sighting.pts_ns) / _S
        x, y = carried(companion, sighting.pts_ns, pts_ns)
        if math.hypot(x - speed[0] * away_s, y - speed[1] * away_s) > TOGETHER_PX:
            regions.append(beyond(sighting, (x / away_s, y / away_s), pts_ns))
    return regions


def _time_of(look: _Look) -> int:
    return look.pts_ns


def _seen_at(sighting: Sighting) -> int:
    return sighting.pts_ns
