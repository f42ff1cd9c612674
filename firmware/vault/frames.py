"""Reads frames off a sealed file and judges each one without any decryption key. Memory does not grow with the file.

The only judge of frames: verify, info, export and recovery all walk with it. Writes nothing.
"""

from __future__ import annotations

import functools
import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from firmware.json_data import decode_json
from firmware.vault.device_key import signature_holds
from firmware.vault.format import (
    CHAIN_BYTES,
    FRAME,
    MARKER,
    MAX_META_BYTES,
    MAX_PAYLOAD_BYTES,
    SIGNATURE_BYTES,
    TAG_BYTES,
    Flag,
    RecordType,
    signed_bytes,
)
from firmware.vault.read_ahead import AHEAD, Buffers, ReadAhead
from firmware.vault.records import CONTENT_TYPES, END_STATES, META_TYPES

_CHUNK = 1 << 18
_SEARCHED = 1 << 20
_NUMBER = struct.Struct(">HHQII")
"""A record's first bytes without its marker."""
_KNOWN_FLAGS = int(Flag.ENCRYPTED | Flag.CRITICAL)
_SIGNED_TYPES = (RecordType.SIGNATURE, RecordType.END)


ProblemKind = Literal["damaged", "torn", "unsupported"]
"""torn: the file simply ends here, as after a power cut. unsupported: only a newer reader can tell."""


class StoredProblem(Exception):
    """The first thing wrong in a file: where ("record 5", "attachment 0"), byte offset, a sentence."""

    def __init__(self, place: str, offset: int, text: str, kind: ProblemKind = "damaged") -> None:
        super().__init__(text)
        self.place, self.offset, self.text, self.kind = place, offset, text, kind

    def __str__(self) -> str:
        return f"{self.place} at byte {self.offset}: {self.text}"


