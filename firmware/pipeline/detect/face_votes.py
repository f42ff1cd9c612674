"""What two networks saw in several passes, weighed: which boxes are faces. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.boxes import overlaps
from firmware.pipeline.detect.face_networks import Boxes, NetworkName, best_of_each

SAME = 0.35
"""Boxes that overlap by this much are the same thing."""
OWN = 0.65
"""A box whose own score is below this share of the best for the same thing shows it worse, and is left out."""

SUSPECT = 0.15
"""The sum of scores from which on a closer look is worth its time."""


def agreed(passes: list[tuple[NetworkName, Boxes]], threshold: float, each: float = 0.0) -> Boxes:
    """The boxes of things for which the two networks' best scores, in any of their passes, sum to `threshold`.

    A thing that only one network sees must be very clear to it; one that both suspect need not be. With `each`, either
    network must have seen it with at least that score. The score of what is returned is that sum, 0 to 2.
    """
    boxes = np.concatenate([found for _, found in passes])
    if not len(boxes):
        return boxes
    same = overlaps(boxes, boxes) >= SAME
    np.fill_diagonal(same, True)
    first, second = (_best(same, passes, boxes, name) for name in ("centerface", "yunet"))
    own = boxes[:, 4] >= OWN * np.maximum(first, second)
    sums = np.column_stack([boxes[:, :4], first + second])
    kept: Boxes = sums[own & (sums[:, 4] >= threshold) & (np.minimum(first, second) >= each)]
    return kept


def suspects(passes: list[tuple[NetworkName, Boxes]], faces: Boxes, largest: float, most: int) -> Boxes:
    """What at least one network holds possible and is none of `faces`: the `most` likeliest, up to `largest` long."""
    doubtful = apart(agreed(passes, SUSPECT), faces)
    return best_of_each(doubtful[doubtful[:, 2:4].max(axis=1) <= largest])[:most]


def on_one(box: Sequence[float], faces: Boxes) -> bool:
    """Whether the middle of a `box` (x, y, w, h) lies on one of `faces`, or close by."""
    return not len(apart(np.array([(*box[:4], 0.0)], np.float32), faces))


def _best(
    same: NDArray[np.bool_], passes: list[tuple[NetworkName, Boxes]], boxes: Boxes, network: NetworkName
) -> NDArray[np.float32]:
    """For each box, the best score that `network` gave to the same thing."""
    of_it = np.concatenate([np.full(len(found), name == network) for name, found in passes])
    best: NDArray[np.float32] = np.where(same & of_it, boxes[:, 4], np.float32(0)).max(axis=1)
    return best


def apart(boxes: Boxes, faces: Boxes) -> Boxes:
    """Those of `boxes` whose centre lies on none of `faces`, nor close by, that is at least as sure.

    There it is the same face, seen badly.
    """
    if not len(boxes) or not len(faces):
        return boxes
    x, y, wide, high, score = (faces[None, :, side] for side in range(5))
    middle_x, middle_y = (boxes[:, 0] + boxes[:, 2] / 2)[:, None], (boxes[:, 1] + boxes[:, 3] / 2)[:, None]
    across = (middle_x >= x - 0.3 * wide) & (middle_x <= x + 1.3 * wide)
    down = (middle_y >= y - 0.3 * high) & (middle_y <= y + 1.3 * high)
    far: Boxes = boxes[~(across & down & (score >= boxes[:, 4:5])).any(axis=1)]
    return far
