"""Where one thing may be at any time, from its sightings: on its way between two, and before and after all. Pure.

Where it is in doubt the region grows; it never shrinks away from what was seen.
"""

from __future__ import annotations

import math
from typing import Literal

from firmware.pipeline.detect.tracks import EDGE, Sighting
from firmware.pipeline.detect.types import Region

MARGIN_PX = 2.0
WANDER = 0.3
"""Between two sightings a thing need not move straight or evenly: grow by up to this share of its way."""
DRIFT_PER_S = 0.4
"""Away from a sighting a thing may move: grow by this share of its shorter side for each second."""
TURN_DEG = 20.0
"""Larger turns between two sightings may be two things: both ends are covered as well."""
LEAST_WIDE = 0.75
"""Width of a head relative to its height, where the border hides the rest."""
_S = 1_000_000_000

Speed = tuple[float, float]
"""Pixels a second, right and down."""


def whole(track: list[Sighting], width: int, height: int) -> list[Sighting]:
    """The track with what the border cuts off put back: as wide and as high as it was seen to be when uncut.

    Otherwise a thing that comes in or leaves would seem to grow or shrink, and its middle to be slow. And each
    rectangle is written like the one before it, so that sides and angle can be followed too.
    """
    edge = EDGE * max(width, height)
    out: list[Sighting] = []
    for index, sighting in enumerate(track):
        region = sighting.region
        if abs(region.angle_deg) < 10:
            cut_x, cut_y = _cut(region.x, region.w, width, edge), _cut(region.y, region.h, height, edge)
            if cut_x or cut_y:
                x, w = _uncut(region.x, region.w, cut_x, _full(track, index, "w", width, edge) if cut_x else 0.0)
                y, h = _uncut(region.y, region.h, cut_y, _full(track, index, "h", height, edge) if cut_y else 0.0)
                region = Region(region.kind, x, y, w, h, region.angle_deg, region.score)
        if out:
            region = like(region, out[-1].region)
        out.append(Sighting(sighting.pts_ns, region))
    return out


def at_border(region: Region, width: int, height: int) -> bool:
    """Whether the border cuts a region, or all but touches it."""
    edge = EDGE * max(width, height)
    return (
        region.x <= edge or region.y <= edge or region.x + region.w >= width - edge
        or region.y + region.h >= height - edge
    )


def from_border(region: Region, width: int, height: int) -> Region:
    """A region and the strip between it and each border that is nearer than the region is large: what was seen once,
    there, with no speed to go by, has probably come in over it, or will leave over it."""
    reach = min(region.w, region.h)
    left, top, right, bottom = region.x, region.y, region.x + region.w, region.y + region.h
    left, top = (0.0 if 0 < left <= reach else left), (0.0 if 0 < top <= reach else top)
    right = float(width) if 0 < width - right <= reach else right
    bottom = float(height) if 0 < height - bottom <= reach else bottom
    return Region(region.kind, left, top, right - left, bottom - top, region.angle_deg, region.score)


def between(track: list[Sighting], index: int, pts_ns: int) -> list[Region]:
    """A thing on its way from `track[index]` to the next sighting, at speeds that fit those before and after."""
    one, other = track[index], track[index + 1]
    a, b = one.region, other.region
    span_s = (other.pts_ns - one.pts_ns) / _S
    share = (pts_ns - one.pts_ns) / (other.pts_ns - one.pts_ns)
    (ax, ay), (bx, by) = centre(a), centre(b)
    (ux, uy), (vx, vy) = speed_at(track, index), speed_at(track, index + 1)
    x = _hermite(ax, bx, ux * span_s, vx * span_s, share)
    y = _hermite(ay, by, uy * span_s, vy * span_s, share)
    w, h = a.w + share * (b.w - a.w), a.h + share * (b.h - a.h)
    angle = a.angle_deg + share * (b.angle_deg - a.angle_deg)
    middle = Region(a.kind, x - w / 2, y - h / 2, w, h, angle, max(a.score, b.score))
    bend = math.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay))
    arc = math.radians(abs(b.angle_deg - a.angle_deg)) * max(w, h) / 2
    doubt = WANDER * (math.hypot(bx - ax, by - ay) + arc) * 4 * share * (1 - share)
    away_s = min(share, 1 - share) * span_s
    regions = [grown(middle, MARGIN_PX + doubt + bend + DRIFT_PER_S * away_s * min(w, h))]
    if abs(b.angle_deg - a.angle_deg) > TURN_DEG and 0 < share < 1:
        regions += [beyond(one, (0.0, 0.0), pts_ns), beyond(other, (0.0, 0.0), pts_ns)]
    return regions


