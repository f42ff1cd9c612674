"""The lookout with the real gate and planner, and recorded answers: what it remembers, and for how long."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from firmware.messages import Alert
from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.detect.types import Detections, Region
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import FramePool
from firmware.pipeline.lookout import Lookout, Seat
from firmware.pipeline.replay import ReplayWorker
from hw.ports import StreamFormat

MS = 1_000_000
PERIOD_NS, DELAY_NS = 50 * MS, 500 * MS
FORMAT = StreamFormat(64, 48, Fraction(20), live=True)


class CountingPlanner(Planner):
    """A planner that counts the answers it was told."""

    told = 0

    def add(self, detections: Detections) -> None:
        self.told += 1
        super().add(detections)


def test_answers_do_not_pile_up_while_every_frame_is_filled_whole() -> None:
    frames = 400
    seen = {("face", at): Detections("face", at, (Region("face", 8, 8, 16, 16),))
            for at in range(0, frames * PERIOD_NS, PERIOD_NS)}
    worker = ReplayWorker("face", seen)
    alerts: list[Alert] = []
    planner = CountingPlanner(64, 48, DELAY_NS)
    seat = Seat("face", "replay", PERIOD_NS, partial(lambda it: (it.prepare, it), worker))
    lookout = Lookout([seat], EvidenceGate(["face"], DELAY_NS), planner, live=True, delay_ns=DELAY_NS,
                      hang_timeout_ns=10_000 * MS, alert=alerts.append)
    pool = FramePool(FORMAT, 8)
    for at in range(0, frames * PERIOD_NS, PERIOD_NS):
        frame = pool.acquire()
        assert frame is not None
        frame.pts_ns, frame.duration_ns = at, PERIOD_NS
        lookout.offer(None, frame, at)
        lookout.poll(at)
        if at >= DELAY_NS:
            lookout.forget_before(at - DELAY_NS)  # a privacy pause: nobody asks for regions
        frame.let_go()
    told = planner.told
    last = (frames - 1) * PERIOD_NS
    assert lookout.regions_at(last - DELAY_NS), "after the pause it is covered at once"
    assert planner.told - told <= 1, "after the pause nothing has to be caught up on"
    assert alerts == []
