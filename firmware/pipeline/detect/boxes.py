"""Arithmetic on arrays of upright boxes (x, y, w, h, ...). Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def overlaps(boxes: F32, others: F32) -> F32:
    """Intersection over union of each of `boxes` with each of `others`, (n, m), 0 to 1."""
    one, other = boxes[:, None], others[None]
    left, top = np.maximum(one[..., 0], other[..., 0]), np.maximum(one[..., 1], other[..., 1])
    right = np.minimum(one[..., 0] + one[..., 2], other[..., 0] + other[..., 2])
    bottom = np.minimum(one[..., 1] + one[..., 3], other[..., 1] + other[..., 3])
    shared = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    union = one[..., 2] * one[..., 3] + other[..., 2] * other[..., 3] - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)


def envelopes(boxes: F32, same: float = 0.5) -> F32:
    """One box for each group that overlaps its best-scored member by `same` or more: the box around the group.

    The passes see the same thing slightly differently; what any of them saw stays covered.
    """
    left = boxes[np.argsort(-boxes[:, 4])] if len(boxes) else boxes
    out = []
    while len(left):
        near = overlaps(left[:1], left)[0] >= same
        near[0] = True
        group = left[near]
        x, y = group[:, 0].min(), group[:, 1].min()
        right, bottom = (group[:, 0] + group[:, 2]).max(), (group[:, 1] + group[:, 3]).max()
        out.append([x, y, right - x, bottom - y, group[0, 4]])
        left = left[~near]
    return np.asarray(out, np.float32).reshape(-1, 5)
