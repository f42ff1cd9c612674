"""The steps that make a unit: each finds its work done, or does it whole. The configuration comes last.

A crash leaves a unit without a configuration: nothing runs, and the same steps again complete it. An identity that is
there is never replaced; other files only when that was asked for.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware import config_docs
from firmware.config_file import loads
from firmware.durable import make_folder, write_durably
from firmware.errors import ConfigError, DiskFault, KeyFault
from firmware.provision.answers import NONE, Answers
from firmware.vault.device_ca import name_of, raw_key
from firmware.vault.device_certificates import CERTIFICATE_NAME, read_certificates
from firmware.vault.device_key import DeviceKey
from hw.board_definition import names, read_definition

BOARD_NAME = "board.toml"
USER, AGENT_USER = "scrubcam", "scrubcam-agent"
CONFIG_NAME = "scrubcam.toml"
HEAD = """\
This unit's configuration, written by `scrubcam provision`. Change it as you like and restart scrubcam.target;
`scrubcam selftest --config` tells a mistake by its line."""
_ENCODERS = {"jetson": ("h265", "nvv4l2")}


@dataclass(frozen=True, slots=True)
class Places:
    """Where a unit's files are. `installed`: the package's users are there, and we are root."""

    config_dir: Path
    recordings_dir: Path
    state_dir: Path
    run_dir: Path
    models_dir: Path
    installed: bool

    @property
    def config(self) -> Path:
        return self.config_dir / CONFIG_NAME


@dataclass(frozen=True, slots=True)
class Identity:
    """The unit's own key, and where the request for its certificate was put."""

    fingerprint: str
    made: bool
    request: Path


def settings(answers: Answers, places: Places) -> dict[str, object]:
    """What the configuration says beside the defaults: "section.key" -> value."""
    definition = read_definition(answers.board)
    kind = definition.board.kind
    codec, encoder = _ENCODERS.get(kind, ("h264", "x264"))
    recipients = [{"role": "archive", "file": str(places.config_dir / "archive.pub")}]
    if answers.escrow_key != NONE:
        recipients.append({"role": "escrow", "file": str(places.config_dir / "escrow.pub")})
    chosen: dict[str, object] = {
        "device.name": answers.name, "paths.recordings_dir": str(places.recordings_dir),
        "paths.state_dir": str(places.state_dir), "paths.run_dir": str(places.run_dir),
        "paths.models_dir": str(places.models_dir), "source.uri": answers.source, "encode.codec": codec,
        "encode.encoder": encoder, "recorder.recipients": recipients, "board.kind": kind,
        "power.sensors": "sysfs" if kind == "jetson" else "off",
        "board.definition": str(places.config_dir / BOARD_NAME) if _own_board(answers) else answers.board,
        "mqtt.host": answers.broker_host,
    }
    if kind != "sim":
        chosen |= {"power.sensors": "sysfs", "power.hardware_watchdog": bool(definition.watchdog.device)}
    if answers.room:
        chosen["device.room"] = answers.room
    if answers.escrow_key == NONE:
        chosen["recorder.escrow"] = "none"
    if places.installed:
        chosen |= {"access.group": USER, "access.agent_user": AGENT_USER, "selftest.at_boot": True}
    if answers.broker_host:
        chosen["mqtt.port"] = answers.broker_port
        chosen |= {f"mqtt.{setting}": str(places.config_dir / file) for setting, file, given in (
            ("ca_file", "broker-ca.pem", answers.broker_ca), ("cert_file", "broker.pem", answers.broker_certificate),
            ("key_file", "broker.key", answers.broker_key)) if given}
    return chosen


def _own_board(answers: Answers) -> bool:
    """Is the board described in a file of the site's own?"""
    return answers.board not in names()


def configuration(answers: Answers, places: Places) -> str:
    """The whole of scrubcam.toml, checked as at a start. Raises ConfigError."""
    text = config_docs.example(HEAD, settings(answers, places))
    loads(text, str(places.config))
    return text


def provision(answers: Answers, places: Places, say: Callable[[str], None], *, replace: bool = False) -> Identity:
    """All steps, in order, with answers that have been checked. `replace`: files that say something else give way.

    Raises ConfigError, KeyFault, DiskFault.
    """
    text = configuration(answers, places)
    _folders(places)
    had = (places.state_dir / "device.key").exists()
    device = DeviceKey.load_or_create(str(places.state_dir))
    say(f"identity {device.fingerprint}: {'kept, it was there' if had else 'made'}")
    request = places.config_dir / f"{answers.name}.csr"
    put(request, device.certificate_request(answers.name), 0o644, replace=True)  # made of the key: always the same
    if answers.device_certificate:
        take_certificate(answers.device_certificate, places, say, replace=replace)
    for given, name, mode in (
        (answers.archive_key, "archive.pub", 0o640), (answers.escrow_key, "escrow.pub", 0o640),
        (answers.broker_ca, "broker-ca.pem", 0o640), (answers.broker_certificate, "broker.pem", 0o640),
        (answers.broker_key, "broker.key", 0o640), (answers.board if _own_board(answers) else "", BOARD_NAME, 0o640),
    ):
        if given and given != NONE:
            group = (AGENT_USER if name == "broker.key" else USER) if places.installed else ""
            put(places.config_dir / name, _read(given), mode if places.installed else 0o600, replace=replace,
                group=group)
            say(f"{places.config_dir / name}: in place")
    put(places.config, text.encode(), 0o640 if places.installed else 0o600, replace=replace,
        group=USER if places.installed else "")
    say(f"{places.config}: written")
    return Identity(device.fingerprint, not had, request)


def put(path: Path, data: bytes, mode: int, *, replace: bool, group: str = "") -> None:
    """Make `path` hold `data`. Raises ConfigError when it holds something else and may not be replaced, DiskFault."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() != data and not replace:
            raise ConfigError(f"{path} is there and says something else", meaning="It was left as it is",
                              todo="look at it; with --replace the new one takes its place")
    write_durably(str(path), data, mode=mode)
    if group:
        try:
            shutil.chown(path, group=group)
        except (OSError, LookupError) as error:
            raise DiskFault(f"{path} cannot be given to the group {group} ({error})",
                            todo="install the package again: it makes the group") from error


def take_certificate(given: str, places: Places, say: Callable[[str], None], *, replace: bool = False) -> Identity:
    """The device CA's answer to the request, for a unit that has its identity. Raises ConfigError, KeyFault."""
    data, chain = _read(given), read_certificates(given)
    device = DeviceKey.load(str(places.state_dir))
    if raw_key(chain[0]) != device.public:
        raise KeyFault(f"{given} is not the certificate of this unit's key {device.fingerprint}",
                       meaning="Nothing was changed", todo="certify the request that this command wrote, NAME.csr")
    put(places.state_dir / CERTIFICATE_NAME, data, 0o644, replace=replace)
    say(f"certificate of the device CA: {places.state_dir / CERTIFICATE_NAME}")
    return Identity(device.fingerprint, False, places.config_dir / f"{name_of(chain[0])}.csr")


def _folders(places: Places) -> None:
    """Those of a package are there; elsewhere they are made, for their owner alone."""
    for folder in (places.state_dir, places.recordings_dir, places.config_dir):
        try:
            make_folder(str(folder))
        except OSError as error:
            raise DiskFault(f"{folder} cannot be made ({error.strerror})", todo="check the path and its owner; a unit "
                            "is made by root") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DiskFault(f"{path} cannot be read ({error.strerror})", meaning="Nothing was changed",
                        todo="check the path") from error
