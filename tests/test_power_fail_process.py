"""Power fail with a real recorder on the simulated board: sealed within the hold-up time, once; a dip ends nothing.

The times are printed (pytest -s) and go into docs/reliability.md; none is asserted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorder_helpers import CONSENT, Listener, Unit, until

HOLDUP_S, RIDE_THROUGH_S = 5.0, 1.0


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    unit.configure("board", kind="sim", definition="sim-two-wire")
    unit.configure("power", holdup_s=HOLDUP_S, ride_through_s=RIDE_THROUGH_S)
    yield unit
    if unit.process is not None:
        unit.kill9()


def told(listener: Listener, kind: str, count: int = 1) -> None:
    """Wait for the power-fail alert, or its end."""
    until(lambda: (listener.read(), len(alerts(listener, kind)) >= count)[1], 30.0, f"{kind} {count}")


def alerts(listener: Listener, kind: str) -> list[object]:
    return [event for event in listener.events if event.kind == kind and event.fields["code"] == "power-fail"]


def test_a_failure_seals_the_recording_once_and_the_return_of_the_mains_makes_the_unit_ready(unit: Unit) -> None:
    listener = unit.start()
    listener.record(CONSENT)
    asserted = time.monotonic()
    unit.board("press power_fail")
    told(listener, "alert")
    alarmed = time.monotonic()
    assert listener.states[-1].state == "RECORDING", "a recording that a dip would have ended"
    stopped = listener.event("stopped", 30.0)
    sealed = listener.event("sealed", 30.0)
    done = time.monotonic()
    assert stopped.fields["reason"] == "power-fail"
    sealing_s = (sealed.monotonic_ns - stopped.monotonic_ns) / 1e9
    print(f"\nhold-up {HOLDUP_S} s, ride-through {RIDE_THROUGH_S} s: told after {alarmed - asserted:.2f} s, sealing"
          f" took {sealing_s:.3f} s, sealed {done - asserted:.2f} s after the mains went")

    listener.state("READY")
    assert listener.ask("consent", consent=CONSENT).ok
    refused = listener.ask("start")
    assert not refused.ok
    assert refused.reason == "power: the mains are gone, the unit lives on its hold-up supply"
    unit.light("ready", "double", 30.0)  # when the refusal has been shown for long enough
    unit.board("release power_fail")
    told(listener, "alert-cleared")
    assert listener.ask("start").ok
    listener.state("RECORDING", 60.0)
    assert listener.ask("stop").ok
    listener.event("sealed", 30.0, count=2)
    assert listener.kinds().count("stopped") == 2, "the failure stopped it more than once"
    for path in unit.recordings():
        with unit.open(path) as recording:
            report = recording.verify()
            assert report.ok, report
            assert report.state == "sealed"
    assert unit.stop() == 0


def test_a_short_dip_and_a_bounce_of_the_input_end_nothing(unit: Unit) -> None:
    unit.configure("power", holdup_s=60.0, ride_through_s=50.0)  # however slow the machine is, this stays a dip
    listener = unit.start()
    recording_id = listener.record(CONSENT)
    for count in (1, 2):
        unit.board("press power_fail")
        told(listener, "alert", count)
        unit.board("release power_fail")
        told(listener, "alert-cleared", count)
    assert listener.states[-1].state == "RECORDING"
    assert listener.states[-1].recording_id == recording_id
    assert "stopped" not in listener.kinds()
    assert listener.ask("stop").ok
    listener.event("sealed", 30.0)
    (path,) = unit.recordings()
    with unit.open(path) as recording:
        assert recording.verify().ok
    assert unit.stop() == 0


def test_a_unit_that_starts_without_mains_says_so_and_begins_nothing(unit: Unit) -> None:
    listener = unit.start()
    unit.board("press power_fail")
    listener.state("READY", 60.0)
    told(listener, "alert")
    assert listener.ask("consent", consent=CONSENT).ok
    assert "the mains are gone" in listener.ask("start").reason
    assert not unit.recordings()
    assert unit.stop() == 0
