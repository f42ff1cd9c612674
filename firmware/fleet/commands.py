"""Reads what came over the command topic: a Command for the recorder, a refusal, or nothing. Pure; trusts no byte."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from firmware.fleet.topics import MAX_COMMAND_BYTES, FleetCommand
from firmware.messages import Command, Consent


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command does not reach the recorder; `id` is "" where none could be read."""

    id: str
    reason: str


class _OnlyId(Struct):
    id: str = ""


def read_command(
    payload: bytes, *, retained: bool, expiry_s: int | None, now_unix_s: float
) -> Command | Refusal | None:
    """What to do with one message of the command topic; `expiry_s` is what is left of its MQTT message expiry.

    None for the empty retained message with which a retained one is cleared. A retained command is refused: it
    would fire again at every reconnect.
    """
    if retained:
        return Refusal(_id_of(payload), "a command must not be retained") if payload else None
    if len(payload) > MAX_COMMAND_BYTES:
        return Refusal("", f"the command has {len(payload)} bytes; allowed are {MAX_COMMAND_BYTES}")
    try:
        asked = msgspec.json.decode(payload, type=FleetCommand)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return Refusal(_id_of(payload), _what_was_wrong(str(error)))
    if expiry_s == 0 or (asked.expires_unix_s is not None and now_unix_s >= asked.expires_unix_s):
        return Refusal(asked.id, "the command has expired")
    if (asked.verb == "consent") != (asked.consent is not None):
        return Refusal(asked.id, 'the verb "consent" needs the field consent, and no other verb may have it')
    if (asked.verb in ("enter", "leave")) != bool(asked.moment):
        return Refusal(asked.id, 'the verbs "enter" and "leave" need the field moment, and no other verb may have it')
    if asked.surgeon and asked.verb != "surgeon":
        return Refusal(asked.id, 'only the verb "surgeon" may have the field surgeon')
    consent = Consent(**msgspec.structs.asdict(asked.consent)) if asked.consent is not None else None
    return Command(
        asked.id, asked.verb, origin="mqtt", note=asked.note, consent=consent, moment=asked.moment,
        surgeon=asked.surgeon,
    )


def _what_was_wrong(error: str) -> str:
    """The decoder's words without what was sent: they are logged and answered, and a wrong field may hold a name."""
    if "unknown field `patient_ref`" in error:
        return "consent: the link to the patient's record (patient_ref) is taken on the unit's own socket only"
    told = re.sub(r"Invalid enum value .* - at `", "Invalid value - at `", error, flags=re.DOTALL)
    told = re.sub(r"unknown field `.*?`( - at `|$)", r"an unknown field\1", told, flags=re.DOTALL)
    return f"not a command: {told[:200]}"


def _id_of(payload: bytes) -> str:
    """The id of a command that is wrong otherwise, so that its sender can tell which one was refused."""
    if len(payload) > MAX_COMMAND_BYTES:
        return ""
    try:
        found = msgspec.json.decode(payload, type=_OnlyId).id
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""
    return found if len(found) <= 64 else ""
