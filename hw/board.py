"""Chooses the board by configuration, and never another one: simulated, or a Jetson's own pins."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from firmware.config import Board as BoardConfig
from hw.ports import Lights, Pins
from hw.sim.board import SimBoard


class Board(Protocol):
    """Input lines and lights of one unit."""

    @property
    def pins(self) -> Pins: ...

    @property
    def lights(self) -> Lights: ...

    def close(self) -> None: ...


def make_board(cfg: BoardConfig, run_dir: str | Path) -> Board:
    """The configured board. Raises PartMissing (vendor's library absent) or ConfigError (no socket in `run_dir`)."""
    if cfg.kind == "jetson":
        from hw.jetson.board import JetsonBoard  # only a Jetson has the vendor's library

        return JetsonBoard(cfg)
    return SimBoard(run_dir)
