"""Journal lines as DICOM audit messages and syslog: well-formed, of the schema's shape, bounded, nothing lost."""

from __future__ import annotations

import ast
import base64
import datetime
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from firmware.audit import dicom_codes as codes
from firmware.audit.dicom import MAX_MESSAGE_BYTES, audit_message
from firmware.audit.syslog import frame, syslog_message
from firmware.messages import Event

ROOT = Path(__file__).parents[1]
DEVICE = "or-1"

TEXT = st.text(max_size=60) | st.text(alphabet="&<>\"'\0\x1b\n\t\ufffe\U0001f600", max_size=400)
SCALAR = TEXT | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False)
NAMES = st.sampled_from(["origin", "name", "role", "problem", "reason", "text"]) | st.text(max_size=10)
EVENTS = st.builds(
    Event, seq=st.integers(0, 2**53), id=TEXT, kind=st.sampled_from(sorted(codes.MEANINGS)) | TEXT,
    unix_s=st.floats(), recording_id=st.just("") | TEXT, fields=st.dictionaries(NAMES, SCALAR, max_size=20),
    monotonic_ns=st.integers(0, 2**62), chain=st.just("5f" * 32),
)

CODED = {"csd-code", "codeSystemName", "originalText"}
# What PS3.15 A.5.1 lets stand in an element: attributes it must have, those it may have, its children in their order.
SHAPE: dict[str, tuple[set[str], set[str], str]] = {
    "AuditMessage": (set(), set(), (
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification )*"
    )),
    "EventIdentification": ({"EventDateTime", "EventOutcomeIndicator"}, {"EventActionCode"},
                            "EventID (EventTypeCode )*(EventOutcomeDescription )?"),
    "EventID": (CODED, set(), ""),
    "EventTypeCode": (CODED, set(), ""),
    "EventOutcomeDescription": (set(), set(), ""),
    "ActiveParticipant": ({"UserID", "UserIsRequestor"},
                          {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
                          "(RoleIDCode )*"),
    "RoleIDCode": (CODED, set(), ""),
    "AuditSourceIdentification": ({"AuditSourceID"}, {"AuditEnterpriseSiteID"}, "(AuditSourceTypeCode )*"),
    "AuditSourceTypeCode": ({"csd-code"}, CODED, ""),
    "ParticipantObjectIdentification": (
        {"ParticipantObjectID"},
        {"ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle"},
        "ParticipantObjectIDTypeCode ParticipantObjectName (ParticipantObjectDetail )*"),
    "ParticipantObjectIDTypeCode": (CODED, set(), ""),
    "ParticipantObjectName": (set(), set(), ""),
    "ParticipantObjectDetail": ({"type", "value"}, set(), ""),
}
VALUES = {
    "EventActionCode": {"C", "R", "U", "D", "E"}, "EventOutcomeIndicator": {"0", "4", "8", "12"},
    "UserIsRequestor": {"true", "false"}, "NetworkAccessPointTypeCode": set("12345"),
    "ParticipantObjectTypeCode": set("1234"),
    "ParticipantObjectTypeCodeRole": {str(number) for number in range(1, 27)},
    "ParticipantObjectDataLifeCycle": {str(number) for number in range(1, 16)},
}


def check_shape(element: ET.Element) -> None:
    """Everything that the standard's schema says of the elements we use."""
    must, may, children = SHAPE[element.tag]
    assert must <= set(element.attrib) <= must | may, element.tag
    assert re.fullmatch(children, "".join(f"{child.tag} " for child in element)), element.tag
    for name, value in element.attrib.items():
        assert value in VALUES.get(name, {value}), (name, value)
        assert value == " ".join(value.split()), (name, value)
    if element.tag == "EventIdentification":
        assert datetime.datetime.fromisoformat(element.attrib["EventDateTime"]).tzinfo is not None
    if element.tag == "ParticipantObjectDetail":
        base64.b64decode(element.attrib["value"], validate=True)
    for child in element:
        check_shape(child)


def details(root: ET.Element) -> dict[str, str]:
    return {detail.attrib["type"]: base64.b64decode(detail.attrib["value"]).decode()
            for detail in root.iter("ParticipantObjectDetail")}


def types(root: ET.Element) -> list[str]:
    return [code.attrib["csd-code"] for code in root.iter("EventTypeCode")]


@given(EVENTS)
def test_whatever_a_line_holds_its_message_is_whole_bounded_and_of_the_schemas_shape(event: Event) -> None:
    message = audit_message(event, DEVICE)
    assert len(message) <= MAX_MESSAGE_BYTES
    assert b"\n" not in message
    root = ET.fromstring(message)
    check_shape(root)
    told = details(root)
    assert (told["log.seq"], told["log.chain"]) == (str(event.seq), event.chain)
    assert told["log.monotonic_ns"] == str(event.monotonic_ns)
    assert sum(one.attrib["UserIsRequestor"] == "true" for one in root.iter("ActiveParticipant")) == 1