def beyond(sighting: Sighting, speed: Speed, pts_ns: int) -> Region:
    """A thing before its first or after its last sighting: it may have gone on at `speed`, or have stopped."""
    region, away_s = sighting.region, (pts_ns - sighting.pts_ns) / _S
    dx, dy = speed[0] * away_s, speed[1] * away_s
    turn = math.radians(region.angle_deg)
    along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    w, h = region.w + abs(along), region.h + abs(across)
    x, y = centre(region)
    swept = Region(region.kind, x + dx / 2 - w / 2, y + dy / 2 - h / 2, w, h, region.angle_deg, region.score)
    by = MARGIN_PX + DRIFT_PER_S * abs(away_s) * min(region.w, region.h) + WANDER * math.hypot(dx, dy)
    return grown(swept, by)


def speed_at(track: list[Sighting], index: int) -> Speed:
    """The thing's speed at one of its sightings: between its neighbours in time."""
    one, other = track[max(index - 1, 0)], track[min(index + 1, len(track) - 1)]
    seconds = (other.pts_ns - one.pts_ns) / _S
    if seconds <= 0:
        return 0.0, 0.0
    (ax, ay), (bx, by) = centre(one.region), centre(other.region)
    return (bx - ax) / seconds, (by - ay) / seconds


def at_most_so_fast(speed: Speed, fastest: float) -> Speed:
    """The same direction, not faster than `fastest` pixels a second."""
    part = min(1.0, fastest / max(math.hypot(*speed), 1e-9))
    return speed[0] * part, speed[1] * part


def centre(region: Region) -> tuple[float, float]:
    return region.x + region.w / 2, region.y + region.h / 2


def grown(region: Region, by: float) -> Region:
    return Region(
        region.kind, region.x - by, region.y - by, region.w + 2 * by, region.h + 2 * by, region.angle_deg, region.score
    )


def like(region: Region, other: Region) -> Region:
    """The same rectangle written with sides and angle as close as can be to those of `other`.

    A rectangle has many names: turned by 90 degrees with its sides exchanged, turned by 180 degrees.
    """
    if region.angle_deg == other.angle_deg and (region.w > region.h) == (other.w > other.h):
        return region
    x, y = centre(region)
    best, least = region, math.inf
    for quarter in range(-4, 5):
        w, h = (region.w, region.h) if quarter % 2 == 0 else (region.h, region.w)
        angle = region.angle_deg + 90 * quarter
        cost = abs(angle - other.angle_deg) / 45 + abs(math.log(w / other.w)) + abs(math.log(h / other.h))
        if cost < least - 1e-9:
            best, least = Region(region.kind, x - w / 2, y - h / 2, w, h, angle, region.score), cost
    return best


def _hermite(start: float, end: float, slope: float, end_slope: float, share: float) -> float:
    """The cubic from `start` to `end` with these slopes at its ends (in units of the whole way)."""
    s2, s3 = share * share, share**3
    return (
        (2 * s3 - 3 * s2 + 1) * start + (s3 - 2 * s2 + share) * slope + (3 * s2 - 2 * s3) * end + (s3 - s2) * end_slope
    )


def _cut(low: float, length: float, limit: float, edge: float) -> Literal["", "low", "high"]:
    """The one end that the border may hide; "" for neither, or both."""
    cut_low, cut_high = low <= edge, low + length >= limit - edge
    return "" if cut_low == cut_high else "low" if cut_low else "high"


def _uncut(low: float, length: float, cut: str, full: float) -> tuple[float, float]:
    if full <= length:
        return low, length
    return (low + length - full, full) if cut == "low" else (low, full)


def _full(track: list[Sighting], index: int, side: str, limit: float, edge: float) -> float:
    """How long the thing is along one axis: from the nearest sighting in which the border does not cut it."""
    start = "x" if side == "w" else "y"
    best, least = 0.0, math.inf
    for sighting in track:
        low, length = getattr(sighting.region, start), getattr(sighting.region, side)
        away = abs(sighting.pts_ns - track[index].pts_ns)
        if low > edge and low + length < limit - edge and away < least:
            best, least = length, away
    if not best and track[index].region.kind == "face":
        region = track[index].region
        best = max(region.w, LEAST_WIDE * region.h) if side == "w" else max(region.h, region.w / LEAST_WIDE)
    return best
