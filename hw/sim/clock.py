"""Clocks: the machine's own, and one that tests move by hand."""

from __future__ import annotations

import time


class SystemClock:
    """CLOCK_MONOTONIC for order, wall time for people."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def unix_s(self) -> float:
        return time.time()


class SimClock:
    """Stands still until moved; the wall clock can be set wrong, as a real one can."""

    def __init__(self, monotonic_ns: int = 1_000_000_000, unix_s: float = 1_700_000_000.0) -> None:
        self._monotonic_ns = monotonic_ns
        self._unix_s = unix_s

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def unix_s(self) -> float:
        return self._unix_s

    def advance(self, seconds: float) -> None:
        """Let time pass. Monotonic time never goes back."""
        if seconds < 0:
            raise ValueError("monotonic time does not go back")
        self._monotonic_ns += round(seconds * 1e9)
        self._unix_s += seconds

    def set_wall(self, unix_s: float) -> None:
        """What an NTP step or a technician does."""
        self._unix_s = unix_s
