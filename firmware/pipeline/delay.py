"""The delay line: frames wait here until the privacy gate can judge them. Owns the order, not the pictures."""

from __future__ import annotations

from collections import deque

from firmware.messages import BlankReason
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import Frame

STANDING_STEP_NS = 1000
"""A time that stands still or goes back is moved this far past the one before it."""


class DelayLine:
    """First in, first out, at times that only grow: the gate tells frames apart by their time, so two frames with
    one time would pass on the evidence for one of them.

    Live: a frame leaves when its age reaches `delay_ns`, with or without evidence. File: it leaves when the next
    `delay_ns` of the file have been looked at, however long that takes, so that both see equally far ahead.
    """

    def __init__(self, gate: EvidenceGate, delay_ns: int, *, live: bool) -> None:
        self._gate, self._delay_ns, self._live = gate, delay_ns, live
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._last_ns: int | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def first(self) -> Frame | None:
        return self._frames[0] if self._frames else None

    @property
    def newest(self) -> Frame | None:
        return self._frames[-1] if self._frames else None

    @property
    def horizon_ns(self) -> int:
        """Answers for frames up to this time can still change what happens to the first frame in line."""
        return self._frames[0].pts_ns + self._delay_ns

    def push(self, frame: Frame) -> None:
        if self._last_ns is not None and frame.pts_ns <= self._last_ns:
            frame.pts_ns = self._last_ns + STANDING_STEP_NS
        self._last_ns = frame.pts_ns
        self._frames.append(frame)

    def end(self) -> None:
        """No more frames will come; the newest one has been asked about."""
        self._ended = True

    def wait_ns(self, now_ns: int) -> int:
        """Live: how long until the first frame must leave, 0 or less when now; a second when the line is empty."""
        return self.horizon_ns - now_ns if self._frames else 1_000_000_000

    def ready(self, now_ns: int, *, full: bool = False) -> bool:
        """Whether the first frame leaves now. `full`: no buffer is left to look further ahead with."""
        if not self._frames:
            return False
        if self._live and now_ns >= self.horizon_ns:
            return True
        if self._live and not self._ended:
            return False
        if not (self._ended or full or self._frames[-1].pts_ns >= self.horizon_ns):
            return False
        return not self._gate.any_outstanding(self.horizon_ns)

    def pop(self) -> tuple[Frame, BlankReason]:
        """The first frame and "" or why it must be filled whole."""
        frame = self._frames.popleft()
        return frame, self._gate.verdict(frame.pts_ns)
