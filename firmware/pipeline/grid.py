"""Constant frame rate: which grid times a frame fills. Pure."""

from __future__ import annotations

from fractions import Fraction

_NS = 1_000_000_000
MAX_REPEAT_S = 10
"""A longer hole is left as a hole: it is not a late frame."""


class ConstantRate:
    """Puts frames on a grid of `rate` frames a second that starts at the first one."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self._start_ns = -1
        self._last = -1

    @property
    def period_ns(self) -> int:
        return int(_NS / self._rate)

    def slots(self, pts_ns: int) -> list[int]:
        """The grid times to encode now, oldest first: the last one is this frame's own, those ahead of it repeat the
        frame before. Empty: this frame is one too many."""
        if self._start_ns < 0:
            self._start_ns = pts_ns
        at = round((pts_ns - self._start_ns) * self._rate / _NS)
        if at <= self._last:
            return []
        first = self._last + 1 if at - self._last <= MAX_REPEAT_S * self._rate else at
        self._last = at
        return [self._start_ns + int(i * _NS / self._rate) for i in range(first, at + 1)]
