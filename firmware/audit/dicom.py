"""A line of the journal as a DICOM audit message: the XML of PS3.15 A.5.1. Pure.

The journal holds no patient data, so neither does a message: the objects of an event are the recording, by its opaque
id, and the line of the log itself, by its number, its chain value and its fields.
"""

from __future__ import annotations

import base64
import datetime
import re
from xml.etree import ElementTree as ET

from firmware.audit.dicom_codes import (
    APPLICATION_ROLE,
    LINE,
    LOG_USED,
    OWN_SCHEME,
    RECORDING,
    URI,
    Code,
    Meaning,
    Outcome,
    meaning_of,
)
from firmware.messages import Event

MAX_MESSAGE_BYTES = 8000
"""With its header a message stays below 8192 bytes, which every receiver should take (RFC 5425, 4.3.1)."""
_MOST_FIELDS = 16
_FIELDS_BYTES = 2400
_TEXT_CHARACTERS = 120
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_ACTORS = ("origin", "name")
"""The fields of a line that name a person or a role."""


def audit_message(event: Event, device: str) -> bytes:
    """The message for one line, UTF-8 XML in one line of text, at most MAX_MESSAGE_BYTES.

    Field values that are too long are cut and say so: the journal, whose line the message names, has them whole.
    """
    message = _encoded(event, device, _details(event))
    if len(message) > MAX_MESSAGE_BYTES:
        message = _encoded(event, device, {"log.fields_left_out": str(len(event.fields))})
    return message


def outcome_of(event: Event) -> Outcome:
    """EventOutcomeIndicator: the table's; a line that names a problem, or says that it was refused, is no success."""
    failed = bool(event.fields.get("problem")) or event.fields.get("ok") is False
    return meaning_of(event.kind).outcome or (4 if failed else 0)


def when(unix_s: float) -> str:
    """UTC, RFC 3339 with milliseconds (also an xsd:dateTime). A time no calendar has is the epoch."""
    try:
        at = datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        at = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.").zfill(20) + f"{at.microsecond // 1000:03d}Z"


def _encoded(event: Event, device: str, details: dict[str, str]) -> bytes:
    meaning = meaning_of(event.kind)
    root = ET.Element("AuditMessage")
    _event(root, event, meaning)
    _participants(root, event, device)
    source = ET.SubElement(root, "AuditSourceIdentification", {"AuditSourceID": _text(device)})
    ET.SubElement(source, "AuditSourceTypeCode", {"csd-code": "2"})  # data acquisition device or instrument
    if event.recording_id:
        _object(root, RECORDING, _text(event.recording_id), "3", "Sealed recording", {}, meaning.life_cycle)
    if meaning.event is LOG_USED:
        _object(root, URI, f"urn:scrubcam:{_text(device)}:journal", "13", "Security Audit Log", {})
    numbers = {"log.seq": str(event.seq), "log.chain": event.chain, "log.monotonic_ns": str(event.monotonic_ns)}
    _object(root, LINE, _text(event.id), "13", f"Line {event.seq}", numbers | details)
    return (_DECLARATION + ET.tostring(root, encoding="unicode")).encode()


def _event(root: ET.Element, event: Event, meaning: Meaning) -> None:
    outcome = outcome_of(event)
    identification = ET.SubElement(root, "EventIdentification", {
        "EventActionCode": meaning.action, "EventDateTime": when(event.unix_s), "EventOutcomeIndicator": str(outcome),
    })
    _code(identification, "EventID", meaning.event)
    if meaning.type is not None:
        _code(identification, "EventTypeCode", meaning.type)
    _code(identification, "EventTypeCode", Code(event.kind, OWN_SCHEME, event.kind.replace("-", " ")))
    why = event.fields.get("problem") or event.fields.get("reason") or event.fields.get("text")
    if outcome and why:
        ET.SubElement(identification, "EventOutcomeDescription").text = _text(str(why))


def _participants(root: ET.Element, event: Event, device: str) -> None:
    """Who asked for it, where the line says so, and the unit's own software."""
    actor = next((str(event.fields[name]) for name in _ACTORS if event.fields.get(name)), "")
    if actor:
        person = ET.SubElement(root, "ActiveParticipant", {"UserID": _text(actor), "UserIsRequestor": "true"})
        role = event.fields.get("role")
        if role:
            _code(person, "RoleIDCode", Code(str(role), OWN_SCHEME, str(role)))
    unit = ET.SubElement(root, "ActiveParticipant", {
        "UserID": f"scrubcam@{_text(device)}", "UserIsRequestor": "false" if actor else "true",
        "NetworkAccessPointID": _text(device), "NetworkAccessPointTypeCode": "1",  # a machine's name
    })
    _code(unit, "RoleIDCode", APPLICATION_ROLE)


def _object(
    root: ET.Element, kind: Code, identity: str, role: str, name: str, details: dict[str, str], life_cycle: str = ""
) -> None:
    """A system object (type 2). Role 3: a persistent document; 13: a security resource."""
    thing = ET.SubElement(root, "ParticipantObjectIdentification", {
        "ParticipantObjectID": identity, "ParticipantObjectTypeCode": "2", "ParticipantObjectTypeCodeRole": role,
    })
    if life_cycle:
        thing.set("ParticipantObjectDataLifeCycle", life_cycle)
    _code(thing, "ParticipantObjectIDTypeCode", kind)
    ET.SubElement(thing, "ParticipantObjectName").text = name
    for detail, value in details.items():
        ET.SubElement(thing, "ParticipantObjectDetail", {
            "type": detail, "value": base64.b64encode(value.encode("utf-8", "replace")).decode("ascii"),
        })


def _code(parent: ET.Element, element: str, code: Code) -> None:
    ET.SubElement(parent, element, {
        "csd-code": _text(code.value), "codeSystemName": code.scheme, "originalText": _text(code.meaning),
    })


def _details(event: Event) -> dict[str, str]:
    """The line's fields as text, each cut to its share of what fits."""
    share = _FIELDS_BYTES // max(1, min(len(event.fields), _MOST_FIELDS))
    found = {_text(name): _cut(str(value), share) for name, value in list(event.fields.items())[:_MOST_FIELDS]}
    if len(event.fields) > _MOST_FIELDS:
        found["log.fields_left_out"] = str(len(event.fields) - _MOST_FIELDS)
    return found


def _cut(text: str, most_bytes: int) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text
    return data[:most_bytes].decode("utf-8", "ignore") + " ... (cut)"


def _text(text: str) -> str:
    """What may stand in XML and in one line of a log: no control characters, white space collapsed, bounded."""
    clean = " ".join(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text).split())
    return clean if len(clean) <= _TEXT_CHARACTERS else clean[:_TEXT_CHARACTERS] + " ... (cut)"
