"""Long trains of presses and of electrosurgery-like noise, in simulated time: hours of an operating day in seconds.

The pins, the debounce, the gestures and the mapping are the recorder's own; only the clock that they look at is ours.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from firmware.config import Controls
from firmware.recorder import machine_types as t
from firmware.recorder.pedal_desk import PedalDesk
from hw.board_definition import read_definition
from hw.sim.board import SimBoard

MS = 1_000_000
POLL_MS = (4.0, 5.5)
LATE_POLL_MS = 12.0
LATE_SHARE = 0.01
MOST_BURST_MS = 15.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a train was, and what was made of it. `longest_gap_ms` is the longest time between two polls."""

    trains: int
    polls: int
    simulated_s: float
    longest_gap_ms: float
    made: Counter[str]
    alerts: int


class _Clock:
    """The simulated board's clock, moved by hand."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000 * MS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def unix_s(self) -> float:
        return self.now_ns / 1e9


class _Train:
    """The recorder's polling loop over a simulated board, on a clock that jumps from poll to poll."""

    def __init__(self, seed: int, definition: str) -> None:
        self.rng, self.clock = random.Random(seed), _Clock()
        self.polls = self.longest_gap_ns = self.alerts = 0
        self.made: Counter[str] = Counter()
        self.board = SimBoard(definition=read_definition(definition), seed=seed, clock=self.clock)
        self.desk = PedalDesk(Controls(), self.board)
        self._began_ns = self.clock.now_ns

    def poll_until(self, end_ns: int) -> None:
        """Poll every 4 to 5.5 ms, and now and then late, as the recorder's loop does."""
        while self.clock.now_ns < end_ns:
            late = self.rng.random() < LATE_SHARE
            gap_ns = round((self.rng.uniform(POLL_MS[1], LATE_POLL_MS) if late else self.rng.uniform(*POLL_MS)) * MS)
            self.clock.now_ns += gap_ns
            self.longest_gap_ns = max(self.longest_gap_ns, gap_ns)
            self.polls += 1
            for told in self.desk.read(self.clock.now_ns, ""):
                if isinstance(told, t.Alerted):
                    self.alerts += 1
                else:
                    self.made[f"{told.gesture.line} {told.gesture.kind}"] += 1

    def wait_ms(self, least: float, most: float) -> None:
        self.poll_until(self.clock.now_ns + round(self.rng.uniform(least, most) * MS))

    def counted(self, trains: int) -> Counted:
        self.board.close()
        simulated_s = (self.clock.now_ns - self._began_ns) / 1e9
        return Counted(trains, self.polls, simulated_s, self.longest_gap_ns / MS, self.made, self.alerts)


def presses(count: int, seed: int = 1, definition: str = "sim") -> Counted:
    """Feet on the pedal: each press bounces for 1 to 8 ms at both ends and lasts 60 to 350 ms.

    Of a two-wire pedal 100 to 350 ms: it travels for up to 30 ms of that, and the other side bounces too.
    """
    train = _Train(seed, definition)
    shortest_ms = 60 if definition == "sim" else 100
    train.wait_ms(100, 200)
    for _ in range(count):
        train.board.press("pedal")
        train.wait_ms(shortest_ms, 350)
        train.board.release("pedal")
        train.wait_ms(shortest_ms, 150)
    return train.counted(count)


def bursts(count: int, seed: int = 1, definition: str = "sim") -> Counted:
    """Electrosurgery beside idle lines: bursts of 1 to 15 ms on either line, or both, 10 to 150 ms apart."""
    train = _Train(seed, definition)
    train.wait_ms(100, 200)
    for _ in range(count):
        lines = train.rng.choice((("pedal",), ("privacy",), ("pedal", "privacy")))
        for line in lines:
            train.board.burst(line, train.rng.uniform(1.0, MOST_BURST_MS) / 1e3)
        train.wait_ms(10, 150)
    train.wait_ms(100, 200)
    return train.counted(count)
