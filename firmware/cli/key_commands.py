"""`scrubcam keys`: the archive's key pairs, and the site's device CA."""

from __future__ import annotations

import datetime
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


keys_app = typer.Typer(help="Make archive keys and certify devices.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(keys_app, name="keys")


@keys_app.callback()
def keys() -> None:
    """Make archive keys and certify devices."""


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

    _check_place(name, folder)
    secret = _new_passphrase(passphrase)
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


@keys_app.command("device-ca")
def device_ca(
    name: Annotated[str, typer.Argument(help="Name of the files: makes NAME.pem and NAME.key.")] = "device-ca",
    title: Annotated[str, typer.Option("--title", help="The CA's name in certificates and reports.")] = "",
    folder: Annotated[Path, typer.Option("--dir", help="Folder for both files.")] = Path("."),
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase and encrypt the CA's key with it.")
    ] = False,
) -> None:
    """Make a site's device CA: NAME.key certifies devices, NAME.pem is what `verify --ca` checks against."""
    from firmware.vault.device_certificates import new_device_ca

    _check_place(name, folder)
    called = _certificate_name(title or name)
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    new_device_ca(str(key), str(certificate), called, _now(), _new_passphrase(passphrase))
    out.print(f"[bold]{escape(str(certificate))}[/]  certificate: give it to everyone who checks recordings")
    out.print(f"[bold red]{escape(str(key))}[/]  key: whoever has it can pass any device off as this site's. "
              "[bold]It never goes on a device.[/]")


@keys_app.command("certify")
def certify(
    device: Annotated[Path, typer.Argument(metavar="DEVICE", help="A device's request (NAME.csr) or device.pub.")],
    ca: Annotated[Path, typer.Option("--ca", help="The CA's certificate; its key is beside it, NAME.key.")],
    name: Annotated[str, typer.Option("--name", help="The device's name, as in its configuration.")],
    ca_key: Annotated[Path | None, typer.Option("--ca-key", help="The CA's key, where it is elsewhere.")] = None,
    out_crt: Annotated[Path | None, typer.Option("-o", "--out", help="The certificate; default: DEVICE.crt.")] = None,
) -> None:
    """Certify a device: the certificate goes into the device's state folder as device.crt."""
    from firmware.vault.device_certificates import certify_device, is_protected, load_device_ca

    key, target = ca_key or ca.with_suffix(".key"), out_crt or device.with_suffix(".crt")
    secret = typer.prompt("Passphrase", hide_input=True) if is_protected(str(key)) else None
    certify_device(load_device_ca(str(key), str(ca), secret), str(device), _certificate_name(name), str(target), _now())
    out.print(f"[bold]{escape(str(target))}[/]  certificate of {escape(name)}: put it into the device's state folder "
              "as device.crt")


def _check_place(name: str, folder: Path) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a key pair", meaning="Nothing was made",
                          todo="use letters, digits, '_', '-' and '.'; give the folder with --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_fault(error, str(folder), "making") from error


def _certificate_name(name: str) -> str:
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise ConfigError(f"{name!r} is no name for a certificate", meaning="Nothing was made",
                          todo="use 1 to 64 printable characters")
    return name


def _new_passphrase(wanted: bool) -> str | None:
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)) if wanted else None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
