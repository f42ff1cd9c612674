"""Holds a list of regions to a bound by merging neighbours: the result covers all that the list covered. Pure."""

from __future__ import annotations

import math
from itertools import pairwise

from firmware.pipeline.detect.types import Region


def at_most(most: int, regions: list[Region]) -> list[Region]:
    """`regions` when there are at most `most`; else neighbours become the box around both, least waste first."""
    while len(regions) > most:
        row = sum(region.h for region in regions) / len(regions)
        upright = [around(region) for region in regions]
        upright.sort(key=lambda r: (r.kind, round((r.y + r.h / 2) / max(row, 1.0)), r.x))
        waste = [
            (_joined(one, other).w * _joined(one, other).h - one.w * one.h - other.w * other.h, index)
            for index, (one, other) in enumerate(pairwise(upright))
        ]
        joined: set[int] = set()
        for _, index in sorted(waste):
            if len(regions) - len(joined) <= most:
                break
            if index not in joined and index + 1 not in joined and index - 1 not in joined:
                joined.add(index)
        out, index = [], 0
        while index < len(upright):
            if index in joined:
                out.append(_joined(upright[index], upright[index + 1]))
                index += 1
            else:
                out.append(upright[index])
            index += 1
        regions = out
    return regions


def around(region: Region) -> Region:
    """The upright box around a rotated region."""
    if region.angle_deg == 0:
        return region
    turn = math.radians(region.angle_deg)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    w, h = region.w * cos + region.h * sin, region.w * sin + region.h * cos
    x, y = region.x + (region.w - w) / 2, region.y + (region.h - h) / 2
    return Region(region.kind, x, y, w, h, 0.0, region.score)


def _joined(one: Region, other: Region) -> Region:
    """The box around two upright ones. A face joined with anything else no longer counts as a face: in a field zone
    faces are not filled, and the rest must be."""
    x, y = min(one.x, other.x), min(one.y, other.y)
    right, bottom = max(one.x + one.w, other.x + other.w), max(one.y + one.h, other.y + other.h)
    kind = other.kind if one.kind == "face" else one.kind
    return Region(kind, x, y, right - x, bottom - y, 0.0, max(one.score, other.score))
