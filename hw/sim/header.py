"""A simulated 40-pin header with its interface board: contacts behind pull-ups, lamps and a sounder behind drivers.

The other end of the wires of a board definition. Pins are levels here; what reads and drives them is gpiochip.py.
"""

from __future__ import annotations

import errno
import os
import time
from typing import get_args

from hw.board_definition import BoardDefinition
from hw.ports import LightName
from hw.sim.hand import Hand


class SimHeader(Hand):
    """The board of `definition`, by pins. What its lamps and sounder did is in the log: "light" with value "on" or
    "off", "sounder" with "<frequency> Hz <duty> %" (an on-off sounder: "on", "off")."""

    def __init__(self, definition: BoardDefinition, *, seed: int = 1) -> None:
        contacts = definition.contacts()
        super().__init__(contacts, seed=seed)
        self._definition = definition
        self._inputs = {contact.pin: (role, False) for role, contact in contacts.items()}
        self._inputs |= {contact.nc_pin: (role, True) for role, contact in contacts.items() if contact.nc_pin}
        lamps: dict[LightName, int] = {"ready": definition.ready_light.pin, "record": definition.record_light.pin}
        self._lamps = {pin: light for light, pin in lamps.items()}
        self._shown: dict[str, str] = dict.fromkeys(get_args(LightName), "off")
        self._sound = "off"

    def level(self, pin: int) -> bool:
        """Is the pin high? Raises OSError (EIO) for an unplugged line. A pin that nobody drives reads what it likes."""
        if pin not in self._inputs:
            with self._lock:
                return bool(self._rng.getrandbits(1))
        role, normally_closed = self._inputs[pin]
        wires = self.wires(time.monotonic_ns(), [role])[role]
        if wires is None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        contact = self._definition.contacts()[role]
        return bool(wires.nc if normally_closed else wires.no) == (contact.closed == "high")

    def drive(self, pin: int, high: bool) -> None:
        """An output pin's level, as the board sets it. Raises OSError (EIO) for a lamp's pin that takes nothing."""
        if pin in self._lamps:
            light = self._lamps[pin]
            lamp = self._definition.record_light if light == "record" else self._definition.ready_light
            shown = "on" if high == (lamp.lit == "high") else "off"
            with self._lock:
                if light in self._jammed:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                if self._shown[light] != shown:
                    self._shown[light] = shown
                    self.note("light", light, shown)
        elif pin == self._definition.sounder.pin:
            self._hear("on" if high else "off")

    def modulate(self, frequency_hz: float, duty_percent: float) -> None:
        """The tone generator behind the sounder's pin; a duty of 0 is silence."""
        self._hear(f"{frequency_hz:.0f} Hz {duty_percent:.0f} %" if duty_percent > 0 else "off")

    def patterns(self) -> dict[str, str]:
        """Which lamps are lit at this moment."""
        with self._lock:
            return dict(self._shown)

    def sound(self) -> str:
        """What the sounder does at this moment."""
        return self._sound

    def _hear(self, sound: str) -> None:
        with self._lock:
            if self._sound != sound:
                self._sound = sound
                self.note("sounder", "sounder", sound)