class FrameProblem(StoredProblem):
    """A record is not as it was written."""

    def __init__(self, seq: int, offset: int, text: str, kind: ProblemKind = "damaged") -> None:
        super().__init__(f"record {seq}", offset, text, kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole record as stored. `public` is its decoded public data, None for an unknown type.

    `payload` holds only until the next frame is asked for.
    """

    seq: int
    kind: int
    flags: int
    offset: int
    head: bytes
    payload_bytes: int
    payload: bytes | memoryview
    before: bytes
    chain: bytes
    public: Any

    @property
    def end(self) -> int:
        return self.offset + len(self.head) + self.payload_bytes + CHAIN_BYTES


def walk(
    handle: int, start: int, size: int, chain: bytes, device: bytes, *, seq: int = 0, payloads: bool = False,
    hashed: bool = True, ahead: bool = False,
) -> Iterator[Frame]:
    """All frames from byte `start` to the end record, or else to `size`, each one checked. Raises FrameProblem.

    `device` is the raw public key whose signatures count. `payloads` keeps each payload in `Frame.payload`
    (signatures are always kept). Without `hashed` neither chain nor signatures are checked, and a payload that is not
    kept is not read: for a quick look, or where the content's own tag is the proof. The first frame is number `seq`.

    `ahead`: for whom wants them all; large ones are read and hashed ahead, on two threads. Each needs of the one before
    only the chain value that stands in front of it, and that one's own check says whether it is right.
    """
    buffers = Buffers()
    queue: ReadAhead[Frame] = ReadAhead(AHEAD if ahead else 1)
    with queue:
        offset, number = start, seq  # of the next one to read; `chain` is that before the next one to give
        while True:
            while offset < size and queue.room:
                lengths = _lengths(handle, offset)
                payload_bytes, end = lengths[2:] if lengths else (0, size)
                before = chain if offset == start else os.pread(handle, CHAIN_BYTES, offset - CHAIN_BYTES)
                there = end <= size  # a damaged length may claim much that is not there to be read
                into = buffers.take(payload_bytes) if payloads and there else None
                read = functools.partial(_read, handle, offset, size, before, number, into, hashed)
                queue.put(read, payload_bytes if there and (hashed or payloads) else 0)
                offset, number = end, number + 1
            if queue.empty:
                return
            frame = queue.get()
            if frame.before != chain:
                raise FrameProblem(frame.seq, frame.offset, "the file was changed while it was read")
            _judge(frame, device if hashed else None)
            chain = frame.chain
            yield frame
            if isinstance(frame.payload, memoryview):
                buffers.give_back(frame.payload)
            if frame.kind == RecordType.END:
                return  # what follows are attachments


def heads(handle: int, start: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(record number, type, offset) of each record, from `start` to the end record. Proves nothing.

    Reads the 20 bytes that hold number and lengths and nothing else: the quickest way through a file without an index.
    Raises FrameProblem where no record begins, "torn" where the file ends inside one.
    """
    offset, seq = start, 0
    while offset + FRAME.size <= size:
        lengths = _lengths(handle, offset)
        kind, stored_seq, _, end = lengths or (0, -1, 0, 0)
        if stored_seq != seq:
            raise FrameProblem(seq, offset, "no record begins where one should")
        if end > size:
            raise FrameProblem(seq, offset, f"the file ends {end - size} bytes before the record does", "torn")
        yield seq, kind, offset
        if kind == RecordType.END:
            return
        seq, offset = seq + 1, end


def _lengths(handle: int, offset: int) -> tuple[int, int, int, int] | None:
    """(type, record number, payload length, end) as a record's first bytes say; None where the file ends before."""
    first = os.pread(handle, _NUMBER.size, offset + len(MARKER))
    if len(first) < _NUMBER.size:
        return None
    kind, _, seq, meta_bytes, payload_bytes = _NUMBER.unpack(first)
    return kind, seq, payload_bytes, offset + FRAME.size + meta_bytes + payload_bytes + CHAIN_BYTES


def whole_frames_after(handle: int, offset: int, size: int, device: bytes) -> Iterator[Frame]:
    """Whole frames behind a damaged place, found by their marker and by the chain value stored before them."""
    search = offset + 1
    while (found := _find(handle, search, size)) >= 0:
        search = found + 1
        try:
            frame = single_frame(handle, found, size, device)
        except FrameProblem:
            continue
        yield frame
        search = frame.end  # the next frame begins here, if it is whole


def single_frame(handle: int, offset: int, size: int, device: bytes) -> Frame:
    """The frame at `offset`, checked with the chain value stored before it. Raises FrameProblem."""
    if offset < CHAIN_BYTES:
        raise FrameProblem(-1, offset, "no record begins where one should")
    frame = _read(handle, offset, size, os.pread(handle, CHAIN_BYTES, offset - CHAIN_BYTES), None, None, True)
    _judge(frame, device)
    return frame


def _find(handle: int, offset: int, size: int) -> int:
    while offset < size:
        chunk = os.pread(handle, _SEARCHED, offset)
        if not chunk:
            return -1
        at = chunk.find(MARKER)
        if at >= 0:
            return offset + at
        offset += max(1, len(chunk) - len(MARKER) + 1)
    return -1


def _read(
    handle: int, offset: int, size: int, before: bytes, seq: int | None, into: memoryview | None, hashed: bool
) -> Frame:
    """One frame with a right chain value; `seq` None accepts any number. `into`: where its payload is to be kept."""
    number = -1 if seq is None else seq
    fixed = os.pread(handle, FRAME.size, offset)
    if len(fixed) < FRAME.size:
        raise FrameProblem(number, offset, "the file ends inside the record's first bytes", "torn")
    marker, kind, flags, stored_seq, meta_bytes, payload_bytes = FRAME.unpack(fixed)
    if marker != MARKER:
        raise FrameProblem(number, offset, "no record begins where one should")
    if meta_bytes > MAX_META_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise FrameProblem(number, offset, "the record claims an impossible length")
    end = offset + FRAME.size + meta_bytes + payload_bytes + CHAIN_BYTES
    if end > size:
        raise FrameProblem(number, offset, f"the file ends {end - size} bytes before the record does", "torn")
    head = fixed + os.pread(handle, meta_bytes, offset + FRAME.size)
    digest = hashlib.sha256(before)
    digest.update(head)
    payload: bytes | memoryview = b"" if into is None else into
    if into is None and kind in _SIGNED_TYPES and payload_bytes <= SIGNATURE_BYTES:
        payload = os.pread(handle, payload_bytes, offset + len(head))
    _payload(handle, offset + len(head), payload_bytes, digest, into, hashed)
    chain = os.pread(handle, CHAIN_BYTES, end - CHAIN_BYTES)
    if hashed and digest.digest() != chain:
        raise FrameProblem(number, offset, "the record was altered, or does not follow the one before it")
    if seq is not None and stored_seq != seq:
        raise FrameProblem(number, offset, f"record {stored_seq} stands where record {seq} should")
    return Frame(stored_seq, kind, flags, offset, head, payload_bytes, payload, before, chain,
                 _public(kind, head, stored_seq, offset))


def _payload(handle: int, offset: int, length: int, digest: Any, into: memoryview | None, hashed: bool) -> None:
    """Hash a payload and keep it in `into`. What a file that shrinks meanwhile does not give fits no digest, no tag."""
    buffer = into if into is not None else memoryview(bytearray(min(length, _CHUNK)))
    done = 0 if hashed or into is not None else length
    while done < length:
        piece = buffer[done if into is not None else 0 :][: min(_CHUNK, length - done)]
        count = os.preadv(handle, [piece], offset + done)
        if not count:
            break
        if hashed:
            digest.update(piece[:count])
        done += count


def _public(kind: int, head: bytes, seq: int, offset: int) -> Any:
    model = META_TYPES.get(kind)
    if model is None:
        return None
    try:
        return decode_json(head[FRAME.size :], model)
    except ValueError as error:
        raise FrameProblem(seq, offset, f"the record's public data cannot be read ({error})") from error


def _judge(frame: Frame, device: bytes | None) -> None:
    """Raise FrameProblem unless flags, type and (if it has one) signature are right."""
    encrypted = bool(frame.flags & Flag.ENCRYPTED)
    if frame.flags & ~_KNOWN_FLAGS:
        raise FrameProblem(frame.seq, frame.offset, "the record has flags this software does not know",
                           "unsupported")
    if frame.kind in CONTENT_TYPES:
        if not encrypted or frame.payload_bytes < TAG_BYTES:
            raise FrameProblem(frame.seq, frame.offset, "the record holds content but is not encrypted")
    elif frame.kind in _SIGNED_TYPES:
        if encrypted or frame.payload_bytes != SIGNATURE_BYTES:
            raise FrameProblem(frame.seq, frame.offset, "the signature record has a wrong form")
        signed = signed_bytes(frame.before, frame.head)
        if device is not None and not signature_holds(device, bytes(frame.payload), signed):
            raise FrameProblem(frame.seq, frame.offset, "the signature is not this device's over these records")
        if frame.kind == RecordType.END and frame.public.state not in END_STATES:
            raise FrameProblem(frame.seq, frame.offset, "it ended in a way that this software does not know",
                               "unsupported")
    elif frame.kind == RecordType.INDEX:
        if encrypted or frame.payload_bytes:
            raise FrameProblem(frame.seq, frame.offset, "the index record has a wrong form")
    elif frame.flags & Flag.CRITICAL:
        raise FrameProblem(frame.seq, frame.offset, f"record type {frame.kind} needs a newer scrubcam",
                           "unsupported")
