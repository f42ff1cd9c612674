"""`scrubcam reader`: writes out the page that opens a sealed recording in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli.console import out
from firmware.durable import write_durably
from firmware.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command("reader")(reader)


def reader(
    page: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("reader.html"),
    force: Annotated[bool, typer.Option("--force", help="Replace the page if it is there.")] = False,
) -> None:
    """Write the page that checks, opens and plays sealed recordings in a browser: for who has nothing installed.

    One file, to hand over beside a sealed copy. It holds no recording and no key, and can make no connection.
    """
    from firmware.export.reader_page import make_reader_page

    try:
        write_durably(str(page), make_reader_page().encode(), mode=0o644, exclusive=not force)
    except FileExistsError:
        raise ConfigError(f"{page} is there already", meaning="It was left as it is",
                          todo="choose another name, or --force to replace it") from None
    out.print(f"[bold green]Written[/] {escape(str(page))}: open it in a browser and drop a sealed recording on it.")
