"""`scrubcam board press|tap|cut|lights|...`: a hand on a simulated board, from another process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from firmware.cli.console import out
from firmware.cli.talk import away
from firmware.errors import ConfigError, Refused

ConfigFile = Annotated[Path, typer.Option("--config", help="The running device's scrubcam.toml.")]
Line = Annotated[str, typer.Argument(help="pedal or privacy; where the definition has it, power_fail.")]
Seconds = Annotated[str, typer.Argument(help="For how many seconds.")]

_ON_A_LINE = {
    "press": "A foot on the pedal.", "release": "The foot leaves it.", "unplug": "The line cannot be read any more.",
    "plug": "Plugged in again.", "cut": "All wires of its cable are cut.", "crush": "All wires of its cable touch.",
    "stick": "The contact stays as it is.", "mend": "Cable and contact are whole again.",
}
_FOR_A_TIME = {"tap": "Press, and let go after so many seconds.", "burst": "Electrosurgery beside its cable."}
_LOOKS = {"lights": "What the lights show now.", "log": "All that was pressed, shown and sounded."}


def register(board_app: typer.Typer) -> None:
    """One command for each word of the simulated board's socket (docs/hardware.md)."""
    for verb, told in _ON_A_LINE.items():
        board_app.command(verb, help=f"Simulated board: {told}")(_on_a_line(verb))
    for verb, told in _FOR_A_TIME.items():
        board_app.command(verb, help=f"Simulated board: {told}")(_for_a_time(verb))
    for verb, told in _LOOKS.items():
        board_app.command(verb, help=f"Simulated board: {told}")(_look(verb))


def _on_a_line(verb: str) -> Callable[..., None]:
    def command(line: Line, config: ConfigFile) -> None:
        _ask(f"{verb} {line}", config)

    return command


def _for_a_time(verb: str) -> Callable[..., None]:
    def command(line: Line, seconds: Seconds, config: ConfigFile) -> None:
        _ask(f"{verb} {line} {seconds}", config)

    return command


def _look(verb: str) -> Callable[..., None]:
    def command(config: ConfigFile) -> None:
        _ask(verb, config)

    return command


def _ask(words: str, config: Path) -> None:
    from firmware.config_file import load
    from hw.sim.board_wire import BoardRemote

    settings = load(config)
    if settings.board.kind != "sim":
        raise ConfigError(f"{config}: board.kind is {settings.board.kind!r}", todo="press the real pedal")
    try:
        remote = BoardRemote(settings.paths.run_dir)
    except OSError:
        raise away(config) from None
    try:
        answer = remote.ask(words)
    except ValueError as error:
        raise Refused(f"The board does not know that: {error}", todo="see docs/hardware.md") from None
    finally:
        remote.close()
    out.print_json(json.dumps({name: value for name, value in answer.items() if name != "ok"} or {"done": True}))
