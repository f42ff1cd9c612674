"""Lights under their contract; and, on the emulated header, every pattern and tone as its lamps and sounder show it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hw.ports import LightName
from hw.sim.board import SimBoard
from hw.tones import length_s
from tests.contract.lights import LightsContract
from tests.gpio_rig import Parts, rig


class TestSimBoardLights(LightsContract):
    adapter = "hw.sim.board.SimBoard"
    ran_on = "nothing: simulated lights that remember what they showed"

    @pytest.fixture
    def lights(self) -> Iterator[SimBoard]:
        board = SimBoard()
        yield board
        board.close()

    @pytest.fixture
    def eyes(self, lights: SimBoard) -> SimBoard:
        return lights

    def shown(self, light: LightName) -> bool:
        return bool(self.eyes.patterns()[light] != "off")


class TestJetsonLights(LightsContract):
    adapter = "hw.jetson.lights.JetsonLights"
    ran_on = "the unmodified Jetson.GPIO 2.1.13 over a gpiochip and a tone generator emulated with umockdev"

    @pytest.fixture
    def parts(self) -> Iterator[Parts]:
        with rig("agx-orin-two-wire") as parts:
            yield parts

    @pytest.fixture
    def lights(self, parts: Parts) -> Any:
        return parts.lights

    @pytest.fixture
    def eyes(self, parts: Parts) -> Any:
        return parts.header

    def shown(self, light: LightName) -> bool:
        return bool(self.eyes.patterns()[light] == "on")

    def test_a_tone_sounds_with_its_pitches_at_its_volume_and_ends(self) -> None:
        self.lights.tone("resume", 40)
        time.sleep(length_s("resume") + 0.2)
        sounds = [event.value for event in self.eyes.log() if event.kind == "sounder"]
        assert sounds == ["440 Hz 20 %", "off", "880 Hz 20 %", "off", "1320 Hz 20 %", "off"]

    def test_volume_none_is_silence(self) -> None:
        self.lights.tone("warning", 0)
        time.sleep(0.2)
        assert [event for event in self.eyes.log() if event.kind == "sounder"] == []

    def test_a_later_tone_takes_the_place_of_one_still_sounding(self) -> None:
        self.lights.tone("warning", 100)
        time.sleep(0.1)
        self.lights.tone("stop", 10)
        time.sleep(length_s("stop") + 0.2)
        sounds = [event.value for event in self.eyes.log() if event.kind == "sounder"]
        assert sounds[0] == "880 Hz 50 %"
        assert [sound for sound in sounds[1:] if sound != "off"] == ["440 Hz 5 %"]
        assert sounds[-1] == "off"

    def test_a_pattern_blinks_as_it_is_written(self) -> None:
        self.lights.show("record", "double")
        time.sleep(4.0)
        changes = [event.value for event in self.eyes.log() if event.name == "record"]
        assert changes[:4] == ["on", "off", "on", "off"]


class TestJetsonLightsFixedPitch:
    def test_a_sounder_that_is_loud_at_one_pitch_plays_everything_there(self) -> None:
        with rig("orin-nx-two-wire") as parts:
            parts.lights.tone("bookmark", 100)
            time.sleep(length_s("bookmark") + 0.2)
            sounds = [event.value for event in parts.header.log() if event.kind == "sounder"]
        assert sounds == ["2000 Hz 50 %", "off", "2000 Hz 50 %", "off"]
