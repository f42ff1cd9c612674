"""Plans what is filled in a frame: what was detected, less faces in a field zone, plus the site zones. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firmware.config import Zone, Zones
from firmware.pipeline.detect.merge import around
from firmware.pipeline.detect.types import Region

SLIVER_PX = 0.01
"""A rest of a face thinner than this is rounding, not a rest."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box in pixels: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class ZonePlan:
    """The zones of one source at one picture size (`width`, `height` in pixels, both even).

    Zone edges are rounded to the 2x2 cells in which a picture is painted, always towards more filling: a site zone
    grows, a field zone shrinks.
    """

    def __init__(self, zones: Zones, width: int, height: int) -> None:
        self._site = tuple(_region(_outward(zone, width, height)) for zone in zones.always)
        inward = (_inward(zone, width, height) for zone in zones.field)
        self._field = tuple(box for box in inward if box.left < box.right and box.top < box.bottom)

    def planned(self, regions: Sequence[Region]) -> list[Region]:
        """What to fill, given what the detectors ask for (`regions`, in pixels).

        A face is filled only outside the field zones; one that lies across an edge keeps the part outside, as upright
        boxes. Text and codes are filled wherever they are. Site zones come last and are always there.
        """
        if not self._field:
            return [*regions, *self._site]
        kept: list[Region] = []
        for region in regions:
            kept += self._outside(region) if region.kind == "face" else [region]
        return [*kept, *self._site]

    def _outside(self, face: Region) -> list[Region]:
        """`face` itself when no field zone touches its upright box, else what of that box lies outside all of them.

        A region that is not finite is handed on as it is: filling it fails, and the whole frame is filled.
        """
        if not all(map(math.isfinite, (face.x, face.y, face.w, face.h, face.angle_deg))):
            return [face]
        upright = around(face)
        whole = Box(upright.x, upright.y, upright.x + upright.w, upright.y + upright.h)
        if not any(whole.meets(zone) for zone in self._field):
            return [face]
        parts = [whole]
        for zone in self._field:
            parts = [rest for part in parts for rest in without(part, zone)]
        return [Region("face", p.left, p.top, p.right - p.left, p.bottom - p.top, 0.0, face.score) for p in parts]


def without(box: Box, hole: Box) -> list[Box]:
    """What of `box` lies outside `hole`: at most four boxes that do not overlap."""
    if not box.meets(hole):
        return [box]
    top, bottom = max(box.top, hole.top), min(box.bottom, hole.bottom)
    rests = (
        Box(box.left, box.top, box.right, top),
        Box(box.left, bottom, box.right, box.bottom),
        Box(box.left, top, hole.left, bottom),
        Box(hole.right, top, box.right, bottom),
    )
    return [rest for rest in rests if rest.right - rest.left > SLIVER_PX and rest.bottom - rest.top > SLIVER_PX]


def _outward(zone: Zone, width: int, height: int) -> Box:
    return Box(
        2 * math.floor(zone.x * width / 2), 2 * math.floor(zone.y * height / 2),
        min(2 * math.ceil((zone.x + zone.w) * width / 2), width),
        min(2 * math.ceil((zone.y + zone.h) * height / 2), height),
    )


def _inward(zone: Zone, width: int, height: int) -> Box:
    return Box(
        2 * math.ceil(zone.x * width / 2), 2 * math.ceil(zone.y * height / 2),
        min(2 * math.floor((zone.x + zone.w) * width / 2), width),
        min(2 * math.floor((zone.y + zone.h) * height / 2), height),
    )


def _region(box: Box) -> Region:
    return Region("zone", box.left, box.top, box.right - box.left, box.bottom - box.top)
