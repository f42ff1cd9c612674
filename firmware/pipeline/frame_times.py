"""When each frame of a source was taken, and how many were lost before it. Pure: the clock's readings come in.

A rate in caps or in a vendor's answer is a promise; what happened is in the times between the frames.
"""

from __future__ import annotations

from dataclasses import dataclass

_ORDER_NS = 1000
"""A time that repeats or goes back (a broken file) is put so far after the one before: order is kept."""


@dataclass(slots=True)
class FrameTimes:
    """Puts the frames of one source in order. `period_ns` is the nominal time from frame to frame, 0 when unknown."""

    period_ns: int
    live: bool
    last_ns: int = -1

    def place(self, pts_ns: int | None) -> tuple[int, int]:
        """The time of the next frame and how many frames are missing before it (live sources only)."""
        if pts_ns is None:
            pts_ns = self.last_ns + self.period_ns if self.last_ns >= 0 else 0
        dropped = 0
        if self.last_ns >= 0:
            if pts_ns <= self.last_ns:
                pts_ns = self.last_ns + _ORDER_NS
            elif self.live and self.period_ns:
                dropped = max(0, round((pts_ns - self.last_ns) / self.period_ns) - 1)
        self.last_ns = pts_ns
        return pts_ns, dropped


class StampClock:
    """Carries a vendor's frame stamps, which count from an unknown instant, over to the clock of arrivals.

    A frame arrives some time after it was taken and never before; the shortest delay seen so far is the offset. So the
    even steps of the stamps are kept, and a late reader does not make a frame late. A stamp that does not go on is
    useless, and the arrival counts.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._last_stamp_ns = 0

    def arrived(self, stamp_ns: int, now_ns: int) -> int:
        """The time of a frame stamped `stamp_ns` that was in hand at `now_ns`."""
        if stamp_ns <= self._last_stamp_ns:
            self._offset_ns, self._last_stamp_ns = None, max(stamp_ns, 0)
            return now_ns
        self._last_stamp_ns = stamp_ns
        delay_ns = now_ns - stamp_ns
        self._offset_ns = delay_ns if self._offset_ns is None else min(self._offset_ns, delay_ns)
        return stamp_ns + self._offset_ns
