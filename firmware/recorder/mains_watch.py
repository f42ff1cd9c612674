"""Reads the power-fail input: when the mains went, when the hold-up time must be kept for sealing, when they are back.

A short dip is ridden out: the recording goes on. The time without mains counts against `ride_through`, and goes on
counting where it stopped if they flicker, since the hold-up store does not fill up in between; it is forgotten when
they have been back without a break for a while. Pure: no clock, no pins. Why it is so: docs/adr/0018-power.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from firmware.recorder.machine_types import SECOND, HoldUpEnding, MainsBack, MainsLost
from hw.debounce import DebouncedLine, step

POWER_FAIL = "power_fail"
"""The line's role on the board."""
SETTLE_NS = 20_000_000
BACK_NS = 2 * SECOND
"""Mains are back when they have been there for so long."""


class MainsWatch:
    """`poll` with each reading of the pins."""

    def __init__(self, ride_through_ns: int) -> None:
        self._ride_through_ns = ride_through_ns
        self._line = DebouncedLine()
        self._polled_ns = self._back_ns = self._without_ns = 0
        self._lost = self._ending = False

    def poll(self, asserted: bool | None, now_ns: int) -> Iterator[MainsLost | HoldUpEnding | MainsBack]:
        """`asserted`: the supply says that the mains are gone; None where that cannot be read (or is not wired)."""
        if asserted is None:
            self._polled_ns = now_ns
            return
        self._line, _ = step(self._line, asserted, now_ns, SETTLE_NS)
        if self._line.known and self._line.closed:
            yield from self._without(now_ns)
        elif self._lost:
            self._back_ns = self._back_ns or now_ns
            if now_ns - self._back_ns >= BACK_NS:
                self._lost = self._ending = False
                yield MainsBack()
        self._polled_ns = now_ns

    def _without(self, now_ns: int) -> Iterator[MainsLost | HoldUpEnding]:
        self._back_ns = 0
        if not self._lost:
            self._lost, self._without_ns = True, now_ns - self._line.raw_since_ns
            yield MainsLost()
        else:
            self._without_ns += now_ns - self._polled_ns
        if not self._ending and self._without_ns >= self._ride_through_ns:
            self._ending = True
            yield HoldUpEnding()
