"""`scrubcam board list|show|check|wiring`: what a board is made of, and whether this machine has it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from firmware.cli import board_hand_commands
from firmware.cli.console import out
from firmware.errors import ConfigError, PartMissing

Name = Annotated[str, typer.Argument(help="A name of `scrubcam board list`, or the path of a definition of your own.")]

board_app = typer.Typer(help="Boards: pins, pedal, lights; and the simulated board's pedal.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    board_hand_commands.register(board_app)
    app.add_typer(board_app, name="board")


@board_app.command("list")
def list_boards() -> None:
    """The board definitions that come with the product."""
    from hw.board_definition import names, read_definition

    for name in names():
        definition = read_definition(name)
        out.print(f"[bold]{name:20}[/] {definition.board.kind:7} {escape(definition.board.title)}")


@board_app.command("show")
def show(name: Name) -> None:
    """What is wired to which pin."""
    from hw.board_definition import read_definition
    from hw.wiring import rows

    definition = read_definition(name)
    table = Table("pin", "what", "", title=escape(definition.board.title), title_justify="left")
    for row in rows(definition):
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)


@board_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A definition; without it, the one that the configuration names.")] = "",
    config: Annotated[Path | None, typer.Option("--config", help="The unit's scrubcam.toml.")] = None,
) -> None:
    """Compare a board definition with what is plugged in. No foot on a pedal, and the recorder stopped."""
    from firmware.config_file import load
    from hw.board_check import compare, compare_config
    from hw.board_definition import definition_of, read_definition
    from hw.board_probe import look

    if bool(name) == (config is not None):
        raise ConfigError("name a definition, or give --config", meaning="Nothing was checked",
                          todo="scrubcam board check --config scrubcam.toml")
    settings = load(config) if config is not None else None
    definition = definition_of(settings.board) if settings else read_definition(name)
    out.print(f"[bold]{escape(definition.board.title)}[/]")
    findings = compare(definition, look(definition))
    findings += compare_config(definition, settings) if settings else []
    for finding in findings:
        mark = "[green]ok   [/]" if finding.ok else "[red]wrong[/]"
        out.print(f"  {mark}  {escape(finding.part)}: {escape(finding.told)}")
        if finding.todo:
            out.print(f"         Do: {escape(finding.todo)}")
    if not findings:
        out.print("  nothing is plugged in to this board")
    wrong = sum(not finding.ok for finding in findings)
    if wrong:
        raise PartMissing(f"{wrong} of {len(findings)} parts are not as the board definition says",
                          todo="do what stands below each; docs/wiring.md has the drawings")


@board_app.command("wiring")
def wiring(
    name: Name,
    to: Annotated[Path | None, typer.Option("--out", help="Write the drawing (SVG) here.")] = None,
) -> None:
    """The wiring of a board: as a table, or as a drawing in a file."""
    from hw.board_definition import read_definition
    from hw.wiring_svg import drawing

    if to is None:
        show(name)
        return
    text = drawing(read_definition(name))
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{to} cannot be written ({error.strerror})", todo="give another path") from None
    out.print(f"[bold]{escape(str(to))}[/]")
