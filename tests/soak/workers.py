"""Detectors for a soak: they really look at the picture, and then answer late, twice, in disorder, wrongly or never."""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware.errors import PartMissing
from firmware.pipeline.detect.types import Detections, DetectorFailure, DetectorKind, Region
from hw.ports import U8
from tests.soak.world import HEIGHT, MS, SECRETS, WIDTH, SimClock

Answer = Detections | DetectorFailure
FAULTS = ("late", "drop", "twice", "contradict", "disorder", "belated", "raise", "nonsense", "spurious", "other-kind",
          "crash", "hang", "prepare")
FINAL = {"crash": 0.05, "hang": 0.05}
"""These end a worker: less often than the others, or no life would last."""


@dataclass
class Manners:
    """How a life's detectors behave: how often each fault strikes, how long a look takes, when a restart fails."""

    share: dict[str, float]
    look_ms: tuple[int, int]
    restart_fails: float

    def fault(self, random_: random.Random) -> str:
        at = random_.random()
        for fault, share in self.share.items():
            at -= share
            if at < 0:
                return fault
        return ""


def manners(random_: random.Random) -> Manners:
    """One life in four is calm; the others have a few faults, more or less often."""
    kinds = [] if random_.random() < 0.25 else random_.sample(FAULTS, random_.randint(1, 5))
    often = random_.choice([0.01, 0.05, 0.2])
    return Manners({kind: often * FINAL.get(kind, 1) / max(len(kinds), 1) for kind in kinds},
                   random_.choice([(5, 30), (40, 90), (60, 160)]), random_.choice([0.0, 0.0, 0.3]))


