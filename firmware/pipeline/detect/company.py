"""Things that move together: when one is no longer seen, or not yet, those that are tell where it goes. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean

from firmware.pipeline.detect.motion import Speed, centre, speed_at
from firmware.pipeline.detect.tracks import Sighting

Track = list[Sighting]

NEAR = 0.15
"""Within this share of the picture's longer side things are likely to be on the same band, sheet or screen."""
AGREE, AGREE_PER_S = 0.25, 0.03
"""Where all speeds are the same up to this share, or this share of the longer side a second, the camera moves."""
_S = 1_000_000_000


def companions(tracks: Sequence[Track], longer_side: float, *, after: bool) -> list[Track | None]:
    """For each track the one to go by after its last sighting (or before its first): the nearest that goes on being
    seen, if it is close by, or anywhere if all that are seen move alike."""
    found: list[Track | None] = [None] * len(tracks)
    ends: dict[int, list[int]] = {}
    for index, track in enumerate(tracks):
        ends.setdefault(track[-1 if after else 0].pts_ns, []).append(index)
    for end_ns, indexes in ends.items():
        going = [
            track for track in tracks
            if len(track) > 1 and (track[0].pts_ns <= end_ns < track[-1].pts_ns if after
                                   else track[0].pts_ns < end_ns <= track[-1].pts_ns)
        ]
        if not going:
            continue
        places = [_place(track, end_ns) for track in going]
        together = len(going) > 1 and _alike([_speed(track, end_ns) for track in going], AGREE_PER_S * longer_side)
        for index in indexes:
            here = centre(tracks[index][-1 if after else 0].region)
            away, nearest = min((math.dist(place, here), number) for number, place in enumerate(places))
            if together or away <= NEAR * longer_side:
                found[index] = going[nearest]
    return found


def carried(companion: Track, from_ns: int, to_ns: int) -> Speed:
    """How far, in pixels, the companion moves from one time to another; at its end speeds outside its sightings."""
    (ax, ay), (bx, by) = _place(companion, from_ns), _place(companion, to_ns)
    return bx - ax, by - ay


def _alike(speeds: list[Speed], slack: float) -> bool:
    mean = fmean(x for x, _ in speeds), fmean(y for _, y in speeds)
    most = max(slack, AGREE * math.hypot(*mean))
    return all(math.dist(speed, mean) <= most for speed in speeds)


def _speed(track: Track, pts_ns: int) -> Speed:
    return speed_at(track, max(0, bisect_right(track, pts_ns, key=_seen_at) - 1))


def _place(track: Track, pts_ns: int) -> tuple[float, float]:
    """The middle of a thing at any time: evenly from one sighting to the next."""
    index = min(max(bisect_right(track, pts_ns, key=_seen_at) - 1, 0), len(track) - 2)
    one, other = track[index], track[index + 1]
    share = (pts_ns - one.pts_ns) / (other.pts_ns - one.pts_ns)
    (ax, ay), (bx, by) = centre(one.region), centre(other.region)
    return ax + share * (bx - ax), ay + share * (by - ay)


def _seen_at(sighting: Sighting) -> int:
    return sighting.pts_ns
