"""What surrounds the frame path in a soak: a clock that only moves when something waits, and sources with odd times."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from firmware.errors import FormatChanged, MediaUnreadable, SourceLost
from firmware.kernels.types import PictureStats
from firmware.pipeline.delay import STANDING_STEP_NS
from hw.ports import U8, EndOfStream, FrameTime, SoundChunk, StreamFormat

MS = 1_000_000
S = 1_000_000_000
WIDTH, HEIGHT = 64, 48
SECRETS = {"face": 255, "text": 250}
"""The luma of what each detector is there to find. Nothing else in a picture has it, and no fill may have it."""
BOX = 8
PATTERNS = ("steady", "jitter", "gaps", "standing", "backwards", "bursts")


class SimClock:
    """Stands in for the module `time` in the frame path."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / S

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        self.now_ns += max(round(seconds * S), 1000)


def place(kind: str, pts_ns: int) -> tuple[int, int]:
    """Where the secret of `kind` lies at a time: a slow swing, less than 2 pixels a second."""
    angle = 2 * np.pi * (pts_ns / S) / 20
    if kind == "face":
        return round(14 + 6 * np.sin(angle)), round(10 + 6 * np.cos(angle))
    return round(44 + 6 * np.cos(angle)), round(30 + 6 * np.sin(angle))


def steps(random_: random.Random, pattern: str, period_ns: int) -> Iterator[tuple[int, int]]:
    """(what passes in truth, what the source says has passed) from each frame to the next."""
    while True:
        odd = random_.random()
        if pattern == "jitter":
            real = round(period_ns * random_.uniform(0.5, 1.5))
            yield real, real
        elif pattern == "gaps" and odd < 0.01:
            gap = round(random_.uniform(0.05, 3) * S)
            yield gap, gap
        elif pattern == "standing" and odd < 0.01:
            for _ in range(random_.randint(1, 90)):
                yield period_ns, 0
        elif pattern == "backwards" and odd < 0.005:
            yield period_ns, -round(random_.uniform(0, 2) * S)
        elif pattern == "bursts" and odd < 0.02:
            yield 6 * period_ns, period_ns
            for _ in range(5):
                yield 1000, period_ns
        else:
            yield period_ns, period_ns


class SimSource:
    """hw.ports.FrameSource with an own idea of time. `entered` holds the times its frames must leave under."""

    def __init__(self, random_: random.Random, clock: SimClock, kinds: Sequence[str], *, live: bool, frames: int,
                 rate: int, pattern: str) -> None:
        self._random, self._clock, self._kinds, self._live, self._left = random_, clock, kinds, live, frames
        self._steps = steps(random_, pattern, S // rate)
        self._period_ns = S // rate
        self._due_ns = self._says_ns = clock.now_ns if live else 0
        self._fault = random_.choice([EndOfStream, EndOfStream, SourceLost, FormatChanged, MediaUnreadable])
        self._background = random_.randint(40, 200)
        self._last_ns: int | None = None
        self.entered: deque[int] = deque()
        self.frames = 0
        self.ended_with = ""

    def open(self) -> StreamFormat:
        return StreamFormat(WIDTH, HEIGHT, Fraction(S, self._period_ns), self._live)

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        if self._left == 0:
            self.ended_with = self._fault.__name__
            raise self._fault("the end of this life")
        if self._live and self._due_ns > self._clock.now_ns:
            wait_ns = round(timeout_s * S)
            self._clock.now_ns = min(self._due_ns, self._clock.now_ns + wait_ns)
            if self._due_ns > self._clock.now_ns:
                return None
        self._clock.now_ns += 100_000
        counted = PictureStats(WIDTH * HEIGHT // 2, 60 * WIDTH * HEIGHT, WIDTH, 0, self._says_ns)
        taken = FrameTime(self._says_ns, self._period_ns, stats=counted)
        pts_ns = min(taken.pts_ns, self._clock.now_ns) if self._live else taken.pts_ns
        if self._last_ns is not None and pts_ns <= self._last_ns:
            pts_ns = self._last_ns + STANDING_STEP_NS
        self._last_ns = pts_ns
        self.entered.append(pts_ns)
        self._draw(into, pts_ns)
        real_ns, said_ns = next(self._steps)
        self._due_ns += real_ns
        self._says_ns += said_ns
        self._left -= 1
        self.frames += 1
        return taken

    def _draw(self, into: U8, pts_ns: int) -> None:
        y = into[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
        uv = into[WIDTH * HEIGHT :].reshape(HEIGHT // 2, WIDTH // 2, 2)
        y[:] = self._background
        uv[:] = 100
        for kind in self._kinds:
            left, top = place(kind, pts_ns)
            y[top : top + BOX, left : left + BOX] = SECRETS[kind]
            uv[(top + 1) // 2 : (top + BOX) // 2, (left + 1) // 2 : (left + BOX) // 2] = SECRETS[kind]

    def read_sound(self) -> Sequence[SoundChunk]:
        return ()

    def close(self) -> None:
        """Nothing to release."""
