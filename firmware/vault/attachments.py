"""What stands behind a sealed copy's end record: the key envelope and timestamps. Packing, and reading them back."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import msgspec

from firmware.vault.frames import ProblemKind, StoredProblem

MARKER = b"SATT"
FOOT_MARKER = b"TTAS"
HEAD = struct.Struct(">4sHHI")
"""Marker, type, flags (zero), length of the payload."""
FOOT = struct.Struct(">32sI4s")
"""Digest of head and payload, length of the whole attachment, marker."""
MAX_PAYLOAD_BYTES = 16 << 20
_AROUND = HEAD.size + FOOT.size
_SEARCHED_BYTES = 1 << 20


class AttachmentType(IntEnum):
    """What an attachment holds; a reader skips others."""

    KEY_ENVELOPE = 1
    TIMESTAMP = 2


class Timestamp(msgspec.Struct, frozen=True):
    """A time-stamp token (RFC 3161, DER) over the chain value of record number `record`."""

    at: Literal["start", "end"]
    record: int
    token: bytes


_ENVELOPE_MARK = MARKER + struct.pack(">HH", AttachmentType.KEY_ENVELOPE, 0)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One whole attachment: its number from 0, type, byte offset and payload."""

    number: int
    kind: int
    offset: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.payload) + _AROUND


class AttachmentProblem(StoredProblem):
    """An attachment is not as it was written."""

    def __init__(self, number: int, offset: int, text: str, kind: ProblemKind = "damaged") -> None:
        super().__init__(f"attachment {number}", offset, text, kind)


def pack(kind: int, payload: bytes) -> bytes:
    """An attachment's bytes. Raises ValueError when it is too long."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"attachment of {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    head = HEAD.pack(MARKER, kind, 0, len(payload))
    digest = hashlib.sha256(head + payload).digest()
    return head + payload + FOOT.pack(digest, len(payload) + _AROUND, FOOT_MARKER)


def pack_timestamp(timestamp: Timestamp) -> bytes:
    """A timestamp as an attachment's bytes."""
    return pack(AttachmentType.TIMESTAMP, msgspec.json.encode(timestamp))


def walk_attachments(handle: int, offset: int, size: int) -> Iterator[Attachment]:
    """All attachments from the end record's end to the file's. Raises AttachmentProblem at the first bad one."""
    number = 0
    while offset < size:
        attachment = _read(handle, number, offset, size)
        yield attachment
        number, offset = number + 1, attachment.end


def attachments_begin(handle: int, size: int) -> int:
    """Where the attachments begin, found from the file's end; `size` when there is none, or the last is not whole."""
    begin = size
    while begin > _AROUND:
        _, length, marker = FOOT.unpack(os.pread(handle, FOOT.size, begin - FOOT.size))
        if marker != FOOT_MARKER or not _AROUND <= length <= begin:
            break
        try:
            _read(handle, 0, begin - length, begin)
        except AttachmentProblem:
            break
        begin -= length
    return begin


def find_envelope(handle: int, size: int, sha256: str) -> bytes | None:
    """The attached key envelope with that digest (hex), None when there is none.

    Looked for by its marker, because attachments beside it may be damaged or of a kind not known here.
    """
    begin = attachments_begin(handle, size)
    found = _envelope_in(os.pread(handle, size - begin, begin), sha256)
    if found is None:
        begin = max(0, size - _SEARCHED_BYTES)
        found = _envelope_in(os.pread(handle, size - begin, begin), sha256)
    return found


def _envelope_in(data: bytes, sha256: str) -> bytes | None:
    at = -1
    while (at := data.find(_ENVELOPE_MARK, at + 1)) >= 0:
        (length,) = struct.unpack(">I", data[at + HEAD.size - 4 : at + HEAD.size].rjust(4, b"\0"))
        payload = data[at + HEAD.size : at + HEAD.size + length]
        if hashlib.sha256(payload).hexdigest() == sha256:
            return payload
    return None


def _read(handle: int, number: int, offset: int, size: int) -> Attachment:
    head = os.pread(handle, HEAD.size, offset)
    if len(head) < HEAD.size or not head.startswith(MARKER):
        raise AttachmentProblem(number, offset, f"what follows the end of the recording ({size - offset} bytes) is no "
                                "attachment")
    _, kind, flags, length = HEAD.unpack(head)
    if length > MAX_PAYLOAD_BYTES or offset + length + _AROUND > size:
        raise AttachmentProblem(number, offset, "the attachment is longer than the file or than is allowed")
    payload = os.pread(handle, length, offset + HEAD.size)
    foot = os.pread(handle, FOOT.size, offset + HEAD.size + length)
    if foot != FOOT.pack(hashlib.sha256(head + payload).digest(), length + _AROUND, FOOT_MARKER):
        raise AttachmentProblem(number, offset, "the attachment was altered")
    if flags:
        raise AttachmentProblem(number, offset, "the attachment has flags this software does not know",
                                "unsupported")
    return Attachment(number, kind, offset, payload)
