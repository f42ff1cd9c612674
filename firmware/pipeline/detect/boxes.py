"""Arithmetic on arrays of upright boxes (x, y, w, h, ...). Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def overlap(box: F32, boxes: F32) -> F32:
    """Intersection over union of one box with each of `boxes`, 0 to 1."""
    left = np.maximum(box[0], boxes[:, 0])
    top = np.maximum(box[1], boxes[:, 1])
    right = np.minimum(box[0] + box[2], boxes[:, 0] + boxes[:, 2])
    bottom = np.minimum(box[1] + box[3], boxes[:, 1] + boxes[:, 3])
    shared = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    union = box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)


def envelopes(boxes: F32, same: float = 0.5) -> F32:
    """One box for each group that overlaps its best-scored member by `same` or more: the box around the group.

    The passes see the same thing slightly differently; what any of them saw stays covered.
    """
    left = boxes[np.argsort(-boxes[:, 4])] if len(boxes) else boxes
    out = []
    while len(left):
        near = overlap(left[0], left) >= same
        near[0] = True
        group = left[near]
        x, y = group[:, 0].min(), group[:, 1].min()
        right, bottom = (group[:, 0] + group[:, 2]).max(), (group[:, 1] + group[:, 3]).max()
        out.append([x, y, right - x, bottom - y, group[0, 4]])
        left = left[~near]
    return np.asarray(out, np.float32).reshape(-1, 5)
