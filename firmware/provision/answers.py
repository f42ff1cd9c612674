"""What a site must say to make a unit its own, and the checks of each answer. Reads the files that answers name."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from firmware.errors import ConfigError, KeyFault, ScrubcamError
from firmware.toml_lines import tomllib
from firmware.vault.device_certificates import read_certificates
from firmware.vault.keys import PublicKey
from hw.board_definition import names, read_definition

NONE = "none"


class Answers(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All answers, as in an answers file (TOML). Files are named by their path; empty: not given."""

    name: str = ""
    room: str = ""
    board: str = "sim"
    source: str = ""
    archive_key: str = ""
    escrow_key: str = ""
    broker_host: str = ""
    broker_port: int = 8883
    broker_ca: str = ""
    broker_certificate: str = ""
    broker_key: str = ""
    device_certificate: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """How an answer is asked for. `check` raises ScrubcamError with what is wrong. `needed`: it may not be empty."""

    field: str
    text: str
    check: Callable[[str, Answers], None]
    needed: bool = False
    only_with: str = ""
    """Asked only when this other answer was given."""


def read_answers(path: str | os.PathLike[str]) -> Answers:
    """An answers file. Raises ConfigError: unreadable, no TOML, an unknown or wrong entry."""
    try:
        return msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), Answers)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", meaning="Nothing was changed",
                          todo="check the path") from error
    except (ValueError, RecursionError) as error:  # tables nested too deeply for the parser are no TOML of ours
        raise ConfigError(f"{path}: {error}", meaning="Nothing was changed",
                          todo=f"an answers file has: {', '.join(Answers.__struct_fields__)}") from error


def check_all(answers: Answers) -> None:
    """Every answer, as they would be asked. Raises the first one's fault."""
    for question in QUESTIONS:
        given = str(getattr(answers, question.field))
        if question.only_with and not getattr(answers, question.only_with):
            continue
        if not given and question.needed:
            raise ConfigError(f"no answer to: {question.text}", meaning="Nothing was changed",
                              todo=f"give --{question.field.replace('_', '-')}, or {question.field} in --answers")
        if given:
            question.check(given, answers)


def _name(given: str, _answers: Answers) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", given):
        raise _wrong(f"{given!r} is no name for a unit", "use letters, digits, '_' and '-', at most 63")


def _room(given: str, _answers: Answers) -> None:
    if not given.isprintable() or len(given) > 64:
        raise _wrong("a room is a short text in one line", "give it as the hospital calls it, e.g. OR 3")


def _board(given: str, _answers: Answers) -> None:
    read_definition(given)


def _source(given: str, _answers: Answers) -> None:
    if not given.startswith(("/dev/", "rtsp://", "rtsps://", "scene://")):
        raise _wrong(f"{given!r} is no camera", "give /dev/videoN, rtsp://... or, to try a unit, scene://")


def _archive(given: str, _answers: Answers) -> None:
    _public(given)


def _escrow(given: str, answers: Answers) -> None:
    if given == NONE:
        return
    if answers.archive_key and _public(given).key_id == _public(answers.archive_key).key_id:
        raise KeyFault(f"{given} is the archive's key", meaning="Who loses it loses both",
                       todo="make a second pair and keep it elsewhere, or answer `none`")


def _public(path: str) -> PublicKey:
    """Raises KeyFault; a private key is refused in words of its own, because it must not come near a unit."""
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise KeyFault(f"the key {path} cannot be read ({error.strerror})", todo="check the path") from error
    if "PRIVATE" in text:
        raise KeyFault(f"{path} is a PRIVATE key", meaning="It opens recordings and must never come near a unit",
                       todo="take it away from this machine, and give NAME.pub instead")
    return PublicKey.load(path)


def _port(given: str, _answers: Answers) -> None:
    if not given.isdigit() or not 1 <= int(given) <= 65535:
        raise _wrong(f"{given!r} is no port", "give a number from 1 to 65535")


def _host(given: str, _answers: Answers) -> None:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", given):
        raise _wrong(f"{given!r} is no host", "give the broker's name as in its certificate")


def _certificates(given: str, _answers: Answers) -> None:
    read_certificates(given)


def _broker_key(given: str, answers: Answers) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(answers.broker_certificate, given, password=lambda: "")
    except (OSError, ValueError) as error:
        raise KeyFault(f"{given} is not the key of the certificate {answers.broker_certificate}",
                       todo="name the two files that belong together; the key without a passphrase") from error


def _wrong(what: str, todo: str) -> ScrubcamError:
    return ConfigError(what, meaning="Nothing was changed", todo=todo)


QUESTIONS = (
    Question("name", "The unit's name, as it will stand in every recording (or-1)", _name, needed=True),
    Question("room", "The room it stands in (empty: none)", _room),
    Question("board", f"Its board: {', '.join(names())}, or the path of a definition", _board, needed=True),
    Question("source", "Its camera: /dev/videoN, rtsp://..., or scene:// to try a unit", _source, needed=True),
    Question("archive_key", "The archive's PUBLIC key (archive.pub)", _archive, needed=True),
    Question("escrow_key", "The escrow's PUBLIC key (escrow.pub), or `none` if the site has decided so", _escrow,
             needed=True),
    Question("broker_host", "The fleet manager's broker (empty: none)", _host),
    Question("broker_port", "Its port", _port, only_with="broker_host"),
    Question("broker_ca", "The certificate of the authority that signed the broker's (PEM)", _certificates, needed=True,
             only_with="broker_host"),
    Question("broker_certificate", "The unit's certificate for the broker (PEM; empty: none)", _certificates,
             only_with="broker_host"),
    Question("broker_key", "Its private key (PEM)", _broker_key, needed=True, only_with="broker_certificate"),
    Question("device_certificate", "The unit's certificate from the site's device CA (empty: later)", _certificates),
)
"""In the order in which they are asked."""
