"""How the command talks to a person: one console for results, one for errors, sizes and times in plain words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from firmware.errors import ScrubcamError

# C0 and C1 but line feed and tab, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Console(Console):
    """Prints no control character: text out of a file must not move the cursor and write a verdict of its own."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), **how)


out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)
SealedFile = Annotated[Path, typer.Argument(metavar="FILE", help="A sealed recording (.scrub).")]


def report_error(error: ScrubcamError) -> None:
    """What happened, what it means, what to do: one line, or one for each fault of a configuration."""
    text = "\n  ".join(" ".join(line.split()) for line in str(error).splitlines())
    err.print(f"[bold red]scrubcam: {error.code}:[/] {escape(text)}")


def human_bytes(count: int) -> str:
    """1536 -> "1.5 kB" (SI units)."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def human_time(seconds: float) -> str:
    """83.4 -> "1:23.4"."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def bytes_bar(doing: str) -> Progress:
    """A bar for work that is counted in bytes; gone when it is done."""
    return Progress(
        TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, transient=True
    )
