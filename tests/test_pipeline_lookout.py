"""The lookout with the real gate and planner, and recorded answers: what it believes, and what it remembers."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial

import pytest

from firmware.messages import Alert
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.detect.types import Detections, Region
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import FramePool
from firmware.pipeline.lookout import Lookout, Seat
from firmware.pipeline.replay import ReplayWorker
from hw.ports import StreamFormat
from tests.fill_helpers import KERNELS

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
    pool = FramePool(FORMAT, 8, KERNELS.allocate)
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


class Told(ReplayWorker):
    """A worker that says exactly what it was told to say."""

    def __init__(self, *says: Detections) -> None:
        super().__init__("face", {})
        self._says = list(says)

    def submit(self, pts_ns: int, prepared: object) -> bool:
        self._answers, self._says = [*self._answers, *self._says], []
        return True


class FailingPlanner(Planner):
    def add(self, detections: Detections) -> None:
        raise RuntimeError("planted")


def one_look(worker: ReplayWorker, kinds: tuple[str, ...] = ("face",), planner: Planner | None = None,
             ) -> tuple[Lookout, EvidenceGate, list[Alert]]:
    """A lookout that has asked `worker` about the frame at 0 and heard what it had to say."""
    alerts: list[Alert] = []
    gate = EvidenceGate(kinds, DELAY_NS)
    seat = Seat("face", "told", PERIOD_NS, partial(lambda it: (it.prepare, it), worker))
    lookout = Lookout([seat], gate, planner or Planner(64, 48, DELAY_NS), live=False, delay_ns=DELAY_NS,
                      hang_timeout_ns=10_000 * MS, alert=alerts.append)
    frame = FramePool(FORMAT, 1, KERNELS.allocate).acquire()
    assert frame is not None
    lookout.offer(None, frame, 0)
    lookout.poll(1)
    return lookout, gate, alerts


BOX = Region("face", 8, 8, 16, 16)


@pytest.mark.parametrize("region", [
    Region("face", math.nan, 8, 16, 16), Region("face", 8, 8, math.inf, 16), Region("face", 800, 8, 16, 16),
    Region("face", 8, 8, 16, 0), None, "face", Region("face", "8", 8, 16, 16),  # type: ignore[arg-type]
], ids=repr)
def test_nonsense_is_no_evidence_whatever_worker_it_comes_from(region: Region) -> None:
    """A replay's answers did not pass a detector's thread: the check is at the door to the gate as well."""
    _, gate, alerts = one_look(Told(Detections("face", 0, (region,))))
    assert gate.verdict(0) == "bad-detection"
    assert [(alert.code, alert.cleared) for alert in alerts] == [("detector-failed:face", False)]
    _, gate, _ = one_look(Told(Detections("face", 0, (BOX,))))
    assert gate.verdict(0) == ""


def test_a_detector_cannot_answer_for_another() -> None:
    _, gate, alerts = one_look(Told(Detections("face", 0, (BOX,)), Detections("text", 0, ())), ("face", "text"))
    gate.asked("text", 0)
    assert gate.verdict(0) != ""
    assert [alert.code for alert in alerts] == ["detector-failed:face"]


def test_a_second_answer_does_not_take_back_the_first() -> None:
    lookout, gate, _ = one_look(Told(Detections("face", 0, (BOX,)), Detections("face", 0, ())))
    assert gate.verdict(0) == ""
    assert lookout.regions_at(0)


def test_a_lost_question_is_given_up_so_that_a_file_goes_on() -> None:
    _, gate, alerts = one_look(Told())
    assert not gate.any_outstanding(0)
    assert gate.verdict(0) == "detector-failed"
    assert [alert.text for alert in alerts if "no answer" in alert.text]


def test_when_planning_fails_once_no_later_frame_passes_without_that_answer() -> None:
    lookout, gate, _ = one_look(Told(Detections("face", 0, (BOX,))), planner=FailingPlanner(64, 48, DELAY_NS))
    assert gate.verdict(0) == "", "the evidence is there"
    for _ in range(3):
        with pytest.raises(RuntimeError, match="planted"):  # the frame path fills the frame whole
            lookout.regions_at(0)


def test_frames_whose_times_stand_still_or_go_back_are_told_apart() -> None:
    """Two frames with one time would both pass on the look at one of them."""
    gate, pool = EvidenceGate(["face"], DELAY_NS), FramePool(FORMAT, 4, KERNELS.allocate)
    line = DelayLine(gate, DELAY_NS, live=False)
    for said in (100 * MS, 100 * MS, 40 * MS, 200 * MS):
        frame = pool.acquire()
        assert frame is not None
        frame.pts_ns = said
        line.push(frame)
    gate.asked("face", 100 * MS)
    gate.answered("face", 100 * MS)
    line.end()
    assert [(frame.pts_ns, reason == "") for frame, reason in (line.pop() for _ in range(4))] == [
        (100 * MS, True), (100 * MS + 1000, False), (100 * MS + 2000, False), (200 * MS, False),
    ]
