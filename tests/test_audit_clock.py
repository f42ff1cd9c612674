"""The wall clock in the audit log: each step is noted, none invented; a step during a recording reorders nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.audit.clock_watch import LEAST_STEP_S, ClockWatch
from firmware.config_file import load
from firmware.messages import Event
from firmware.recorder.clock_notes import ClockNotes
from firmware.recorder.journal import JOURNAL_NAME, Journal
from firmware.recorder.machine_types import Scalar
from firmware.recorder.process import Parts, RecorderProcess
from firmware.recorder.wall_clock import judged
from firmware.vault.format import ClockInfo
from firmware.vault.records import Bookmark
from hw.board import make_board
from hw.disk import OsDisk
from hw.sim.clock import SimClock
from tests.recorder_helpers import CONSENT, Listener, Unit, until

SECOND = 1_000_000_000


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(-0.0005, 0.0005),
                          st.just(0.0) | st.floats(LEAST_STEP_S + 0.02, 1e9).flatmap(
                              lambda size: st.sampled_from([size, -size])))))
def test_steps_are_found_and_steering_is_none(looks: list[tuple[float, float, float]]) -> None:
    """Each look: seconds since the last, how far off the clock's rate is, by how much it is set."""
    watch, at_ns, wall_s = ClockWatch(), 5 * SECOND, 1_700_000_000.0
    watch.look(at_ns, wall_s, at_ns)
    for passed_s, rate, step_s in looks:
        at_ns += round(passed_s * 1e9)
        wall_s += passed_s * (1 + rate) + step_s
        found = watch.look(at_ns, wall_s, at_ns + 1000)
        assert (found != 0) == (step_s != 0)
        assert found == pytest.approx(step_s, abs=0.01, rel=1e-6)


def test_a_process_that_was_held_up_between_two_readings_invents_no_step() -> None:
    watch = ClockWatch()
    watch.look(SECOND, 100.0, SECOND)
    assert watch.look(2 * SECOND, 103.0, 4 * SECOND) == 0  # the wall clock was read at the end of two seconds' sleep
    assert watch.look(5 * SECOND, 104.0, 5 * SECOND) == 0
    assert watch.look(6 * SECOND, 106.0, 6 * SECOND) == pytest.approx(1.0)


def test_the_source_is_noted_at_the_start_and_when_it_changes() -> None:
    clock, told = SimClock(), list[tuple[str, dict[str, Scalar]]]()
    source = [ClockInfo("ntp", True, 3600)]
    notes = ClockNotes(clock, lambda kind, _id, fields: told.append((kind, fields)), lambda: source[0])
    notes.look("")
    assert told == [("clock", {"source": "ntp", "synchronised": True, "utc_offset_s": 3600})]
    source[0] = ClockInfo("rtc", False, 7200)
    clock.advance(59.0)
    notes.look("")
    assert len(told) == 1
    clock.advance(1.0)
    notes.look("")
    assert told[1:] == [("clock", {"source": "rtc", "synchronised": False, "utc_offset_s": 7200})]
    clock.set_wall(clock.unix_s() - 5.0)
    notes.look("")
    assert told[2:] == [("clock-step", {"by_s": -5.0})]


@pytest.mark.parametrize(("kernel", "timesyncd", "from_rtc", "source", "synchronised"), [
    (True, False, True, "ntp", True), (False, True, True, "rtc", False), (False, False, False, "unknown", False),
    (None, True, True, "ntp", True), (None, False, True, "unknown", False),
])
def test_a_clock_that_may_not_be_asked_is_never_called_better_than_known(
    kernel: bool | None, timesyncd: bool, from_rtc: bool, source: str, synchronised: bool
) -> None:
    assert judged(kernel, timesyncd, from_rtc, 60) == ClockInfo(source, synchronised, 60)


class SteppedClock:
    """The machine's own, and a wall clock that somebody sets."""

    def __init__(self) -> None:
        self.off_s = 0.0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def unix_s(self) -> float:
        return time.time() + self.off_s


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[tuple[SteppedClock, Listener, Unit]]:
    """A whole recorder in this process, on a clock that steps."""
    unit = Unit(tmp_path, preroll_s=1)
    cfg = load(unit.config)
    for folder in (cfg.paths.state_dir, cfg.paths.run_dir):
        Path(folder).mkdir()
    clock, board = SteppedClock(), make_board(cfg.board, cfg.paths.run_dir)
    process = RecorderProcess(cfg, Parts(board, OsDisk(), clock))
    thread = threading.Thread(target=process.run)
    thread.start()
    listener = unit.listen()
    try:
        yield clock, listener, unit
    finally:
        listener.close()
        process.ask_to_stop()
        thread.join(30)
        board.close()
    assert not thread.is_alive()


def test_a_clock_step_during_a_recording_reorders_nothing(stepped: tuple[SteppedClock, Listener, Unit]) -> None:
    clock, listener, unit = stepped
    listener.state("READY")
    assert listener.ask("consent", consent=CONSENT).ok
    until(lambda: listener.ask("start").ok, what="a start")
    started = listener.event("started")
    for number, step_s in enumerate((-86_400.0, 172_800.0, -3600.0), 1):
        assert listener.ask("bookmark", note=f"before step {number}").ok
        clock.off_s += step_s
        step = listener.event("clock-step", count=number)
        assert step.fields["by_s"] == pytest.approx(step_s, abs=0.2)
        assert step.recording_id == started.recording_id
        assert listener.ask("bookmark", note=f"after step {number}").ok
    assert listener.ask("stop").ok
    listener.event("sealed")

    journal = Journal(unit.root / "state" / JOURNAL_NAME, readonly=True)
    events: list[Event] = journal.after(0)
    journal.close()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for one, other in pairwise(events):
        assert one.monotonic_ns <= other.monotonic_ns
    assert any(one.unix_s > other.unix_s + 3000 for one, other in pairwise(events)), "the wall clock did go back"
    with unit.open() as recording:
        assert recording.verify().ok
        marks = [stored.record for stored in recording.records(unit.key()) if isinstance(stored.record, Bookmark)]
    assert [mark.note for mark in marks] == [f"{word} step {n}" for n in (1, 2, 3) for word in ("before", "after")]
    for first, second in pairwise(marks):
        assert first.pts_ns <= second.pts_ns