@given(EVENTS)
def test_the_syslog_header_is_that_of_rfc_5424_and_the_frame_counts_octets(event: Event) -> None:
    message = syslog_message(event, DEVICE)
    header, bom, xml = message.partition(b"\xef\xbb\xbf")
    assert bom
    assert len(message) < 8192
    assert re.fullmatch(rb"<8[2-5]>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z or-1 scrubcam - DICOM\+RFC3881 - ", header)
    ET.fromstring(xml)
    length, _, rest = frame(message).partition(b" ")
    assert (int(length), rest) == (len(rest), message)


def test_the_fields_of_a_line_are_in_its_message_and_long_ones_say_that_they_were_cut() -> None:
    event = Event(7, "id-7", "refused", 1_700_000_000.25, "", {"reason": "consent: none", "n": 3, "on": True},
                  12, "aa" * 32)
    root = ET.fromstring(audit_message(event, DEVICE))
    assert details(root) == {"log.seq": "7", "log.chain": "aa" * 32, "log.monotonic_ns": "12",
                             "reason": "consent: none", "n": "3", "on": "True"}
    assert root.find("EventIdentification").attrib["EventDateTime"] == "2023-11-14T22:13:20.250Z"  # type: ignore[union-attr]
    assert root.findtext("EventIdentification/EventOutcomeDescription") == "consent: none"
    long = Event(8, "id-8", "fault", 1.0, "", {"problem": "ö" * 5000})
    assert details(ET.fromstring(audit_message(long, DEVICE)))["problem"].endswith("ö ... (cut)")
    many = Event(9, "id-9", "fault", 1.0, "", {f"f{n}": n for n in range(20)})
    assert details(ET.fromstring(audit_message(many, DEVICE)))["log.fields_left_out"] == "4"


def test_a_login_names_the_person_the_role_and_the_unit() -> None:
    event = Event(1, "id", "login", 1.0, "", {"origin": "kim", "role": "privacy-officer", "uid": 5})
    root = ET.fromstring(audit_message(event, DEVICE))
    person, unit = root.findall("ActiveParticipant")
    assert (person.attrib["UserID"], person.attrib["UserIsRequestor"]) == ("kim", "true")
    assert person.find("RoleIDCode").attrib["csd-code"] == "privacy-officer"  # type: ignore[union-attr]
    assert (unit.attrib["UserID"], unit.attrib["UserIsRequestor"]) == ("scrubcam@or-1", "false")
    assert root.find("EventIdentification/EventID").attrib["csd-code"] == "110114"  # type: ignore[union-attr]
    assert types(root) == ["110122", "login"]


def test_a_kind_nobody_mapped_is_told_under_its_own_name_and_claims_nothing() -> None:
    root = ET.fromstring(audit_message(Event(1, "id", "teapot-boiled", 1.0), DEVICE))
    identification = root.find("EventIdentification")
    assert identification is not None
    assert identification.attrib["EventOutcomeIndicator"] == "0"
    assert identification.find("EventID").attrib["csd-code"] == "110100"  # type: ignore[union-attr]
    assert types(root) == ["teapot-boiled"]


def kinds_noted() -> set[str]:
    """The kinds of lines that the firmware writes, read out of its source."""
    found = set()
    for path in (ROOT / "firmware").rglob("*.py"):
        if "pipeline" in path.parts:
            continue  # what it notes are alerts to the recorder
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
                    and node.func.attr in ("journal", "Journal", "note", "_note", "_tell")):
                kind = node.args[0]
                either = (kind.body, kind.orelse) if isinstance(kind, ast.IfExp) else (kind,)
                found |= {part.value for part in either
                          if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


def test_every_kind_of_line_that_the_recorder_writes_has_its_meaning() -> None:
    noted = kinds_noted()
    assert {"boot", "sealed", "refused", "login", "denied", "consent", "paused", "resumed"} <= noted
    assert noted - set(codes.MEANINGS) == set()


def test_the_page_shows_the_table_of_the_code() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    rows = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            for kind in re.findall(r"`([a-z-]+)`", cells[0]):
                rows[kind] = tuple(cells[1:])
    assert rows == {
        kind: (f"{m.event.value} {m.event.meaning}, {m.action}", f"{m.type.value} {m.type.meaning}" if m.type else "-",
               str(m.outcome))
        for kind, m in codes.MEANINGS.items()
    }


def test_one_code_has_one_meaning() -> None:
    known = [value for value in vars(codes).values() if isinstance(value, codes.Code)]
    for one, other in pairwise(sorted(known, key=lambda code: (code.scheme, code.value))):
        assert (one.scheme, one.value) != (other.scheme, other.value)
