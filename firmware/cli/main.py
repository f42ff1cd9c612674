"""The `scrubcam` command: parses what a person typed, calls the part that does it, prints what came of it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from firmware import __version__, log
from firmware.cli import (
    ask_commands,
    audit_commands,
    board_commands,
    device_commands,
    erase_commands,
    eval_commands,
    file_commands,
    keeping_commands,
    key_commands,
    pedal_commands,
    press_command,
    provision_command,
    reader_commands,
    record_commands,
    role_commands,
    verify_command,
)
from firmware.cli.console import report_error
from firmware.errors import ScrubcamError
from firmware.hardening import forbid_core_dumps

app = typer.Typer(
    name="scrubcam",
    help="The operating-room recorder that never stores a face.\n\n"
    "First steps: `scrubcam keys new archive`, then `scrubcam record scene:// -o . --to archive.pub --seconds 10`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(show: bool) -> None:
    if show:
        print(f"scrubcam {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options before the command."""


device_commands.register(app)
provision_command.register(app)
ask_commands.register(app)
board_commands.register(app)
record_commands.register(app)
file_commands.register(app)
verify_command.register(app)
erase_commands.register(app)
eval_commands.register(app)
reader_commands.register(app)
keeping_commands.register(app)
key_commands.register(app)
pedal_commands.register(app)
audit_commands.register(app)
press_command.register()
role_commands.register(app)


def main() -> None:
    """Run the command; a named fault is one line on stderr and its own exit code, never a traceback."""
    log.setup("cli")
    forbid_core_dumps()  # some commands hold a private key, or frames that are not scrubbed yet
    try:
        app()
    except ScrubcamError as error:
        report_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has left
        sys.exit(141)
    except Exception as error:
        if os.environ.get("SCRUBCAM_DEBUG"):
            raise
        report_error(
            ScrubcamError(
                f"Unexpected fault ({type(error).__name__}: {error})",
                meaning="What was sealed so far is safe and can be verified",
                todo="run again with SCRUBCAM_DEBUG=1 and report what it prints",
            )
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
