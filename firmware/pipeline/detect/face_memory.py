"""Where faces were seen lately, so that a look can look closer where one should still be. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from firmware.pipeline.detect.boxes import envelopes
from firmware.pipeline.detect.face_networks import Boxes
from firmware.pipeline.detect.face_votes import apart

LONGEST_LOOKS = 10
"""A face is looked for where it was last seen in so many looks, two seconds, that do not find it."""
MOST_PLACES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face (x, y, w, h) was last seen, how many looks ago, and how many ago somebody looked closer there."""

    box: tuple[float, float, float, float]
    unseen: int = 0
    waiting: int = 0


def missed(places: list[Place], faces: Boxes, most: int) -> list[Place]:
    """Places on which no face lies now: the `most` that have waited longest for a closer look, longest first."""
    return sorted(_without(places, faces), key=lambda place: -place.waiting)[:most]


def remembered(places: list[Place], faces: Boxes, looked_at: list[Place]) -> list[Place]:
    """The places to go by in the next look: the `faces` of this one, then old ones that it did not find."""
    fresh = [Place((x, y, w, h)) for x, y, w, h, _ in envelopes(faces).tolist()]
    old = [
        replace(place, unseen=place.unseen + 1, waiting=0 if place in looked_at else place.waiting + 1)
        for place in _without(places, faces) if place.unseen < LONGEST_LOOKS
    ]
    return [*fresh, *old][:MOST_PLACES]


def _without(places: list[Place], faces: Boxes) -> list[Place]:
    """Those of `places` with no face on them, nor close by."""
    boxes = np.array([(*place.box, 0.0) for place in places], np.float32).reshape(-1, 5)
    left = {tuple(box[:4]) for box in apart(boxes, faces).tolist()}
    return [place for place, box in zip(places, boxes.tolist(), strict=True) if tuple(box[:4]) in left]
