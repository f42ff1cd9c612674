"""One life of a frame path: real delay line, gate, lookout, planner and painter, and everything else simulated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from firmware import config
from firmware.errors import FormatChanged, MediaUnreadable, PartMissing, PipelineDied, SourceLost
from firmware.kernels.open import open_kernels
from firmware.messages import Alert, Configure
from firmware.pipeline import path as frame_path
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.planner import MOST_LOOKS, Planner
from firmware.pipeline.detect.types import DetectorKind
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import FramePool
from firmware.pipeline.lookout import Lookout, Seat
from firmware.pipeline.path import FramePath
from tests.soak.judge import HELD, Judge, Leak
from tests.soak.workers import SimWorker, manners
from tests.soak.world import HEIGHT, MS, PATTERNS, WIDTH, S, SimClock, SimSource

MOST_REMEMBERED = 2 * MOST_LOOKS
"""Questions and answers that may be held in any one place. A second has some tens of them."""
STUCK_NS = 60 * S


@dataclass
class Tally:
    """What was injected and what came out, over all lives."""

    frames: int = 0
    lives: int = 0
    lost_with_pipeline: int = 0
    most_held: int = 0
    simulated_s: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    came_out: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)


def live_one(seed: int, tally: Tally, most_frames: int) -> None:
    """Run one life to its end, with at most `most_frames` frames. Raises Leak with the seed when a promise breaks."""
    random_ = random.Random(seed)
    live = random_.random() < 0.6
    kinds: list[DetectorKind] = random_.choices([["face", "text"], ["face"], ["text"], []], [12, 4, 4, 1])[0]
    pattern = random_.choice(PATTERNS)
    delay_ns = random_.choice([300, 500, 500, 1000]) * MS
    clock = SimClock(random_.randint(1, 10_000) * S)
    source = SimSource(random_, clock, kinds, live=live, frames=min(random_.randint(200, 4000), most_frames),
                       rate=random_.choice([24, 25, 30, 30, 50, 60, 120]), pattern=pattern)
    judge = Judge(source, kinds, delay_ns, tally.came_out)
    behaviour = manners(random_)
    injected: Counter[str] = Counter()
    gate = EvidenceGate(kinds, delay_ns)
    planner = Planner(WIDTH, HEIGHT, delay_ns)

    def start(kind: DetectorKind) -> tuple[Callable[..., Any], SimWorker]:
        worker = SimWorker(kind, random_, clock, behaviour, 1 if live else 3, injected, judge.evidence)
        return worker.prepare, worker

    alerts: list[str] = []
    seats = [Seat(kind, f"simulated {kind}", random_.choice([100, 200, 300]) * MS, partial(start, kind))
             for kind in kinds]
    lookout = Lookout(seats, gate, planner, live=live, delay_ns=delay_ns, hang_timeout_ns=2 * S,
                      alert=lambda alert: alerts.append(alert.code))
    configure = Configure(config.Source(uri="scene://", lost_after_s=3600), config.Encode(), config.Sound(),
                          config.Detect(delay_s=delay_ns / S), "")
    pauses = live and random_.random() < 0.2
    most_held, moved, moved_ns = 0, 0, clock.now_ns

    def control() -> None:
        nonlocal most_held, moved, moved_ns
        if source.frames + judge.frames != moved:
            moved, moved_ns = source.frames + judge.frames, clock.now_ns
        elif clock.now_ns - moved_ns > STUCK_NS:
            raise Leak("the frame path does not move any more")
        if pauses and random_.random() < (0.02 if path.paused else 0.001):
            injected["privacy pause"] += not path.paused
            path.pause(not path.paused)
        if source.frames % 16 == 0:
            most_held = max(most_held, _held(lookout, gate, planner))

    with mock.patch.object(frame_path, "time", clock), mock.patch.object(frame_path, "PROGRESS_EVERY_S", 1e9):
        line = DelayLine(gate, delay_ns, live=live)
        path = FramePath(configure, source, source.open(), line, lookout, judge,  # type: ignore[arg-type]
                         lambda news: alerts.append(news.code) if isinstance(news, Alert) else None, None,
                         open_kernels(config.Kernels(threads=1)))
        judge.paused = lambda: path.paused
        began_ns = clock.now_ns
        try:
            path.run(control)
            ended = source.ended_with
        except (SourceLost, FormatChanged, MediaUnreadable, PipelineDied, PartMissing) as error:
            ended = type(error).__name__
            if isinstance(error, PipelineDied | PartMissing):
                tally.lost_with_pipeline += len(source.entered)
        except Leak as leak:
            raise Leak(f"seed {seed} ({'live' if live else 'file'}, {pattern}, {kinds}): {leak}") from None
    if kinds and not live and not behaviour.share and judge.blanked:
        raise Leak(f"seed {seed}: {judge.blanked} frames of a file filled whole although no detector failed")
    pool: FramePool = path._pool
    if most_held > MOST_REMEMBERED or pool._made > pool.capacity + HELD:
        raise Leak(f"seed {seed}: {most_held} questions and answers, {pool._made} frames in memory")
    tally.frames += source.frames
    tally.lives += 1
    tally.simulated_s += (clock.now_ns - began_ns) / S
    tally.most_held = max(tally.most_held, most_held)
    tally.injected.update({name: count for name, count in injected.items() if not name.startswith("start")})
    tally.injected[f"times {pattern}"] += source.frames
    tally.injected["no detector"] += 0 if kinds else source.frames
    tally.injected["restart"] += sum(seat.restarts for seat in seats)
    tally.ended[ended] += 1
    tally.alerts.update(alerts)


def _held(lookout: Lookout, gate: EvidenceGate, planner: Planner) -> int:
    """The fullest of all places that remember something."""
    places: list[Any] = [lookout._ahead, *planner._looks.values()]
    for track in gate._tracks.values():
        places += [track.asked, track.done, track.failed]
    for seat in lookout._seats:
        places += [seat.waiting, seat.asked_at]
    return max(len(place) for place in places)
