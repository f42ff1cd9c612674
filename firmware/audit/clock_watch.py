"""Notices a step of the wall clock: it is compared with the monotonic clock, look by look. Pure."""

from __future__ import annotations

LEAST_STEP_S = 0.25
"""A smaller one is not told from a clock that is being steered."""
_STEERED = 0.001
"""Share of the time between two looks by which a steered clock may run fast or slow (the kernel allows 500 ppm)."""
_SURE_NS = 5_000_000


class ClockWatch:
    """`look` at short intervals; not for several threads."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._looked_ns = 0

    def look(self, before_ns: int, unix_s: float, after_ns: int) -> float:
        """By how much the wall clock has been set (seconds, negative: back) since the last look; 0: not at all.

        `unix_s` was read between the two readings of the monotonic clock; when these are far apart the process was held
        up in between, and the look does not count.
        """
        if after_ns - before_ns > _SURE_NS:
            return 0.0
        offset_s = unix_s - (before_ns + after_ns) / 2e9
        last_s, since_s = self._offset_s, (after_ns - self._looked_ns) / 1e9
        self._offset_s, self._looked_ns = offset_s, after_ns
        if last_s is None or abs(offset_s - last_s) < LEAST_STEP_S + _STEERED * since_s:
            return 0.0
        return offset_s - last_s
