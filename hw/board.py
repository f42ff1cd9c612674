"""Chooses the board by configuration, and never another one: simulated, a Jetson's own pins, or a PC's USB pedal."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from firmware.config import Board as BoardConfig
from firmware.config import Power as PowerConfig
from firmware.errors import PartMissing
from hw.board_definition import definition_of
from hw.linux.sysfs_power import SysfsPower
from hw.ports import Lights, Pins, Power
from hw.sim.board import SimBoard
from hw.sim.power import read_simulated


class Board(Protocol):
    """Input lines and lights of one unit."""

    @property
    def pins(self) -> Pins: ...

    @property
    def lights(self) -> Lights: ...

    def close(self) -> None: ...


def make_board(cfg: BoardConfig, run_dir: str | Path) -> Board:
    """The configured board. Raises PartMissing (vendor's library absent) or ConfigError (definition, `run_dir`)."""
    definition = definition_of(cfg)
    if cfg.kind == "jetson":
        from hw.jetson.board import JetsonBoard  # only a Jetson has the vendor's library

        return JetsonBoard(definition)
    if cfg.kind == "pc":
        raise PartMissing('board.kind = "pc": this version has no adapter for a USB pedal',
                          meaning="Nobody could press the pedal, so the recorder does not start",
                          todo='set board.kind = "sim" and board.definition = "sim"')
    return SimBoard(run_dir)


def make_power(cfg: PowerConfig, simulated: str = "") -> Power | None:
    """The configured sensors, None for none. `simulated`: the folder of a simulated board's sysfs; "": the real one."""
    if cfg.sensors == "off":
        return None
    return SysfsPower(simulated, read_simulated) if simulated else SysfsPower()
