"""What the recorder relies on when it reads a board's contacts: levels by role, faults by name, nothing invented."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from hw.contacts import SETTLE_NS, TRANSIT_NS
from hw.ports import PedalLost, Pins
from hw.sim.contact import MAX_BOUNCE_NS, MAX_TRAVEL_NS

REST_S = (2 * MAX_BOUNCE_NS + MAX_TRAVEL_NS) / 1e9 + 0.002
"""After so long a contact that was moved rests."""
POLL_S = 0.003
DEADLINE_S = 10.0


def poll(
    pins: Pins, until: Callable[[dict[str, bool], dict[str, str]], bool]
) -> tuple[dict[str, bool], dict[str, str]]:
    """Read as the recorder does until (levels, faults by line) are as wanted."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        levels, faults = look(pins)
        if until(levels, faults):
            return levels, faults
        assert time.monotonic() < deadline, f"it did not happen in time; now {levels}, {faults}"
        time.sleep(POLL_S)


def look(pins: Pins) -> tuple[dict[str, bool], dict[str, str]]:
    """One reading: the levels that can be trusted, and the fault of each line that cannot."""
    try:
        return pins.read(), {}
    except PedalLost as lost:
        return lost.others, dict(lost.faults)


class PinsContract:
    """A subclass gives the fixtures `pins` and `hand` (press, release and break a line, as hw.sim.hand.Hand)."""

    port = "pins"
    at_rest: ClassVar[dict[str, bool]] = {"pedal": False, "privacy": False}

    def test_all_lines_are_open_at_rest(self, pins: Pins) -> None:
        assert pins.read() == self.at_rest

    @pytest.mark.parametrize("line", ["pedal", "privacy"])
    def test_a_press_closes_its_own_line_only_until_released(self, pins: Pins, hand: Any, line: str) -> None:
        hand.press(line)
        poll(pins, lambda levels, _: levels[line])
        time.sleep(REST_S)
        assert pins.read() == self.at_rest | {line: True}
        hand.release(line)
        poll(pins, lambda levels, _: not levels[line])
        time.sleep(REST_S)
        assert pins.read() == self.at_rest

    def test_both_pressed_at_once_are_both_seen(self, pins: Pins, hand: Any) -> None:
        for line in ("pedal", "privacy"):
            hand.press(line)
        poll(pins, lambda levels, _: levels["pedal"] and levels["privacy"])
        time.sleep(REST_S)
        assert pins.read() == self.at_rest | {"pedal": True, "privacy": True}

    def test_a_stuck_contact_reads_as_it_stands_and_follows_the_foot_when_mended(self, pins: Pins, hand: Any) -> None:
        hand.press("pedal")
        poll(pins, lambda levels, _: levels["pedal"])
        time.sleep(REST_S)
        hand.stick("pedal")
        hand.release("pedal")
        time.sleep(REST_S)
        assert pins.read()["pedal"] is True
        hand.mend("pedal")
        poll(pins, lambda levels, _: not levels["pedal"])

    @pytest.mark.parametrize("line", ["pedal", "privacy"])
    def test_an_unplugged_line_is_named_the_others_go_on_and_it_heals(self, pins: Pins, hand: Any, line: str) -> None:
        other = "privacy" if line == "pedal" else "pedal"
        hand.unplug(line)
        levels, _ = poll(pins, lambda _, faults: faults == {line: "unplugged"})
        assert levels == {role: level for role, level in self.at_rest.items() if role != line}
        hand.press(other)
        poll(pins, lambda levels, _: levels.get(other, False))
        hand.release(other)
        hand.plug(line)
        poll(pins, lambda levels, faults: not faults and levels == self.at_rest)

    def test_close_may_be_called_twice(self, pins: Pins) -> None:
        pins.close()
        pins.close()


class OneWireContract(PinsContract):
    """With one wire for each line a cut cable is a pedal at rest, and a crushed one a pressed pedal: known limits."""

    @pytest.mark.parametrize(("broken", "reads"), [("cut", False), ("crush", True)])
    def test_a_broken_cable_is_not_a_fault(self, pins: Pins, hand: Any, broken: str, reads: bool) -> None:
        getattr(hand, broken)("pedal")
        time.sleep(REST_S)
        assert pins.read() == self.at_rest | {"pedal": reads}


class TwoWireContract(PinsContract):
    """With two wires for each line a broken cable is a fault, told within a bound, and heals by itself."""

    @pytest.mark.parametrize(("broken", "fault"), [("cut", "cut"), ("crush", "crushed")])
    @pytest.mark.parametrize("line", ["pedal", "privacy"])
    def test_a_broken_cable_is_named_the_others_go_on_and_it_heals(
        self, pins: Pins, hand: Any, broken: str, fault: str, line: str
    ) -> None:
        other = "privacy" if line == "pedal" else "pedal"
        pins.read()
        getattr(hand, broken)(line)
        poll(pins, lambda levels, faults: faults == {line: fault} and levels[other] is False)
        hand.press(other)
        poll(pins, lambda levels, _: levels.get(other, False))
        hand.release(other)
        poll(pins, lambda levels, _: not levels[other])
        hand.mend(line)
        poll(pins, lambda levels, faults: not faults and levels == self.at_rest)

    def test_a_press_on_its_way_is_no_fault(self, pins: Pins, hand: Any) -> None:
        end = time.monotonic() + 2 * TRANSIT_NS / 1e9
        while time.monotonic() < end:
            for move, arrived in ((hand.press, True), (hand.release, False)):
                move("pedal")
                rest = time.monotonic() + REST_S + 2 * SETTLE_NS / 1e9
                while time.monotonic() < rest:
                    levels, faults = look(pins)
                    assert not faults
                    time.sleep(POLL_S)
                assert levels["pedal"] is arrived

    def test_both_cables_cut_at_once_are_both_named(self, pins: Pins, hand: Any) -> None:
        hand.cut("pedal")
        hand.crush("privacy")
        poll(pins, lambda _, faults: faults == {"pedal": "cut", "privacy": "crushed"})
