"""The sounder on a Jetson's header: a pin that is on or off, or a tone generator behind the pin."""

from __future__ import annotations

from collections.abc import Callable

from hw.board_definition import Sounder
from hw.jetson.gpio import load_gpio, make_tone_generator, set_up

LOUDEST_DUTY_PERCENT = 50.0
"""A square wave is loudest when it is high half of the time."""

Sound = Callable[[int, int], None]
"""(frequency_hz, volume_percent): sound like this from now on; 0 of either is silence."""


def make_sounder(sounder: Sounder) -> Sound:
    """The sounder of this type. Raises PartMissing when the pin, or the tone generator behind it, is not there."""
    if sounder.type == "pwm":
        return _Generator(sounder).sound
    if sounder.type == "on-off":
        return _Switch(sounder.pin).sound
    return lambda frequency_hz, volume_percent: None


class _Switch:
    def __init__(self, pin: int) -> None:
        self._gpio, self._pin = load_gpio(), pin
        set_up(pin, self._gpio.OUT, initial=self._gpio.LOW)

    def sound(self, frequency_hz: int, volume_percent: int) -> None:
        self._gpio.output(self._pin, int(frequency_hz > 0 and volume_percent > 0))


class _Generator:
    def __init__(self, sounder: Sounder) -> None:
        self._fixed_hz = sounder.frequency_hz
        self._now_hz, self._now_percent = self._fixed_hz or 1000, 0
        self._pwm = make_tone_generator(sounder.pin, self._now_hz)

    def sound(self, frequency_hz: int, volume_percent: int) -> None:
        percent = volume_percent if frequency_hz else 0
        pitch_hz = (self._fixed_hz or frequency_hz) if percent else self._now_hz
        if (pitch_hz, percent) == (self._now_hz, self._now_percent):
            return
        if pitch_hz != self._now_hz:
            self._pwm.ChangeDutyCycle(0)  # or the old volume would be heard at the new pitch
            self._pwm.ChangeFrequency(pitch_hz)
        self._pwm.ChangeDutyCycle(LOUDEST_DUTY_PERCENT * percent / 100)
        self._now_hz, self._now_percent = pitch_hz, percent
