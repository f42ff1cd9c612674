"""The detector's thread: bounded, never dead, and honest about what it could not do."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.pipeline.detect.types import BadDetection, Detections, DetectorFailure, DetectorKind, Region
from firmware.pipeline.detect.worker import MOST_BELIEVED, MOST_KEPT, DetectorWorker, check
from hw.ports import U8
from tests.detect_helpers import share_covered

WAIT_S = 10.0
untimed = settings(deadline=None)


class ScriptedDetector:
    """A detector whose answers are given with each question; a threading.Event makes it hang until set."""

    kind: DetectorKind = "face"

    def prepare(self, y: U8, uv: U8) -> Any:
        return y, uv

    def detect(self, prepared: Any) -> tuple[Region, ...]:
        if isinstance(prepared, BaseException):
            raise prepared
        if isinstance(prepared, threading.Event):
            assert prepared.wait(WAIT_S)
            return ()
        regions: tuple[Region, ...] = prepared
        return regions


def worker(bound: int = 2) -> DetectorWorker:
    return DetectorWorker(ScriptedDetector(), width=640, height=480, queue_bound=bound)


def answers(one: DetectorWorker, count: int) -> list[Detections | DetectorFailure]:
    got: list[Detections | DetectorFailure] = []
    while len(got) < count:
        assert one.wait(WAIT_S)
        got += one.poll()
    return got


def test_answers_come_in_the_order_of_the_questions() -> None:
    one = worker(bound=8)
    regions = [(Region("face", float(n), 1, 10, 10),) for n in range(8)]
    for n in range(8):
        assert one.submit(n, regions[n])
    assert answers(one, 8) == [Detections("face", n, regions[n]) for n in range(8)]
    one.close()
    assert not one.alive


def test_a_full_queue_refuses_and_says_so() -> None:
    one, gate = worker(bound=2), threading.Event()
    assert one.submit(0, gate)
    while one.room and one._waiting:  # until it is taken off the queue
        time.sleep(0.001)
    assert one.submit(1, ())
    assert one.submit(2, ())
    assert not one.room
    assert not one.submit(3, ())
    gate.set()
    assert [answer.pts_ns for answer in answers(one, 3)] == [0, 1, 2]
    assert one.room
    one.close()


def test_unread_answers_are_bounded_too() -> None:
    one = worker(bound=1)
    taken = 0
    for n in range(1000):
        if not one.submit(n, ()):
            if len(one._done) >= 65:
                break
            one.wait(0.05)
            continue
        taken += 1
    assert taken < 1000
    one.close()


def test_a_hang_is_visible_and_an_end_of_it_too() -> None:
    one, gate = worker(), threading.Event()
    assert (one.busy_since_ns, one.idle) == (0, True)
    assert one.submit(7, gate)
    assert not one.wait(0.1)
    since_ns = one.busy_since_ns
    assert 0 < since_ns <= time.monotonic_ns()
    assert not one.idle
    gate.set()
    assert answers(one, 1) == [Detections("face", 7, ())]
    assert (one.busy_since_ns, one.idle) == (0, True)
    one.close()


@pytest.mark.parametrize("trouble", [RuntimeError("CUDA error"), MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_detector_raises_is_a_failure_and_the_thread_goes_on(trouble: BaseException) -> None:
    one = worker()
    one.submit(1, trouble)
    one.submit(2, ())
    first, second = answers(one, 2)
    assert isinstance(first, DetectorFailure)
    assert (first.pts_ns, first.code) == (1, "detector-failed")
    assert type(trouble).__name__ in first.text
    assert second == Detections("face", 2, ())
    assert one.alive
    one.close()


def test_nonsense_is_a_bad_detection() -> None:
    one = worker()
    one.submit(1, (Region("face", math.nan, 0, 10, 10),))
    (answer,) = answers(one, 1)
    assert isinstance(answer, DetectorFailure)
    assert answer.code == "bad-detection"
    one.close()


@pytest.mark.parametrize("nonsense", [
    (None,), ("face",), ((1, 2, 3, 4),), (Region("face", "1", 1, 9, 9),),  # type: ignore[arg-type]
    (Region("face", 1, 1, 9, 9),) * (MOST_BELIEVED + 1),
], ids=["none", "word", "tuple", "text for a number", "too many"])
def test_what_is_no_region_or_absurdly_many_is_a_bad_detection(nonsense: Any) -> None:
    one = worker()
    one.submit(1, nonsense)
    (answer,) = answers(one, 1)
    assert isinstance(answer, DetectorFailure)
    assert answer.code == "bad-detection"
    assert len(answer.text) < 500
    one.close()


def test_very_many_things_are_covered_by_fewer_regions() -> None:
    """Linking two looks costs the square of their regions: a crowd must not stall the frame path."""
    crowd = tuple(Region("text", 8.0 * (n % 70) + 4, 10.0 * (n // 70) + 4, 6.0, 6.0) for n in range(3000))
    one = worker()
    one.submit(1, crowd)
    (answer,) = answers(one, 1)
    assert isinstance(answer, Detections)
    assert len(answer.regions) <= MOST_KEPT
    assert all(share_covered(answer.regions, (r.x, r.y, r.w, r.h)) == 1 for r in crowd[::37])
    one.close()


def test_waiting_for_nothing_returns_at_once_and_closing_twice_is_fine() -> None:
    one = worker()
    assert not one.wait(WAIT_S)
    one.close()
    one.close()
    assert not one.submit(1, ())


sane = st.floats(0, 400)


@untimed
@given(sane, sane, st.floats(0.5, 200), st.floats(0.5, 80), st.floats(-45, 45))
def test_a_sane_region_passes_the_check(x: float, y: float, w: float, h: float, angle: float) -> None:
    check((Region("text", x, y, w, h, angle, 0.5),), 640, 480)


@untimed
@given(st.sampled_from(["x", "y", "w", "h", "angle_deg", "score"]), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_number_may_be_other_than_finite(name: str, value: float) -> None:
    numbers = {"x": 10.0, "y": 10.0, "w": 10.0, "h": 10.0, "angle_deg": 0.0, "score": 0.5}
    with pytest.raises(BadDetection):
        check((Region("face", **{**numbers, name: value}),), 640, 480)


@untimed
@given(
    st.sampled_from([(-100.0, 10.0, 20.0, 20.0), (700.0, 10.0, 20.0, 20.0), (10.0, 500.0, 20.0, 20.0),
                     (10.0, 10.0, 0.0, 20.0), (10.0, 10.0, 20.0, -1.0), (-50_000.0, 10.0, 100_000.0, 20.0)])
)
def test_an_empty_huge_or_outlying_region_is_bad(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(BadDetection):
        check((Region("face", *box),), 640, 480)
