"""What every foot pedal does: presses come through once, a lost pedal is named, and neither losing nor finding it
makes a gesture. Read as the recorder reads it: polled every 4 ms, through the same debouncer and the same gestures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import pytest

from hw.ports import PedalLost, Pins
from tests.gestures import Gestures

POLL_S = 0.004
NOTICED_S = 2.0
PRESS_S, REST_S = 0.1, 0.1
SLACK_S = 20.0  # for a busy machine; what is promised is asserted against the times that were measured


class Hand(Protocol):
    """What a foot and a hand at the cable can do. Roles are "pedal" and "privacy"."""

    def press(self, role: str) -> None: ...

    def release(self, role: str) -> None: ...

    def unplug(self) -> None: ...

    def plug(self) -> None:
        """Plug in again, with whatever is pressed at that moment."""


class Watch:
    """Polls as the recorder does; `made` are the gestures so far, (role, kind)."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._gestures = Gestures()
        self.made = self._gestures.made
        self.levels: dict[str, bool] = {}
        self.lost: PedalLost | None = None

    def poll(self) -> None:
        try:
            self.levels, self.lost = self._pins.read(), None
        except PedalLost as problem:
            self.levels, self.lost = {}, problem
            self._gestures.lost()
            return
        self._gestures.poll(self.levels, time.monotonic_ns())

    def for_s(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()
            time.sleep(POLL_S)

    def until(self, condition: Callable[[], bool], what: str) -> float:
        """Polls until it holds; how long it took, s."""
        begun = time.monotonic()
        while True:
            self.poll()
            if condition():
                return time.monotonic() - begun
            assert time.monotonic() - begun < SLACK_S, f"{what} did not come"
            time.sleep(POLL_S)


class PedalContract:
    """A subclass gives the fixtures `pins` (nothing pressed) and `hand`."""

    port = "pedal"

    @pytest.fixture
    def watch(self, pins: Pins) -> Watch:
        watch = Watch(pins)
        watch.for_s(REST_S)
        return watch

    def test_both_roles_are_open_at_rest(self, watch: Watch) -> None:
        assert watch.levels == {"pedal": False, "privacy": False}

    @pytest.mark.parametrize("role", ["pedal", "privacy"])
    def test_a_press_closes_its_own_role_only_until_released(self, watch: Watch, hand: Hand, role: str) -> None:
        other = ({"pedal", "privacy"} - {role}).pop()
        hand.press(role)
        watch.for_s(PRESS_S)
        assert watch.levels == {role: True, other: False}
        hand.release(role)
        watch.for_s(REST_S)
        assert watch.levels == {role: False, other: False}
        assert watch.made == [(role, "press")]

    def test_every_press_comes_once(self, watch: Watch, hand: Hand) -> None:
        for _ in range(5):
            for role in ("pedal", "privacy"):
                hand.press(role)
                watch.for_s(PRESS_S)
                hand.release(role)
                watch.for_s(REST_S)
        assert watch.made == [("pedal", "press"), ("privacy", "press")] * 5

    def test_a_hold_is_a_hold(self, watch: Watch, hand: Hand) -> None:
        hand.press("pedal")
        watch.for_s(1.0)
        hand.release("pedal")
        watch.for_s(REST_S)
        assert watch.made == [("pedal", "hold")]

    def test_unplugged_is_named_and_plugged_again_heals_by_itself(self, watch: Watch, hand: Hand) -> None:
        hand.unplug()
        took_s = watch.until(lambda: watch.lost is not None, "word that the pedal is lost")
        assert took_s < NOTICED_S
        assert watch.lost is not None
        assert watch.lost.fault == "unplugged"
        assert "pedal" in str(watch.lost)
        hand.plug()
        assert watch.until(lambda: watch.lost is None, "the pedal") < NOTICED_S
        watch.for_s(REST_S)
        assert watch.levels == {"pedal": False, "privacy": False}
        assert watch.made == []

    def test_unplugging_in_the_middle_of_a_press_is_no_press(self, watch: Watch, hand: Hand) -> None:
        hand.press("pedal")
        watch.for_s(PRESS_S)
        hand.unplug()
        watch.until(lambda: watch.lost is not None, "word that the pedal is lost")
        hand.release("pedal")
        watch.for_s(REST_S)
        hand.plug()
        watch.until(lambda: watch.lost is None, "the pedal")
        watch.for_s(REST_S)
        assert watch.made == []

    def test_a_pedal_held_while_it_is_plugged_in_makes_no_press_and_the_next_one_counts(
        self, watch: Watch, hand: Hand
    ) -> None:
        hand.unplug()
        watch.until(lambda: watch.lost is not None, "word that the pedal is lost")
        hand.press("pedal")
        hand.plug()
        watch.until(lambda: watch.lost is None, "the pedal")
        watch.for_s(PRESS_S)
        hand.release("pedal")
        watch.for_s(REST_S)
        assert watch.made == []
        hand.press("pedal")
        watch.for_s(PRESS_S)
        hand.release("pedal")
        watch.for_s(REST_S)
        assert watch.made == [("pedal", "press")]

    def test_close_may_be_called_twice(self, pins: Pins) -> None:
        pins.close()
        pins.close()
