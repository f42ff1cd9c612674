"""A recorder with two-wire contacts whose cables break in mid-case: a named alert, the recording goes on, it heals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.contacts import TRANSIT_NS
from tests.recorder_helpers import CONSENT, Listener, Unit, until

NOTICED_S = 2.0


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    unit.configure("board", kind="sim", definition="sim-two-wire")
    yield unit
    if unit.process is not None:
        unit.process.kill()
        unit.process.wait(10)
        unit._forget()


def alerts(listener: Listener, kind: str, code: str) -> list[float]:
    """When each such event came, seconds on CLOCK_MONOTONIC."""
    listener.read()
    return [e.monotonic_ns / 1e9 for e in listener.events if e.kind == kind and e.fields["code"] == code]


def done_at(unit: Unit, kind: str, line: str) -> float:
    """When the hand last did that, seconds on CLOCK_MONOTONIC."""
    log: list[dict[str, object]] = unit.board("log")["log"]  # type: ignore[assignment]
    return max(float(str(e["monotonic_ns"])) for e in log if (e["kind"], e["name"]) == (kind, line)) / 1e9


def test_broken_cables_are_named_while_the_recording_goes_on_and_heal(
    unit: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = unit.start()
    recording = listener.record(CONSENT)
    told = []
    for broken, line, code in (("cut", "pedal", "pedal-cut"), ("crush", "privacy", "privacy-crushed"),
                               ("unplug", "pedal", "pedal"), ("crush", "pedal", "pedal-crushed")):
        unit.board(f"{broken} {line}")
        at = until(lambda: alerts(listener, "alert", code), what=f"the alert {code}")  # noqa: B023
        told.append((code, at[0] - done_at(unit, broken, line)))
        unit.board(f"mend {line}")
        until(lambda: alerts(listener, "alert-cleared", code), what=f"{code} to heal")  # noqa: B023
    unit.board("cut pedal")
    until(lambda: len(alerts(listener, "alert", "pedal-cut")) == 2, what="the alert")
    unit.board("press privacy")
    listener.state("PAUSED")
    unit.board("release privacy")
    time.sleep(0.2)
    unit.board("tap privacy 0.1")
    assert listener.state("RECORDING").recording_id == recording, "the other line goes on being read"
    unit.board("mend pedal")
    until(lambda: len(alerts(listener, "alert-cleared", "pedal-cut")) == 2, what="the pedal to heal")
    time.sleep(1.0)  # a line that was lost is first seen at rest again
    unit.board("tap pedal 1.2")
    listener.event("sealed")
    with capsys.disabled():
        print("".join(f"\n{code}: told {seconds:.3f} s after it broke" for code, seconds in told), end=" ")
    assert TRANSIT_NS / 1e9 < NOTICED_S / 1.5, "room for a busy machine; what it took is printed above"
    assert unit.stop() == 0


def test_a_light_that_cannot_be_switched_is_an_alert_until_it_can(unit: Unit) -> None:
    """Nobody may trust a record light that stays as it is; the fleet hears of it."""
    listener = unit.start()
    listener.record(CONSENT)
    until(lambda: unit.board("lights")["lights"]["record"] == "on", what="the record light")  # type: ignore[index]
    unit.board("jam record")
    until(lambda: alerts(listener, "alert", "lights"), what="the alert")
    assert listener.ask("stop").ok
    listener.event("sealed")
    assert unit.board("lights")["lights"]["record"] == "on"  # type: ignore[index]
    unit.board("free record")
    until(lambda: alerts(listener, "alert-cleared", "lights"), what="the light to heal")
    until(lambda: unit.board("lights")["lights"]["record"] == "off", what="the light to follow again")  # type: ignore[index]
    assert unit.stop() == 0


def test_a_cable_cut_under_a_foot_never_holds_the_pedal(unit: Unit) -> None:
    """A hold stops the recording; a contact that opens because its cable is cut is no hold."""
    listener = unit.start()
    listener.record(CONSENT)
    unit.board("press pedal")
    until(lambda: done_at(unit, "press", "pedal"))
    unit.board("cut pedal")
    until(lambda: alerts(listener, "alert", "pedal-cut"), what="the alert")
    unit.board("mend pedal")  # the foot is still on it, but its press was lost with the line
    unit.board("release pedal")
    until(lambda: alerts(listener, "alert-cleared", "pedal-cut"), what="the pedal to heal")
    assert listener.states[-1].state == "RECORDING"
    assert not [e for e in listener.events if e.kind == "pressed" and e.fields["how"] == "hold"]
    assert unit.stop() == 0


def test_a_case_by_pedal_through_the_unmodified_jetson_gpio(unit: Unit) -> None:
    """The recorder with board.kind = "jetson": its pins, lamps and tones over an emulated header."""
    unit.configure("board", kind="jetson", definition="orin-nx-two-wire")
    listener = unit.start("tests.gpio_recorder")
    listener.state("READY", 60.0)
    until(lambda: (listener.read(), listener.healths and listener.healths[-1].frames_out > 0)[1], 60.0, "pictures")
    assert listener.ask("consent", consent=CONSENT).ok
    unit.board("tap pedal 0.2")
    listener.state("RECORDING", 60.0)
    unit.light("record", "on")
    unit.board("cut pedal")
    until(lambda: alerts(listener, "alert", "pedal-cut"), what="the alert")
    unit.board("mend pedal")
    until(lambda: alerts(listener, "alert-cleared", "pedal-cut"), what="the pedal to heal")
    time.sleep(1.0)  # a line that was lost is first seen at rest again
    unit.board("tap pedal 1.2")
    listener.event("sealed")
    unit.light("record", "off")
    log: list[dict[str, object]] = unit.board("log")["log"]  # type: ignore[assignment]
    assert {"2000 Hz 30 %"} <= {str(event["value"]) for event in log if event["kind"] == "sounder"}, "tones at 60 %"
    assert unit.stop() == 0
    with unit.open() as opened:
        assert opened.verify().ok
