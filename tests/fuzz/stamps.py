"""Timestamps for fuzzing: an authority's answers, tokens, and the recorder's files of them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import msgspec
import rfc3161_client as tsp
from cryptography import x509

from firmware.errors import TimestampFault
from firmware.messages import TimestampWanted
from firmware.vault import timestamps
from firmware.vault.attachments import Timestamp
from firmware.vault.device_certificates import read_certificates
from firmware.vault.reader import Recording
from firmware.vault.timestamp_store import TimestampStore
from tests.fuzz.sealed import FOLDER, GOLDEN, told_well

ID = "abcdefgh"


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
