"""Small files of a device's state for fuzzing: ledger, timestamps, logins, approvals, the exported audit log.

The device writes them itself. But a disk damages what it likes, and whoever has had it in his hands too.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import rfc3161_client as tsp
from cryptography import x509
from msgspec.structs import replace

from firmware.audit import chain, dicom, log_file, syslog
from firmware.config import Zone, Zones
from firmware.errors import DamagedRecording, DiskFault, TimestampFault
from firmware.messages import Event, TimestampWanted
from firmware.recorder import logins, zone_approval
from firmware.vault import timestamps
from firmware.vault.attachments import Timestamp
from firmware.vault.device_certificates import read_certificates
from firmware.vault.ledger import Ledger
from firmware.vault.reader import Recording
from firmware.vault.survey import look_at
from firmware.vault.timestamp_store import TimestampStore
from tests.fuzz.sealed import DEVICE, FOLDER, GOLDEN, told_well

ID = "abcdefgh"
ZONES = Zones(field=[Zone("field", 0.1, 0.1, 0.5, 0.5)], profile="eye")
PASSPHRASE = "correct horse battery"


# ---- timestamps ----------------------------------------------------------------------------------


@functools.cache
def stamped() -> tuple[bytes, Timestamp]:
    """A chain value and the token over it that a real authority gave, from the golden vectors."""
    with Recording.open(str(GOLDEN / "timestamped.scrub")) as recording:
        report = recording.verify()
    return report.chain_values["end"], report.timestamps[-1]


def answer_seeds() -> list[bytes]:
    """Whole answers of an authority: granted, and refused."""
    body = bytes.fromhex("3003020100") + stamped()[1].token
    return [b"\x30\x82" + len(body).to_bytes(2, "big") + body, bytes.fromhex("30053003020102")]


def timestamp_answer(data: bytes) -> None:
    """What an authority answers, or somebody in its place."""
    value, _ = stamped()
    request = timestamps.TimestampRequest(value, _nonce(), b"")
    try:
        token = timestamps.token_of(data, request)
    except TimestampFault as fault:
        told_well(fault)
        return
    assert timestamps.covers(token, value)


def timestamp_token(data: bytes) -> None:
    """A token in a file or from the agent. No change of it is signed by the authority."""
    value, known = stamped()
    try:
        told = timestamps.token_info(data)
        problem = timestamps.signature_problem(data, value, _authorities())
        covered = timestamps.covers(data, value)
    except TimestampFault as fault:
        told_well(fault)
        return
    assert problem or (covered and told == timestamps.token_info(known.token))


def timestamp_files(data: bytes) -> None:
    """A request and a token in the recorder's folder."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        for name in (f"{ID}.start.wanted", f"{ID}.end.token", "other.end.wanted"):
            Path(folder, name).write_bytes(data)
        store = TimestampStore(folder)
        waiting, kept = store.waiting(9), store.of(ID)
        assert len(waiting) in (0, 2)
        assert len(kept) <= 1
        try:
            store.answer(ID, "start", stamped()[1].token)
        except TimestampFault as fault:
            told_well(fault)
        store.forget(ID)
        assert [path.name for path in Path(folder).iterdir()] == ["other.end.wanted"]


def timestamp_file_seeds() -> list[bytes]:
    """A file of each kind."""
    value, known = stamped()
    return [msgspec.json.encode(TimestampWanted(ID, "start", 3, value)), msgspec.json.encode(known)]


@functools.cache
def _authorities() -> list[x509.Certificate]:
    return list(read_certificates(str(GOLDEN / "keys" / "tsa-ca.pem")))


@functools.cache
def _nonce() -> int:
    nonce = tsp.decode_timestamp_response(answer_seeds()[0]).tst_info.nonce
    assert nonce is not None
    return nonce


# ---- ledger, logins, approvals -------------------------------------------------------------------


def ledger(data: bytes) -> None:
    """Each kind of file in the ledger. What is damaged is never taken for a hand-over."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        for name in ("handover.0", "hold", "deleting"):
            Path(folder, f"{ID}.{name}").write_bytes(data)
        found = Ledger(folder)
        for read in (lambda: found.handovers(ID), lambda: found.marked(ID, "hold"), lambda: look_at(folder, ID, found)):
            try:
                read()
            except DiskFault as fault:
                told_well(fault)


def survey(data: bytes) -> None:
    """A recording as retention and hand-over see it: every file has a state, and what is damaged is not closed."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, f"{ID}.scrub").write_bytes(data)
        found = look_at(folder, ID, Ledger(folder))
        assert found is not None
        assert found.state in ("sealed", "interrupted", "unfinished", "damaged")
        assert bool(found.chain) == (found.state in ("sealed", "interrupted"))


def logins_file(data: bytes) -> None:
    """logins.json: opened by the passphrase it holds, or a fault; never an empty list."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, logins.FILE_NAME).write_bytes(data)
        try:
            logins.Logins(folder).roles()
            assert logins.Logins(folder, cost_n=16).role_of("root", "wrong passphrase") is None
        except DiskFault as fault:
            told_well(fault)


def login_seeds() -> list[bytes]:
    """One login."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        assert logins.Logins(folder, cost_n=16).set("root", "administrator", PASSPHRASE) == ""
        return [Path(folder, logins.FILE_NAME).read_bytes()]


def approval(data: bytes) -> None:
    """The approval of field zones: only the one that was given lets faces be seen."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, zone_approval.FILE_NAME).write_bytes(data)
        found = zone_approval.load(folder)
        given = zone_approval.problem(found, ZONES, DEVICE) == ""
        assert not given or (found is not None and (found.by, found.unix_s) == ("kim", 1.5))


def approval_seeds() -> list[bytes]:
    """One approval."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        zone_approval.approve(folder, ZONES, DEVICE, "kim", 1.5)
        return [Path(folder, zone_approval.FILE_NAME).read_bytes()]


# ---- audit log -----------------------------------------------------------------------------------


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


def line_seeds() -> list[bytes]:
    """Lines of the log."""
    event = Event(3, "id", "deleted", 1.5, "abc", {"reason": "time-over", "files": 2, "share": 0.5, "on": True})
    failed = replace(event, kind="recovered", fields={"problem": "disk \x00 <&> \ud7ff", "origin": "kim"})
    return [chain.line_of(event), chain.line_of(failed), json.dumps({"seq": 1}).encode()]

