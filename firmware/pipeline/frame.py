"""Frames in memory: a bounded pool of page-aligned NV12 buffers that are reused, never grown past the bound."""

from __future__ import annotations

import threading
from collections.abc import Callable

from firmware.messages import Verdict
from hw.ports import U8, StreamFormat


class Frame:
    """One NV12 picture on its way: `data` is flat, `y` (H, W) and `uv` (H/2, W/2, 2) are views of it.

    A frame goes back to its pool when every holder has let go; holders may be in different threads.
    """

    __slots__ = ("_holders", "_pool", "data", "duration_ns", "pts_ns", "uv", "verdict", "y")

    def __init__(self, pool: FramePool, data: U8, width: int, height: int) -> None:
        self.data = data
        self.y: U8 = data[: width * height].reshape(height, width)
        self.uv: U8 = data[width * height :].reshape(height // 2, width // 2, 2)
        self.pts_ns = 0
        self.duration_ns = 0
        self.verdict: Verdict | None = None
        self._pool = pool
        self._holders = 0

    def hold(self) -> Callable[[], None]:
        """One more holder; returns its own `let_go`, to be called once."""
        self._pool.retain(self)
        return self.let_go

    def let_go(self) -> None:
        """The holder no longer reads or writes the picture."""
        self._pool.release(self)


class FramePool:
    """At most `capacity` frames of one format. Buffers are made when first needed and kept until the end.

    `allocate` gives flat memory of so many bytes: where the kernels can reach it.
    """

    def __init__(self, fmt: StreamFormat, capacity: int, allocate: Callable[[int], U8]) -> None:
        self.capacity = capacity
        self._allocate = allocate
        self._fmt = fmt
        self._free: list[Frame] = []
        self._made = 0
        self._changed = threading.Condition()

    def acquire(self, timeout_s: float = 0.0) -> Frame | None:
        """A frame nobody holds, with one holder (the caller); None when all are in use for `timeout_s`."""
        with self._changed:
            if not self._free and self._made >= self.capacity:
                self._changed.wait_for(lambda: bool(self._free), timeout_s)
            if self._free:
                frame = self._free.pop()
            elif self._made < self.capacity:
                self._made += 1
                frame = self._make()
            else:
                return None
            frame._holders = 1
            frame.verdict = None
            return frame

    def retain(self, frame: Frame) -> None:
        with self._changed:
            if frame._holders < 1:
                raise AssertionError("a frame in the pool was held")
            frame._holders += 1

    def release(self, frame: Frame) -> None:
        with self._changed:
            if frame._holders < 1:
                raise AssertionError("a frame was let go twice")
            frame._holders -= 1
            if frame._holders == 0:
                self._free.append(frame)
                self._changed.notify()

    @property
    def in_use(self) -> int:
        with self._changed:
            return self._made - len(self._free)

    def _make(self) -> Frame:
        data = self._allocate(self._fmt.frame_bytes)
        return Frame(self, data, self._fmt.coded_width, self._fmt.coded_height)