class SimWorker:
    """firmware.pipeline.lookout.Worker on the simulated clock: one look at a time, a queue of `bound`."""

    def __init__(self, kind: DetectorKind, random_: random.Random, clock: SimClock, behaviour: Manners, bound: int,
                 injected: Counter[str], evidence: Callable[[Detections, bool], None]) -> None:
        if injected[f"start {kind}"] and random_.random() < behaviour.restart_fails:
            injected["restart refused"] += 1
            raise PartMissing("The model is not the one this release was tested with")
        injected[f"start {kind}"] += 1
        self._kind, self._random, self._clock, self._behaviour = kind, random_, clock, behaviour
        self._bound, self._injected, self._evidence = bound, injected, evidence
        self._queue: deque[tuple[int, Any]] = deque()
        self._now: tuple[int, Answer | None, str, int] | None = None  # time, answer, fault, done at
        self._ready: list[tuple[Answer, bool]] = []
        self._withheld: list[tuple[int, Answer, bool, bool]] = []  # when it comes, answer, counts, busy until then
        self._answered: deque[int] = deque(maxlen=8)
        self.busy_since_ns = 0
        self.alive = True

    def prepare(self, y: U8, uv: U8) -> U8:
        if self._behaviour.share.get("prepare", 0) > self._random.random():
            self._injected["prepare"] += 1
            raise RuntimeError("no memory for a copy")
        return y.copy()

    def submit(self, pts_ns: int, prepared: Any) -> bool:
        if len(self._queue) >= self._bound:
            return False
        self._queue.append((pts_ns, prepared))
        self._work()
        return True

    @property
    def idle(self) -> bool:
        self._work()
        return self._now is None and not self._queue and not any(busy for *_, busy in self._withheld)

    def poll(self) -> list[Answer]:
        self._work()
        out, self._ready = self._ready, []
        for answer, counts in out:
            if isinstance(answer, Detections):
                self._evidence(answer, counts)
        return [answer for answer, _ in out]

    def wait(self, timeout_s: float) -> bool:
        until_ns = self._clock.now_ns + round(timeout_s * 1e9)
        times = [at for at, *_ in self._withheld] + ([self._now[3]] if self._now else [])
        self._clock.now_ns = max(min([until_ns, *times]), self._clock.now_ns)
        self._work()
        return bool(self._ready)

    def close(self, timeout_s: float = 0.0) -> None:
        self._queue.clear()

    # ---- at work -----------------------------------------------------------------------------------

    def _work(self) -> None:
        now_ns = self._clock.now_ns
        while self.alive and self._now is not None and self._now[3] <= now_ns:
            pts_ns, answer, fault, done_ns = self._now
            self._now, self.busy_since_ns = None, 0
            self._finish(pts_ns, answer, fault, done_ns)
            self._begin(done_ns)
        for item in [item for item in self._withheld if item[0] <= now_ns]:
            self._withheld.remove(item)
            self._ready.append((item[1], item[2]))
        if self.alive and self._now is None:
            self._begin(now_ns)

    def _begin(self, at_ns: int) -> None:
        if not self._queue:
            return
        pts_ns, picture = self._queue.popleft()
        fault = self._behaviour.fault(self._random)
        fault = "" if fault == "prepare" else fault
        if fault:
            self._injected[fault] += 1
        if fault == "crash":
            self.alive = False
            return
        took_ms = self._random.randint(*self._behaviour.look_ms)
        if fault == "late":
            took_ms += self._random.randint(100, 2500)
        if fault == "hang":
            took_ms = 1 << 40
        self.busy_since_ns = max(at_ns, 1)
        self._now = pts_ns, Detections(self._kind, pts_ns, self._look(picture)), fault, at_ns + took_ms * MS

    def _look(self, y: U8) -> tuple[Region, ...]:
        rows, columns = np.nonzero(y == SECRETS[self._kind])
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        return (Region(self._kind, float(left), float(top), float(right - left), float(bottom - top)),)

    def _finish(self, pts_ns: int, answer: Answer | None, fault: str, done_ns: int) -> None:
        assert isinstance(answer, Detections)
        later_ns = done_ns + self._random.randint(50, 600) * MS
        empty = Detections(self._kind, pts_ns, ())
        if fault == "drop":
            return
        if fault == "raise":
            self._ready.append((DetectorFailure(self._kind, pts_ns, "detector-failed", "planted"), False))
        elif fault == "nonsense":
            self._ready.append((Detections(self._kind, pts_ns, self._nonsense()), False))
        elif fault == "other-kind":
            other: DetectorKind = "text" if self._kind == "face" else "face"
            self._ready.append((Detections(other, pts_ns, ()), False))
        elif fault in ("disorder", "belated"):
            self._withheld.append((later_ns, answer, fault == "disorder", fault == "disorder"))
        else:
            self._ready.append((answer, True))
        if fault == "twice":
            self._ready.append((answer, False))
        elif fault == "contradict":
            self._ready.append((empty, False))
        elif fault == "spurious":
            known = [*self._answered, pts_ns]
            at_ns = self._random.choice([pts_ns + 7, pts_ns - 7, pts_ns + 400 * MS, self._random.choice(known)])
            self._ready.append((Detections(self._kind, at_ns, ()), False))
        self._answered.append(pts_ns)

    def _nonsense(self) -> Any:
        good = {"x": 5.0, "y": 5.0, "w": 9.0, "h": 9.0, "angle_deg": 0.0}
        key = self._random.choice(list(good))
        number = self._random.choice([math.nan, math.inf, -math.inf])
        return self._random.choice([
            (Region(self._kind, **{**good, key: number}),),
            (Region(self._kind, 4.0 * WIDTH, 5, 9, 9),), (Region(self._kind, 5, -3.0 * HEIGHT, 9, 9),),
            (Region(self._kind, 5, 5, 0, 9),), (Region(self._kind, 5, 5, 9, -1),),
            (Region(self._kind, -9e5, 5, 2e6, 9),), (None,), ("face",), (Region(self._kind, "5", 5, 9, 9),),  # type: ignore[arg-type]
            (Region(self._kind, 5, 5, 9, 9),) * 10_001,
        ])
