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
from tests.recorder_helpers import until


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

    def sounds(self) -> list[str]:
        return [event.value for event in self.eyes.log() if event.kind == "sounder"]

    def test_a_tone_sounds_with_its_pitches_at_its_volume_and_ends(self) -> None:
        """On a busy machine a short step may go by unheard; none comes out of turn, and the long one at the end is."""
        self.lights.tone("resume", 40)
        time.sleep(length_s("resume") + 0.2)
        until(lambda: self.sounds()[-1:] == ["off"], what="silence")
        pitches = [440, 880, 1320]
        heard = [pitches.index(int(sound.removesuffix(" Hz 20 %"))) for sound in self.sounds() if sound != "off"]
        assert heard == sorted(set(heard))
        assert heard[-1] == 2

    def test_volume_none_is_silence(self) -> None:
        self.lights.tone("warning", 0)
        time.sleep(0.2)
        assert [event for event in self.eyes.log() if event.kind == "sounder"] == []

    def test_a_later_tone_takes_the_place_of_one_still_sounding(self) -> None:
        self.lights.tone("warning", 100)
        until(lambda: self.sounds() == ["880 Hz 50 %"], what="the first tone")
        self.lights.tone("stop", 10)
        until(lambda: self.sounds()[-2:] == ["440 Hz 5 %", "off"], what="the second tone")
        time.sleep(length_s("warning"))
        assert [sound for sound in self.sounds() if sound != "off"] == ["880 Hz 50 %", "440 Hz 5 %"]

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
            until(lambda: [e.value for e in parts.header.log() if e.kind == "sounder"][-1:] == ["off"], what="silence")
            sounds = [event.value for event in parts.header.log() if event.kind == "sounder"]
        assert set(sounds) == {"2000 Hz 50 %", "off"}
