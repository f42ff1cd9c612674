"""Pins and lights of one Jetson, together."""

from __future__ import annotations

from hw.board_definition import BoardDefinition
from hw.jetson.lights import JetsonLights
from hw.jetson.pins import JetsonPins


class JetsonBoard:
    """Raises PartMissing when Jetson.GPIO or the pins are not there."""

    def __init__(self, definition: BoardDefinition) -> None:
        self.pins = JetsonPins(definition)
        self.lights = JetsonLights(definition)

    def close(self) -> None:
        self.lights.close()
        self.pins.close()
