"""Chooses the board by configuration, and never another one: simulated, a Jetson's own pins, or a PC's USB pedal."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from firmware.config import Board as BoardConfig
from firmware.config import Config
from firmware.config import Power as PowerConfig
from firmware.errors import ConfigError
from hw.board_definition import BoardDefinition, definition_of
from hw.linux.key_pedal import key_pedal
from hw.linux.pc_board import PcBoard
from hw.linux.sysfs_power import SysfsPower
from hw.linux.watchdog import LinuxWatchdog
from hw.ports import Lights, Pins, Power, Watchdog
from hw.several_pins import SeveralPins
from hw.sim.board import SimBoard
from hw.sim.power import read_simulated
from hw.sim.watchdog import SimWatchdog


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
    board = _board(cfg.kind, definition, run_dir)
    return WithKeys(board, key_pedal(definition.pedal)) if definition.pedal.type in ("usb", "wireless") else board


def _board(kind: str, definition: BoardDefinition, run_dir: str | Path) -> Board:
    if kind == "jetson":
        from hw.jetson.board import JetsonBoard  # only a Jetson has the vendor's library

        return JetsonBoard(definition)
    return PcBoard() if kind == "pc" else SimBoard(run_dir, definition)


class WithKeys:
    """A board whose pedal sends keys over USB; its contacts, if it has others, and its lights are as they were."""

    def __init__(self, board: Board, pedal: Pins) -> None:
        self._board = board
        self.pins: Pins = SeveralPins((board.pins, pedal))
        self.lights = board.lights

    def close(self) -> None:
        self.pins.close()
        self._board.close()


def make_watchdog(cfg: Config, simulated: str = "") -> Watchdog | None:
    """The configured hardware watchdog, running from now on; None for none. `simulated` is a simulated one's socket.

    Raises PartMissing (not there, taken, not for so long) and ConfigError (the board has none).
    """
    if not cfg.power.hardware_watchdog:
        return None
    if simulated:
        return SimWatchdog(simulated, cfg.power.watchdog_timeout_s)
    device = definition_of(cfg.board).watchdog.device
    if not device:
        raise ConfigError(f"power.hardware_watchdog is set, but the board {cfg.board.definition!r} has no watchdog",
                          meaning="Nothing was started", todo="name its device in [watchdog] of the board definition")
    return LinuxWatchdog(device, cfg.power.watchdog_timeout_s)


def make_power(cfg: PowerConfig, simulated: str = "") -> Power | None:
    """The configured sensors, None for none. `simulated`: the folder of a simulated board's sysfs; "": the real one."""
    if cfg.sensors == "off":
        return None
    return SysfsPower(simulated, read_simulated) if simulated else SysfsPower()
