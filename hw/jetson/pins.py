"""Contacts on a Jetson's header: the levels of their pins, polled. It must not debounce nor interpret.

The library ignores pull_up_down, so the pull-ups are on the interface board. Its edge callbacks lose and delay edges,
so the lines are polled.
"""

from __future__ import annotations

import time

from hw.board_definition import BoardDefinition, Contact
from hw.contacts import ContactWatch, Wires
from hw.jetson.gpio import load_gpio, set_up


class JetsonPins:
    """Pins over Jetson.GPIO. Raises PartMissing when the library or the pins are not there."""

    def __init__(self, definition: BoardDefinition) -> None:
        self._gpio = load_gpio()
        self._contacts = definition.contacts()
        self._watch = ContactWatch()
        for contact in self._contacts.values():
            for pin in filter(None, (contact.pin, contact.nc_pin)):
                set_up(pin, self._gpio.IN)

    def read(self) -> dict[str, bool]:
        """All lines now; True is pressed. Raises PedalLost for lines that cannot be trusted."""
        wires = {role: self._wires(contact) for role, contact in self._contacts.items()}
        return self._watch.levels(wires, time.monotonic_ns())

    def close(self) -> None:
        """Nothing: cleaning up one channel of this library can close an unrelated file; the process's end does it."""

    def _wires(self, contact: Contact) -> Wires | None:
        closed = self._gpio.HIGH if contact.closed == "high" else self._gpio.LOW
        try:
            no = self._gpio.input(contact.pin) == closed
            return Wires(no, self._gpio.input(contact.nc_pin) == closed if contact.nc_pin else None)
        except (OSError, RuntimeError):
            return None
