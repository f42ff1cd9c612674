"""Two lamps and a sounder on a Jetson's header: plays hw.light_patterns and hw.tones from one thread."""

from __future__ import annotations

import threading
import time
from typing import get_args

from hw.board_definition import BoardDefinition
from hw.jetson.gpio import load_gpio
from hw.light_patterns import lit_at
from hw.ports import LightName, LightPattern, ToneName
from hw.tones import frequency_at

TICK_S = 0.02


class JetsonLights:
    """Lights over Jetson.GPIO. Raises PartMissing when the library or the pins are not there."""

    def __init__(self, definition: BoardDefinition) -> None:
        self._gpio = load_gpio()
        self._channels: dict[LightName, int] = {
            "ready": definition.ready_light.pin, "record": definition.record_light.pin}
        self._sounder = definition.sounder.pin
        for channel in (*self._channels.values(), self._sounder):
            self._gpio.setup(channel, self._gpio.OUT, initial=self._gpio.LOW)
        now_ns = time.monotonic_ns()
        self._shown: dict[LightName, tuple[LightPattern, int]] = dict.fromkeys(self._channels, ("off", now_ns))
        self._sounding: tuple[ToneName, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="lights", daemon=True)
        self._thread.start()

    def show(self, light: LightName, pattern: LightPattern) -> None:
        if light not in self._channels or pattern not in get_args(LightPattern):
            raise ValueError(f"no light {light!r} or pattern {pattern!r}")
        if self._shown[light][0] != pattern:
            self._shown[light] = (pattern, time.monotonic_ns())

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        """The sounder has one pitch and one volume."""
        if tone not in get_args(ToneName) or not 0 <= volume_percent <= 100:
            raise ValueError(f"no tone {tone!r} or volume {volume_percent!r}")
        self._sounding = (tone, time.monotonic_ns()) if volume_percent else None

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
        for channel in (*self._channels.values(), self._sounder):
            self._gpio.output(channel, self._gpio.LOW)

    def _play(self) -> None:
        while not self._stop.wait(TICK_S):
            now_ns = time.monotonic_ns()
            for light, (pattern, since_ns) in self._shown.items():
                self._gpio.output(self._channels[light], int(lit_at(pattern, now_ns - since_ns)))
            sounding = self._sounding
            heard = sounding is not None and frequency_at(sounding[0], now_ns - sounding[1]) > 0
            self._gpio.output(self._sounder, int(heard))
