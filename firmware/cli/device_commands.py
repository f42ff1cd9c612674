"""`scrubcam run`, `selftest` and `demo`: the device as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from firmware.cli.console import out
from firmware.config import Config


def register(app: typer.Typer) -> None:
    app.command("run")(run)
    app.command("selftest")(selftest)
    app.command("demo")(demo)


def run(config: Annotated[Path, typer.Option(help="The unit's scrubcam.toml.")]) -> None:
    """Run the device: recorder, pipeline and agent under one supervisor, until stopped (Ctrl-C, SIGTERM).

    A recording that is running when it is stopped is sealed first.
    """
    from firmware.config_file import load
    from firmware.recorder.supervisor import run as run_supervisor

    load(config)  # a bad configuration is told before any process starts
    sys.exit(run_supervisor(config))


def selftest(
    config: Annotated[Path | None, typer.Option(help="Test with this unit's scrubcam.toml.")] = None,
) -> None:
    """Check that everything a recording needs is here, then make, verify and open a short one with a throwaway key."""
    from firmware.config_file import load
    from firmware.selftest import run_selftest

    if not run_selftest(load(config) if config else Config(), configured=config is not None, console=out):
        raise typer.Exit(1)


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for what the demo leaves.")] = Path("demo-out"),
) -> None:
    """Stage a whole case on this PC: scene, pedal, scrub, seal, verify, export; about a minute and a half."""
    from firmware.demo import run_demo

    raise typer.Exit(run_demo(out_dir))
