"""What is not as it was at the last start: the software and the configuration, as lines of the audit log.

A small file keeps what the last start noted. It and the lines hold hashes of settings, never their values: an address
may carry a password. The hashes are salted for this device, so that nobody who gets them can try values out.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from firmware.config import Config
from firmware.durable import write_durably
from firmware.errors import DiskFault
from firmware.json_data import decode_json
from firmware.log import get_logger
from firmware.recorder.machine_types import Scalar

FILE_NAME = "last-start.json"
_MOST_NAMED = 20

log = get_logger("start-notes")


class LastStart(Struct, frozen=True):
    """`settings`: "section.key" to the salted hash of its value."""

    software: str
    salt: bytes
    settings: dict[str, str]


def hashes(cfg: Config, salt: bytes) -> dict[str, str]:
    """Every setting's salted hash, by "section.key"."""
    return {
        f"{section}.{key}": hashlib.sha256(salt + msgspec.json.encode([section, key, value])).hexdigest()
        for section, settings in msgspec.to_builtins(cfg).items() for key, value in settings.items()
    }


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The settings that are not as they were, that are new or that are gone; in order of their names."""
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def note_changes(
    state_dir: str, cfg: Config, software: str, tell: Callable[[str, str, dict[str, Scalar]], None]
) -> None:
    """Tell what changed, and then keep what is so now. `tell` returns once its line is on the disk.

    A crash in between tells it twice. Raises DiskFault.
    """
    path = os.path.join(state_dir, FILE_NAME)
    before = _last(path)
    salt = before.salt if before is not None else secrets.token_bytes(16)
    now = LastStart(software, salt, hashes(cfg, salt))
    if now == before:
        return
    if before is None or before.software != software:
        tell("software-changed", "", {"before": before.software if before is not None else "", "after": software})
    keys = changed(before.settings, now.settings) if before is not None else ["all of it: no start was known"]
    if keys:
        left = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
        whole = hashlib.sha256(salt + msgspec.json.encode(sorted(now.settings.items()))).hexdigest()
        tell("configuration-changed", "", {"settings": ", ".join(keys[:_MOST_NAMED]) + left, "salted_sha256": whole})
    write_durably(path, msgspec.json.encode(now))


def _last(path: str) -> LastStart | None:
    """None where no start is known. Raises DiskFault."""
    try:
        with open(path, "rb") as file:
            return decode_json(file.read(), LastStart)
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.error("last-start-damaged", path=path, error=str(error), meaning="everything counts as changed")
        return None
    except OSError as error:
        raise DiskFault(f"{path} cannot be read ({error.strerror})", todo="check the disk that holds state_dir"
                        ) from error
