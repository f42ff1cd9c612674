"""`scrubcam roles` and `scrubcam zones`: the device's logins, and the privacy officer's word on field zones."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli.console import out
from firmware.cli.talk import LoginOption, PassphraseFile, checked_name, read_passphrase, request_as
from firmware.config import Config
from firmware.errors import ConfigError
from firmware.messages import ApproveZones, LoginRole, SetLogin

ConfigFile = Annotated[Path, typer.Option("--config", help="The running device's scrubcam.toml.")]

roles_app = typer.Typer(help="Make, change and remove the device's logins.", no_args_is_help=True)
zones_app = typer.Typer(help="Approve field zones.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(roles_app, name="roles")
    app.add_typer(zones_app, name="zones")


@roles_app.callback()
def roles() -> None:
    """Make, change and remove the device's logins. docs/roles.md says who may do what."""


@zones_app.callback()
def zones() -> None:
    """Approve field zones."""


@roles_app.command("set")
def set_login(
    name: Annotated[str, typer.Argument(help="Whose login, e.g. `kim`.")],
    role: Annotated[LoginRole, typer.Option(help="What this person may do.")],
    config: ConfigFile,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: Annotated[
        Path | None, typer.Option(help="Read the new login's passphrase from this file.")
    ] = None,
) -> None:
    """Make a login, or give one another role and passphrase. The first one must be an administrator's."""
    passphrase = read_passphrase(new_passphrase_file, f"New passphrase for {name}", twice=True)
    request_as(_load(config), SetLogin(uuid.uuid4().hex, checked_name(name), role, passphrase), login, passphrase_file)
    out.print(f"[bold]{escape(name)}[/]  {role}")


@roles_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Whose login.")],
    config: ConfigFile,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Remove a login."""
    request_as(_load(config), SetLogin(uuid.uuid4().hex, checked_name(name)), login, passphrase_file)
    out.print(f"[bold]{escape(name)}[/]  removed")


@zones_app.command("approve")
def approve(
    config: ConfigFile,
    login: LoginOption = "",
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Let the configured field zones take effect: faces in them stay visible. Needs the privacy officer."""
    from firmware.recorder.zone_approval import zones_hash

    settings = _load(config)
    if not settings.zones.field:
        raise ConfigError(f"{config} has no field zone", meaning="There is nothing to approve")
    out.print(f"Faces will [bold]not[/] be covered in ({settings.zones.profile} surgery):")
    for zone in settings.zones.field:
        out.print(f"  {escape(zone.name)}  x {zone.x:g}  y {zone.y:g}  w {zone.w:g}  h {zone.h:g}")
    if not yes:
        typer.confirm("Approve exactly these?", abort=True)
    request_as(settings, ApproveZones(uuid.uuid4().hex, zones_hash(settings.zones)), login, passphrase_file)
    out.print("[bold]approved[/]")


def _load(config: Path) -> Config:
    from firmware.config_file import load

    return load(config)
