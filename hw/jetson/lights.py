"""Two lamps and a sounder on a Jetson's header: plays hw.light_patterns and hw.tones from one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import get_args

from hw.board_definition import BoardDefinition, Lamp
from hw.jetson.gpio import load_gpio, set_up
from hw.jetson.sounder import make_sounder
from hw.light_patterns import lit_at
from hw.ports import LightName, LightPattern, ToneName
from hw.tones import frequency_at

TICK_S = 0.02


class JetsonLights:
    """Lights over Jetson.GPIO. Raises PartMissing when the library or the pins are not there."""

    def __init__(self, definition: BoardDefinition) -> None:
        self._gpio = load_gpio()
        self._lamps: dict[LightName, Lamp] = {"ready": definition.ready_light, "record": definition.record_light}
        for lamp in self._lamps.values():
            set_up(lamp.pin, self._gpio.OUT, initial=int(lamp.lit == "low"))
        self._sounder = make_sounder(definition.sounder)
        now_ns = time.monotonic_ns()
        self._shown: dict[LightName, tuple[LightPattern, int]] = dict.fromkeys(self._lamps, ("off", now_ns))
        self._sounding: tuple[ToneName, int, int] | None = None
        self._failing: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="lights", daemon=True)
        self._thread.start()

    def show(self, light: LightName, pattern: LightPattern) -> None:
        if light not in self._lamps or pattern not in get_args(LightPattern):
            raise ValueError(f"no light {light!r} or pattern {pattern!r}")
        if self._shown[light][0] != pattern:
            self._shown[light] = (pattern, time.monotonic_ns())

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        if tone not in get_args(ToneName) or not 0 <= volume_percent <= 100:
            raise ValueError(f"no tone {tone!r} or volume {volume_percent!r}")
        self._sounding = (tone, volume_percent, time.monotonic_ns())

    def problem(self) -> str:
        return "; ".join(f"the {part} cannot be switched ({why})" for part, why in self._failing.copy().items())

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
        for light in self._lamps:
            self._light(light, False)
        self._tried("sounder", self._sounder, 0, 0)

    def _play(self) -> None:
        while not self._stop.wait(TICK_S):
            now_ns = time.monotonic_ns()
            for light, (pattern, since_ns) in self._shown.items():
                self._light(light, lit_at(pattern, now_ns - since_ns))
            if self._sounding is not None:
                tone, volume_percent, since_ns = self._sounding
                self._tried("sounder", self._sounder, frequency_at(tone, now_ns - since_ns), volume_percent)

    def _light(self, light: LightName, lit: bool) -> None:
        lamp = self._lamps[light]
        self._tried(f"{light} light", self._gpio.output, lamp.pin, int(lit == (lamp.lit == "high")))

    def _tried(self, part: str, switch: Callable[[int, int], None], first: int, second: int) -> None:
        try:
            switch(first, second)
        except OSError as error:  # tried again at the next tick; the other parts go on
            self._failing[part] = error.strerror or str(error)
        else:
            if part != "sounder" or first > 0:  # a sounder that is silent anyway proves nothing
                self._failing.pop(part, None)
