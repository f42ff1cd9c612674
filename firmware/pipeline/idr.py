"""Which frames are to begin anew (IDR), and whether the encoder did as it was asked. Pure.

An IDR comes at least every interval of picture time, at any frame rate, and nowhere else than at the start, there, and
where one was asked for.
"""

from __future__ import annotations

from collections import deque

_PATIENCE_NS = 1000
"""33.333334 ms must not cost a second of 30 frames its last one."""


class IdrPlan:
    """Frames enter and leave an encoder in the same order. `slack` is by how many frames an asked IDR may come earlier
    or later: 0 for an encoder that does it in that very frame."""

    def __init__(self, interval_ns: int, slack: int = 0) -> None:
        self._interval_ns, self._slack = interval_ns, slack
        self._entered = self._left = 0
        self._asked: deque[int] = deque()  # numbers of frames, from the first on
        self._answered: set[int] = set()
        self._last_ns = self._idr_ns = self._longest_ns = 0
        self._force = False

    def force(self) -> None:
        """The next frame is to be an IDR."""
        self._force = True

    def enters(self, pts_ns: int) -> bool:
        """A frame enters; must it be an IDR? Yes for the last that can be one in time, given the longest wait between
        frames since the last."""
        if not self._entered:
            self._last_ns, wanted = pts_ns, True
        else:
            self._longest_ns = max(self._longest_ns, pts_ns - self._last_ns)
            self._last_ns = pts_ns
            ahead_ns = (1 + self._slack) * self._longest_ns
            wanted = self._force or pts_ns + ahead_ns - self._idr_ns > self._interval_ns + _PATIENCE_NS
        if wanted:
            self._force, self._idr_ns, self._longest_ns = False, pts_ns, 0
            self._asked.append(self._entered)
        self._entered += 1
        return wanted

    def leaves(self, keyframe: bool) -> str:
        """The next frame came out; what is wrong with it, or ""."""
        number, self._left = self._left, self._left + 1
        if keyframe:
            near = [asked for asked in self._asked if abs(asked - number) <= self._slack]
            if not near:
                return "made an unasked keyframe"
            self._answered.update(near)
        while self._asked and self._asked[0] + self._slack <= number:
            asked = self._asked.popleft()
            if asked not in self._answered:
                return "ignored the asked keyframe"
            self._answered.discard(asked)
        return ""
