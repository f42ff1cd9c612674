"""What the recorder relies on when it shows lights and sounds tones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, get_args

import pytest

from hw.light_patterns import PATTERNS
from hw.ports import LightName, LightPattern, Lights, ToneName
from hw.tones import TONES

DEADLINE_S = 10.0


class LightsContract:
    """A subclass gives the fixtures `lights` and `eyes` (what sees them), and `shown(light)`: is it lit right now?"""

    port = "lights"

    @pytest.fixture(autouse=True)
    def _eyes(self, lights: Lights, eyes: Any) -> None:
        self.lights, self.eyes = lights, eyes

    def shown(self, light: LightName) -> bool:
        raise NotImplementedError

    def wait_shown(self, light: LightName, lit: bool) -> None:
        self.wait(lambda: self.shown(light) is lit, f"{light} is not {'lit' if lit else 'dark'}")

    def wait(self, happened: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not happened():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.005)

    @pytest.mark.parametrize("light", get_args(LightName))
    def test_a_light_goes_on_and_off_alone(self, light: LightName) -> None:
        other: LightName = "ready" if light == "record" else "record"
        assert not self.shown(light)
        self.lights.show(light, "on")
        self.wait_shown(light, True)
        assert not self.shown(other)
        self.lights.show(light, "off")
        self.wait_shown(light, False)

    def test_both_lights_at_once(self) -> None:
        for light in get_args(LightName):
            self.lights.show(light, "on")
        for light in get_args(LightName):
            self.wait_shown(light, True)

    def test_every_pattern_and_tone_is_taken(self) -> None:
        for light in get_args(LightName):
            for pattern in (*PATTERNS, "off"):
                self.lights.show(light, pattern)
        for tone in TONES:
            for volume_percent in (1, 100, 0):
                self.lights.tone(tone, volume_percent)

    def test_what_is_not_there_is_refused(self) -> None:
        assert set(PATTERNS) == set(get_args(LightPattern))
        assert set(TONES) == set(get_args(ToneName))
        with pytest.raises(ValueError, match="purple"):
            self.lights.show("record", "purple")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="nose"):
            self.lights.show("nose", "on")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="anthem"):
            self.lights.tone("anthem", 50)  # type: ignore[arg-type]
        for volume_percent in (-1, 101):
            with pytest.raises(ValueError, match=str(volume_percent)):
                self.lights.tone("start", volume_percent)

    @pytest.mark.parametrize("light", get_args(LightName))
    def test_a_light_that_cannot_be_switched_is_told_until_it_can(self, light: LightName) -> None:
        """`jam` and `free` of the eyes: the part behind the light takes nothing, and takes what it is told again."""
        other: LightName = "ready" if light == "record" else "record"
        self.lights.show(light, "off")
        assert self.lights.problem() == ""
        self.eyes.jam(light)
        for each in (light, other):
            self.lights.show(each, "on")
        self.wait_shown(other, True)
        self.wait(lambda: f"the {light}" in self.lights.problem(), "the problem is not told")
        assert not self.shown(light)
        self.eyes.free(light)
        self.wait_shown(light, True)
        self.wait(lambda: self.lights.problem() == "", "the problem is still told")

    def test_closing_puts_the_lights_out_and_may_be_done_twice(self) -> None:
        self.lights.show("record", "on")
        self.wait_shown("record", True)
        self.lights.close()
        self.wait_shown("record", False)
        self.lights.close()
