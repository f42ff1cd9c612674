"""Which region of one look is the same thing as which region of a later look. Pure; knows no frame between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.types import Region

F64 = NDArray[np.float64]

NEAR = 0.75
"""Two regions whose centres are closer than this share of their mean size may be the same thing."""
ALIKE = 2.0
"""Largest ratio of the sizes of the same thing in two looks."""


@dataclass(slots=True, eq=False)
class Sighting:
    """One region in one look, linked to the sightings of the same thing just before and after, where known."""

    pts_ns: int
    region: Region
    before: Sighting | None = field(default=None, repr=False)
    after: Sighting | None = field(default=None, repr=False)

    def unlink(self) -> None:
        """Forget the neighbours, and make them forget this one."""
        if self.before is not None:
            self.before.after = None
        if self.after is not None:
            self.after.before = None
        self.before = self.after = None


def link(earlier: list[Sighting], later: list[Sighting]) -> None:
    """Link sightings that have no `after` to those that have no `before`: nearest pairs first, each once."""
    first = [sighting for sighting in earlier if sighting.after is None]
    second = [sighting for sighting in later if sighting.before is None]
    if not first or not second:
        return
    cost = _costs([s.region for s in first], [s.region for s in second])
    rows, columns = np.nonzero(np.isfinite(cost))
    for place in np.argsort(cost[rows, columns], kind="stable"):
        one, other = first[rows[place]], second[columns[place]]
        if one.after is None and other.before is None:
            one.after, other.before = other, one


def _costs(first: list[Region], second: list[Region]) -> F64:
    """Distance of the centres in mean sizes, more for unlike sizes; infinite when they cannot be the same thing."""
    a = np.array([[r.x + r.w / 2, r.y + r.h / 2, np.hypot(r.w, r.h)] for r in first])[:, None, :]
    b = np.array([[r.x + r.w / 2, r.y + r.h / 2, np.hypot(r.w, r.h)] for r in second])[None, :, :]
    away = np.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]) / ((a[..., 2] + b[..., 2]) / 2)
    alike = np.maximum(a[..., 2], b[..., 2]) / np.maximum(np.minimum(a[..., 2], b[..., 2]), 1e-9)
    return np.asarray(np.where((away <= NEAR) & (alike <= ALIKE), away + 0.5 * (alike - 1), np.inf), np.float64)
