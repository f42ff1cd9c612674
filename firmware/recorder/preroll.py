"""The pre-roll: the last seconds of encoded, scrubbed fragments, in memory only. Decides nothing about committing."""

from __future__ import annotations

from collections import deque

from firmware.messages import Fragment


class PreRoll:
    """A ring of fragments, bounded by time and by bytes, that always starts with a keyframe.

    Whole groups (a keyframe fragment and those up to the next) leave at the old end, so it plays from its start.
    """

    def __init__(self, max_s: float, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._max_ns = round(max_s * 1e9)
        self._max_bytes = max_bytes
        self._ring: deque[Fragment] = deque()
        self._bytes = 0
        self._not_before_ns = 0

    def add(self, fragment: Fragment) -> None:
        """Keep `fragment`; what no longer fits leaves. A jump in `seq` or time order starts the ring anew."""
        if fragment.pts_ns < self._not_before_ns:
            return
        if self._ring and (fragment.pts_ns <= self._ring[-1].pts_ns or fragment.seq != self._ring[-1].seq + 1):
            self.clear(self._not_before_ns)
        if not self._ring and not fragment.keyframe:
            return
        self._ring.append(fragment)
        self._bytes += len(fragment.data)
        while self._ring and (self.span_ns > self._max_ns or self._bytes > self._max_bytes):
            self._drop_group()

    @property
    def span_ns(self) -> int:
        """Time from the first kept frame to the end of the last."""
        if not self._ring:
            return 0
        last = self._ring[-1]
        return last.pts_ns + last.duration_ns - self._ring[0].pts_ns

    @property
    def bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._ring)

    def take(self) -> list[Fragment]:
        """Hand over everything, oldest first, and be empty."""
        kept = list(self._ring)
        self.clear(self._not_before_ns)
        return kept

    def clear(self, not_before_ns: int = 0) -> None:
        """Forget everything; and take nothing that was seen before `not_before_ns` and is still on its way here."""
        self._not_before_ns = not_before_ns
        self._ring.clear()
        self._bytes = 0

    def _drop_group(self) -> None:
        self._bytes -= len(self._ring.popleft().data)
        while self._ring and not self._ring[0].keyframe:
            self._bytes -= len(self._ring.popleft().data)
