"""Pedal and privacy contacts on a Jetson's header: polled, closed to ground. It must not debounce nor interpret.

The library ignores pull_up_down, so the pull-ups are on the carrier board. Its edge callbacks lose and delay edges, so
the lines are polled.
"""

from __future__ import annotations

from hw.board_definition import BoardDefinition
from hw.jetson.gpio import load_gpio
from hw.ports import PedalLost


class JetsonPins:
    """Pins over Jetson.GPIO. Raises PartMissing when the library or the pins are not there."""

    def __init__(self, definition: BoardDefinition) -> None:
        self._gpio = load_gpio()
        self._contacts = definition.contacts()
        for contact in self._contacts.values():
            self._gpio.setup(contact.pin, self._gpio.IN)

    def read(self) -> dict[str, bool]:
        """All lines now; True is pressed. Raises PedalLost when the line cannot be read."""
        try:
            return {role: self._gpio.input(contact.pin) == (contact.closed == "high")
                    for role, contact in self._contacts.items()}
        except (OSError, RuntimeError) as error:
            raise PedalLost(f"the pins cannot be read: {error}") from None

    def close(self) -> None:
        """Nothing: cleaning up one channel of this library can close an unrelated file; the process's end does it."""
