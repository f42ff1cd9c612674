"""`scrubcam keys`: the archive's key pair."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli.console import out
from firmware.errors import ConfigError
from hw.disk import disk_fault

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Kem(str, Enum):
    """The kinds of archive key; a test holds them against firmware/vault/key_kinds.py, which loads slowly."""

    MLKEM768_X25519 = "MLKEM768-X25519"
    MLKEM1024_P384 = "MLKEM1024-P384"
    P256 = "P256"


keys_app = typer.Typer(help="Make the archive's keys.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(keys_app, name="keys")


@keys_app.callback()
def keys() -> None:
    """Make the archive's keys."""


@keys_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the key pair, e.g. `archive`: makes NAME.key and NAME.pub.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder for both files.")] = Path("."),
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase and encrypt the private key with it.")
    ] = False,
    kem: Annotated[
        Kem, typer.Option("--kem", help="Kind of key. P256 is for readers without anything else: not quantum-safe.")
    ] = Kem.MLKEM768_X25519,
) -> None:
    """Make a key pair: NAME.pub seals recordings, NAME.key opens them. Nothing is overwritten."""
    from firmware.vault.keys import new_archive_key

    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a key pair", meaning="Nothing was made",
                          todo="use letters, digits, '_', '-' and '.'; give the folder with --dir")
    secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True) if passphrase else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_fault(error, str(folder), "making") from error
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    key = new_archive_key(str(private), str(public), secret, kem.value)
    out.print(f"[bold]{escape(str(public))}[/]  public: put it on the devices; it can only seal (id {key.key_id})")
    if not key.quantum_safe:
        out.print(f"[bold yellow]{key.kem} is not quantum-safe:[/] whoever keeps a recording sealed to it until there "
                  "is a quantum computer can open it then. Use it only for readers that cannot do better.")
    out.print(
        f"[bold red]{escape(str(private))}[/]  private: opens every recording sealed to it. "
        "[bold]It never goes on a device.[/] Keep it, and a copy, where the archive keeps its secrets; "
        "without it the recordings cannot be opened by anyone."
    )
