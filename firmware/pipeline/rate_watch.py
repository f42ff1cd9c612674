"""Notices within two seconds that a live source's frame rate is not the one it began with. Pure: times in, news out."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import pairwise
from statistics import median

from firmware.messages import Alert

WINDOW_NS = 1_250_000_000
_OFF = 0.03
"""A rate that differs by more is another one: 24 and 25 differ by 4 %, a cable's jitter by less than 1."""
_NEAR = 0.25
_STEADY = 0.8
"""This share of the steps must lie near their median: frames that get lost here and there are no other rate."""


class RateWatch:
    """Give it the time of each frame. `rate` is the rate promised at the opening; 0: none was, nothing is watched."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self._times_ns: deque[int] = deque()
        self._told = False

    def look(self, pts_ns: int) -> list[Alert]:
        measured_hz = self._measured(pts_ns)
        if not self._rate or measured_hz is None:
            return []
        other = abs(measured_hz - float(self._rate)) > _OFF * float(self._rate)
        if other == self._told:
            return []
        self._told = other
        promised = f"{float(self._rate):.5g}"
        if other:
            told = f"The camera delivers {measured_hz:.3g} frames a second, not {promised}."
            return [Alert("frame-rate-changed", told)]
        return [Alert("frame-rate-changed", f"The camera delivers {promised} frames a second again.", True)]

    def _measured(self, pts_ns: int) -> float | None:
        """The rate over the window that ends with this frame; None while it is not full, or the steps are uneven."""
        times = self._times_ns
        times.append(pts_ns)
        while len(times) > 1 and times[1] <= pts_ns - WINDOW_NS:
            times.popleft()
        if pts_ns - times[0] < WINDOW_NS or len(times) < 3:
            return None
        steps = [after - before for before, after in pairwise(times)]
        middle = median(steps)
        near = [step for step in steps if abs(step - middle) <= _NEAR * middle]
        return len(near) * 1e9 / sum(near) if len(near) >= _STEADY * len(steps) else None
