"""The watchdogs follow evidence: what is fed in each state, in which steps, never against a recording that is well."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.errors import PartMissing
from firmware.recorder import machine_types as t
from firmware.recorder.evidence import PATIENCE_NS, RECORDING_PATIENCE_NS, Evidence, Feed
from firmware.recorder.watchdogs import KEPT_NAME, MOST_STARTS, NOTHING_HELPED, Watchdogs

S = t.SECOND
READY = t.MachineState(name="READY")
RECORDING = t.MachineState(name="RECORDING", recording_id="r", opened=True)
STATES = ("BOOT", "SELFTEST", "RECOVERING", "READY", "STARTING", "RECORDING", "PAUSED", "INTERRUPTED", "STOPPING",
          "UPDATING", "FAULT", "SHUTDOWN")
WELL, ILL = 0.2, None


def run(evidence: Evidence, state: t.MachineState, seconds: int, *, age: float | None = ILL, code: str = "",
        start: int = S) -> list[Feed]:
    """One look a second."""
    return [evidence.look(start + n * S, state, age, code) for n in range(seconds)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=20), st.integers(0, 3), st.booleans())
def test_a_recording_whose_bytes_reach_the_disk_is_always_fed(
    pieces: list[tuple[bool, int]], tries: int, hardware: bool,
) -> None:
    """Whatever was tried before and whatever happened in between: while bytes came in the last 30 s, both are fed."""
    evidence, now, grew = Evidence(tries, hardware=hardware), S, 0
    for grows, seconds in pieces:
        for _ in range(seconds):
            now += S
            grew = now if grows else grew
            feed = evidence.look(now, replace(RECORDING, durable_grew_ns=grew), ILL, "pipeline-died")
            if grew and now - grew < RECORDING_PATIENCE_NS:
                assert (feed.systemd, feed.hardware) == (True, True)
            if grew == now:
                assert feed.tries == 0


def test_a_hung_disk_starves_systemd_s_watchdog_after_its_patience_and_not_the_hardware_s() -> None:
    fed = run(Evidence(0, hardware=True), replace(RECORDING, durable_grew_ns=2 * S), 60)
    starved = [n for n, feed in enumerate(fed) if not feed.systemd]
    assert starved == list(range(starved[0], 60))
    assert RECORDING_PATIENCE_NS // S <= starved[0] <= RECORDING_PATIENCE_NS // S + 3
    assert all(feed.hardware for feed in fed)


@pytest.mark.parametrize(("tries", "hardware", "systemd_fed", "hardware_fed"), [
    (0, True, False, True), (1, True, True, False), (2, True, True, True), (3, True, True, True),
    (0, False, False, True), (1, False, True, True),
])
def test_each_step_is_taken_once_and_then_no_more(
    tries: int, hardware: bool, systemd_fed: bool, hardware_fed: bool,
) -> None:
    """Pictures stay away (the pipeline dies again and again) in one process after the other."""
    evidence = Evidence(tries, hardware=hardware)
    last = run(evidence, READY, PATIENCE_NS // S + 20, code="pipeline-died")[-1]
    assert (last.systemd, last.hardware) == (systemd_fed, hardware_fed)
    assert last.tries == min(tries + 1, 3 if hardware else 2)
    assert evidence.given_up == (last.tries == (3 if hardware else 2))


@given(st.sampled_from(STATES), st.integers(0, 3))
def test_nobody_is_starved_before_the_patience_is_over(name: str, tries: int) -> None:
    state = t.MachineState(name=name, fault="disk: no answer")  # type: ignore[arg-type]
    patience = RECORDING_PATIENCE_NS if name in ("RECORDING", "PAUSED") else PATIENCE_NS
    assert all(feed.systemd and feed.hardware for feed in run(Evidence(tries, hardware=True), state, patience // S))


@pytest.mark.parametrize(("state", "age", "code"), [
    (READY, WELL, ""), (READY, ILL, "source-lost"), (READY, ILL, "source-missing"), (READY, ILL, "part-missing"),
    (READY, ILL, "finished"), (replace(READY, name="UPDATING"), ILL, ""),
    (replace(READY, name="FAULT", fault="key: the device key is gone"), ILL, ""),
])
def test_what_no_restart_mends_is_no_reason_for_one(state: t.MachineState, age: float | None, code: str) -> None:
    evidence = Evidence(2, hardware=True)
    fed = run(evidence, state, 1000, age=age, code=code)
    assert all(feed.systemd and feed.hardware and feed.evident for feed in fed)
    assert fed[-1].tries == 0


@pytest.mark.parametrize(("state", "code"), [
    (READY, "pipeline-died"), (READY, ""), (READY, "pause-broken"),
    (replace(READY, name="FAULT", fault="disk: no answer for 20 s"), ""),
    (replace(READY, name="FAULT", fault="selftest: not done in time"), ""),
])
def test_a_frozen_pipeline_and_a_disk_that_stays_away_are(state: t.MachineState, code: str) -> None:
    assert not run(Evidence(0, hardware=True), state, 300, code=code)[-1].systemd


class Dog:
    """A hardware watchdog in memory: how often it was fed, and whether it was stopped."""

    def __init__(self) -> None:
        self.feeds = 0
        self.stopped = self.broken = False

    def feed(self) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        self.feeds += 1

    def close(self) -> None:
        self.stopped = True


def kept(folder: Path) -> dict[str, int]:
    return json.loads((folder / KEPT_NAME).read_text())


def looks(dogs: Watchdogs, state: t.MachineState, seconds: int, *, age: float | None = ILL, code: str = "",
          start: int = S) -> list[t.Alerted]:
    return [alert for n in range(seconds) for alert in dogs.look(start + n * S, state, age, code) if not alert.cleared]


def test_steps_are_kept_over_restarts_and_forgotten_at_the_first_evidence(tmp_path: Path) -> None:
    for tries in (1, 2, 3):
        dog = Dog()
        dogs = Watchdogs(str(tmp_path), lambda dog=dog: dog)
        dogs.ready()
        alerts = looks(dogs, READY, 300, code="pipeline-died")
        until(lambda tries=tries: kept(tmp_path)["tries"] == tries)
        assert (dog.feeds < 250) == (tries == 2), "the hardware is starved in the second step alone"
        assert bool(alerts) == (tries == 3)
    assert alerts[0].text == NOTHING_HELPED
    looks(dogs, READY, 2, age=WELL, start=400 * S)
    until(lambda: kept(tmp_path) == {"tries": 0, "starts": 0})


def test_a_recorder_that_dies_again_and_again_no_longer_starts_the_hardware(tmp_path: Path) -> None:
    """To start it is to feed it. With evidence at last, it is started late."""
    started: list[Dog] = []

    def start() -> Dog:
        started.append(Dog())
        return started[-1]

    for _ in range(MOST_STARTS + 3):
        dogs = Watchdogs(str(tmp_path), start)
        dogs.ready()
        looks(dogs, READY, 5)
    assert len(started) == MOST_STARTS
    looks(dogs, READY, 5, age=WELL, start=10 * S)
    assert len(started) == MOST_STARTS + 1
    assert started[-1].feeds > 1


def test_asked_for_and_absent_is_a_fault_and_broken_is_an_alert(tmp_path: Path) -> None:
    def absent() -> Dog:
        raise PartMissing("the watchdog /dev/watchdog0 is not there")

    with pytest.raises(PartMissing, match="not there"):
        Watchdogs(str(tmp_path), absent).ready()
    dog = Dog()
    dogs = Watchdogs(str(tmp_path), lambda: dog)
    dogs.ready()
    dog.broken = True
    (alert, *_) = looks(dogs, READY, 3, age=WELL)
    assert "Input/output error" in alert.text
    dog.broken = False
    assert not looks(dogs, READY, 3, age=WELL, start=10 * S)


def test_a_file_of_nonsense_counts_as_nothing_tried(tmp_path: Path) -> None:
    (tmp_path / KEPT_NAME).write_text('{"tries": "many"')
    dogs = Watchdogs(str(tmp_path), lambda: None)
    dogs.ready()
    assert kept(tmp_path) == {"tries": 0, "starts": 1}


def until(condition):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
