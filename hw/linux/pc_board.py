"""A PC: it has no header, so no contacts, and no lights. What these would show is told on MQTT."""

from __future__ import annotations

from typing import get_args

from hw.ports import LightName, LightPattern, Pins, ToneName
from hw.several_pins import SeveralPins


class PcBoard:
    """Pins without a line; a USB pedal comes beside them."""

    def __init__(self) -> None:
        self.pins: Pins = SeveralPins(())
        self.lights = NoLights()

    def close(self) -> None: ...


class NoLights:
    """Lights of a board that has none, said so in its definition: what is asked for is checked, and shown nowhere."""

    def show(self, light: LightName, pattern: LightPattern) -> None:
        if light not in get_args(LightName) or pattern not in get_args(LightPattern):
            raise ValueError(f"no light {light!r} or pattern {pattern!r}")

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        if tone not in get_args(ToneName) or not 0 <= volume_percent <= 100:
            raise ValueError(f"no tone {tone!r} or volume {volume_percent!r}")

    def problem(self) -> str:
        return ""

    def close(self) -> None: ...
