"""The audit log for fuzzing: an exported log, its lines as DICOM messages, the collector's cursor."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
from msgspec.structs import replace

from firmware.audit import chain, dicom, log_file, syslog
from firmware.audit.cursor import Cursor, next_lines
from firmware.errors import DamagedRecording
from firmware.fleet import audit_client
from firmware.messages import Event, LogLine
from tests.fuzz.sealed import FOLDER, told_well


def audit_export(data: bytes) -> None:
    """An exported audit log: only the one that was signed is whole."""
    with tempfile.NamedTemporaryFile(dir=FOLDER, prefix="scrubcam-fuzz-") as file:
        file.write(data)
        file.flush()
        try:
            rows = list(log_file.read_export(Path(file.name)))
            verdict = chain.verify(rows, lambda signature, _: signature == b"signed")
        except DamagedRecording as fault:
            told_well(fault)
            return
        assert verdict.findings or rows == _ROWS[: len(rows)]


def audit_cursor(data: bytes) -> None:
    """Up to where the collector has the log; what cannot be read is told from the first line on."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        path = Path(folder, audit_client.CURSOR_NAME)
        path.write_bytes(data)
        cursor = audit_client._load(str(path))
        page = [LogLine(row.seq, row.line, row.chain, row.signature) for row in _ROWS if row.seq > cursor.ask_after]
        found = next_lines(cursor, page)
        told = _ROWS[cursor.seq - 1].chain.hex() if cursor.seq in (1, 2) else ""
        assert found.start_over or cursor.seq == 0 or cursor.chain == told or found.problem


def audit_message(data: bytes) -> None:
    """The DICOM message and the syslog frame of a line: well-formed and bounded, whatever stands in the line."""
    try:
        event = chain.event_of(data)
    except (ValueError, RecursionError):
        return
    message = dicom.audit_message(event, "or-1")
    assert len(message) <= dicom.MAX_MESSAGE_BYTES
    assert b"\n" not in message
    ET.fromstring(message)
    framed = syslog.frame(syslog.syslog_message(event, "or-1"))
    length, _, rest = framed.partition(b" ")
    assert int(length) == len(rest) <= 8192


def _row(number: int, before: bytes) -> chain.Row:
    event = Event(number, f"id-{number}", "login", 1.5 + number, "abc", {"origin": "kim", "role": "surgeon"})
    line = chain.line_of(event)
    return chain.Row(number, line, chain.link(before, line), b"signed")


_FIRST = _row(1, chain.START)
_ROWS = [_FIRST, _row(2, _FIRST.chain)]


def audit_seeds() -> list[bytes]:
    """A log of two lines."""
    return [b"".join(log_file.export_text(_ROWS))]


def cursor_seeds() -> list[bytes]:
    """At the first line of that log."""
    return [msgspec.json.encode(Cursor(1, _FIRST.chain.hex()))]


def line_seeds() -> list[bytes]:
    """Lines of the log."""
    event = Event(3, "id", "deleted", 1.5, "abc", {"reason": "time-over", "files": 2, "share": 0.5, "on": True})
    failed = replace(event, kind="recovered", fields={"problem": "disk \x00 <&> \ud7ff", "origin": "kim"})
    return [chain.line_of(event), chain.line_of(failed), json.dumps({"seq": 1}).encode()]
