"""Runs one detector on its own thread, with a bound on everything. Decides nothing about frames."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Any

from firmware.pipeline.detect.merge import at_most
from firmware.pipeline.detect.types import BadDetection, Detections, Detector, DetectorFailure, DetectorKind, Region

LARGEST = 3.0
"""A region longer than this many picture diagonals is nonsense."""
MOST_BELIEVED = 10_000
"""So is a look that saw more things than this."""
MOST_KEPT = 256
"""Where a look saw more things, neighbours are covered as one: linking looks costs the square of their number."""


class DetectorWorker:
    """One daemon thread around one detector.

    A detector that raises gives a DetectorFailure and the thread goes on. One that hangs keeps `busy_since_ns`
    at the moment it began (CLOCK_MONOTONIC); the caller decides how long is too long.
    """

    def __init__(self, detector: Detector, *, width: int, height: int, queue_bound: int = 2) -> None:
        self._detector, self._width, self._height = detector, width, height
        self._bound = queue_bound
        self._waiting: deque[tuple[int, Any]] = deque()
        self._done: deque[Detections | DetectorFailure] = deque()
        self._change = threading.Condition()
        self._busy_since_ns = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"detect-{detector.kind}", daemon=True)
        self._thread.start()

    @property
    def kind(self) -> DetectorKind:
        return self._detector.kind

    def submit(self, pts_ns: int, prepared: Any) -> bool:
        """Ask for a look at a frame. False, and nothing happens, when the queue is full or the worker is closed.

        Answers that nobody has polled count too, so that a caller that stops polling cannot fill the memory.
        """
        with self._change:
            if self._closed or len(self._waiting) >= self._bound or len(self._done) >= 64 + self._bound:
                return False
            self._waiting.append((pts_ns, prepared))
            self._change.notify_all()
            return True

    def poll(self) -> list[Detections | DetectorFailure]:
        """Every answer since the last call, in order of submission. Never waits."""
        with self._change:
            answers = list(self._done)
            self._done.clear()
            return answers

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to poll; False on timeout, or at once when nothing is under way."""
        deadline = time.monotonic() + timeout_s
        with self._change:
            while not self._done:
                left = deadline - time.monotonic()
                if left <= 0 or (not self._waiting and not self._busy_since_ns):
                    return False
                self._change.wait(left)
            return True

    @property
    def busy_since_ns(self) -> int:
        """When the look now under way began (CLOCK_MONOTONIC), 0 while there is none."""
        with self._change:
            return self._busy_since_ns

    @property
    def alive(self) -> bool:
        """Whether the thread still runs: it does until `close`."""
        return self._thread.is_alive()

    @property
    def idle(self) -> bool:
        """Nothing waiting and nothing under way (answers may still be there to poll)."""
        with self._change:
            return not self._waiting and not self._busy_since_ns

    @property
    def room(self) -> bool:
        """Whether `submit` would take a frame now, so that a caller can spare itself the preparation."""
        with self._change:
            return not self._closed and len(self._waiting) < self._bound and len(self._done) < 64 + self._bound

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop after the look now under way; a hung one is left behind (the thread is a daemon)."""
        with self._change:
            self._closed = True
            self._waiting.clear()
            self._change.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting and not self._closed:
                    self._change.wait()
                if self._closed:
                    return
                pts_ns, prepared = self._waiting.popleft()
                self._busy_since_ns = time.monotonic_ns()
            answer = self._look(pts_ns, prepared)
            del prepared
            with self._change:
                self._busy_since_ns = 0
                self._done.append(answer)
                self._change.notify_all()

    def _look(self, pts_ns: int, prepared: Any) -> Detections | DetectorFailure:
        kind = self._detector.kind
        try:
            regions = tuple(self._detector.detect(prepared))
            check(regions, self._width, self._height)
            return Detections(kind, pts_ns, tuple(at_most(MOST_KEPT, list(regions))))
        except BadDetection as error:
            return DetectorFailure(kind, pts_ns, "bad-detection", str(error))
        except BaseException as error:  # whatever native code throws, this thread must live to say so
            return DetectorFailure(kind, pts_ns, "detector-failed", f"{type(error).__name__}: {error}"[:500])


def check(regions: tuple[Region, ...], width: int, height: int) -> None:
    """Raise BadDetection unless these are regions, not absurdly many, and every one of them is finite, not empty,
    of a sane size and centred in the picture."""
    if len(regions) > MOST_BELIEVED:
        raise BadDetection(f"{len(regions)} regions in one picture")
    longest = LARGEST * math.hypot(width, height)
    for region in regions:
        try:
            numbers = (region.x, region.y, region.w, region.h, region.angle_deg, region.score)
            finite = all(math.isfinite(number) for number in numbers)
        except (AttributeError, TypeError):
            raise BadDetection(f"not a region: {region!r:.100}") from None
        if not finite:
            raise BadDetection(f"a {region.kind} region has a number that is not finite: {region}")
        if not (0 < region.w <= longest and 0 < region.h <= longest):
            raise BadDetection(f"a {region.kind} region has an impossible size: {region}")
        centre_x, centre_y = region.x + region.w / 2, region.y + region.h / 2
        if not (0 <= centre_x <= width and 0 <= centre_y <= height):
            raise BadDetection(f"a {region.kind} region lies outside the {width}x{height} picture: {region}")
