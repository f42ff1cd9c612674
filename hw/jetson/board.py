"""Pins and lights of one Jetson, together."""

from __future__ import annotations

from firmware.config import Board
from hw.jetson.lights import JetsonLights
from hw.jetson.pins import JetsonPins


class JetsonBoard:
    """Raises PartMissing when Jetson.GPIO or the pins are not there."""

    def __init__(self, cfg: Board) -> None:
        self.pins = JetsonPins(cfg)
        self.lights = JetsonLights(cfg)

    def close(self) -> None:
        self.lights.close()
        self.pins.close()
