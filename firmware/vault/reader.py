"""Reads one sealed recording: says what is in it and whether it is whole (no key needed), and opens it with one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware.errors import DamagedRecording
from firmware.messages import Fragment
from firmware.vault.device_key import fingerprint, signature_holds
from firmware.vault.format import (
    PREAMBLE,
    SIGNATURE_BYTES,
    RecordType,
    chain_start,
    header_length,
    header_signed_bytes,
    nonce,
    parse_header,
    wrap_info,
)
from firmware.vault.frames import Frame, FrameProblem, walk, whole_frames_after
from firmware.vault.keys import PrivateKey
from firmware.vault.records import CONTENT_TYPES, Record, decode
from firmware.vault.report import Problem, RecordingInfo, VerifyReport, count, end_problem
from hw.disk import disk_fault

TAIL_BYTES = 4096
"""An end record is some 350 bytes long."""


@dataclass(frozen=True)
class StoredRecord:
    """One opened record: its number, byte offset, type, public data and content."""

    seq: int
    offset: int
    kind: RecordType
    public: Any
    record: Record


class Recording:
    """An open sealed file. Use as a context manager, or call `close`."""

    def __init__(self, handle: int, path: str) -> None:
        self.path = path
        self._handle = handle
        self.size_bytes = os.fstat(handle).st_size
        preamble = os.pread(handle, PREAMBLE.size, 0)
        length = header_length(preamble)
        body = os.pread(handle, length, PREAMBLE.size)
        signature = os.pread(handle, SIGNATURE_BYTES, PREAMBLE.size + length)
        if len(body) < length or len(signature) < SIGNATURE_BYTES:
            raise DamagedRecording(f"{path} ends inside its header", meaning="Nothing was recorded in it")
        self.header = parse_header(body)
        self.start = PREAMBLE.size + length + SIGNATURE_BYTES
        stored = preamble + body
        if not signature_holds(self.device_public, signature, header_signed_bytes(stored)):
            raise DamagedRecording(f"the header of {path} was altered: its signature does not hold",
                                   todo="take another copy of the file")
        self.chain_start = chain_start(stored, signature)

    @classmethod
    def open(cls, path: str) -> Recording:
        """Open and check the header. Raises DamagedRecording (also: not a recording, a newer version), DiskFault."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_fault(error, path, "opening") from error
        try:
            return cls(handle, path)
        except OSError as error:
            os.close(handle)
            raise disk_fault(error, path, "reading") from error
        except BaseException:
            os.close(handle)
            raise

    def close(self) -> None:
        """Release the file; may be called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def device_public(self) -> bytes:
        """The raw Ed25519 key of the device that recorded."""
        return self.header.device.public_key

    @property
    def device_fingerprint(self) -> str:
        return fingerprint(self.device_public)

    def frames(self, *, payloads: bool = False, hashed: bool = True) -> Iterator[Frame]:
        """The stored frames in order, each checked. Raises FrameProblem at the first bad one, DiskFault."""
        try:
            yield from walk(self._handle, self.start, self.size_bytes, self.chain_start, self.device_public,
                            payloads=payloads, hashed=hashed)
        except OSError as error:
            raise disk_fault(error, self.path, "reading") from error

    def frames_after(self, offset: int) -> Iterator[Frame]:
        """Whole frames behind the bad place at `offset`. Raises DiskFault."""
        try:
            yield from whole_frames_after(self._handle, offset, self.size_bytes, self.device_public)
        except OSError as error:
            raise disk_fault(error, self.path, "reading") from error

    def end_record(self) -> Frame | None:
        """The end record, its signature checked, if the file ends with one. Reads nothing else. Raises DiskFault."""
        for frame in self.frames_after(max(self.start, self.size_bytes - TAIL_BYTES) - 1):
            if frame.kind == RecordType.END and frame.end == self.size_bytes:
                return frame
        return None

    def info(self) -> RecordingInfo:
        """What is in the file, from its public data alone; reads no payload. Raises DiskFault."""
        info = RecordingInfo(self.header, self.device_fingerprint, self.size_bytes)
        try:
            for frame in self.frames(hashed=False):
                count(info, frame)
        except FrameProblem as problem:
            info.problem = Problem(problem.seq, problem.offset, problem.text)
            info.state = "unfinished" if problem.torn else "damaged"
        return info

    def verify(
        self, progress: Callable[[int, int], None] | None = None, trusted: frozenset[str] | set[str] | None = None
    ) -> VerifyReport:
        """Read and check every byte, without any key. Raises DiskFault only.

        `progress(done_bytes, total_bytes)` is called along the way. `trusted` holds device fingerprints.
        """
        info = RecordingInfo(self.header, self.device_fingerprint, self.size_bytes)
        signed, live_signed, torn, after, where = 0, 0, 0, 0, self.start
        problem: Problem | None = None
        try:
            for frame in self.frames():
                count(info, frame)
                where = frame.end
                if frame.kind in (RecordType.SIGNATURE, RecordType.END):
                    signed = info.records
                    if frame.kind == RecordType.SIGNATURE or info.state == "sealed":
                        live_signed = signed
                if progress:
                    progress(where, self.size_bytes)
        except FrameProblem as found:
            after = sum(1 for _ in self.frames_after(found.offset))
            problem = Problem(found.seq, found.offset, f"record {found.seq} at byte {found.offset}: {found.text}")
            info.state = "unfinished" if found.torn and not after else "damaged"
            torn = self.size_bytes - found.offset if info.state == "unfinished" else 0
        problem = problem or end_problem(info, where)
        if problem and info.state in ("sealed", "interrupted"):
            info.state = "damaged"
        if info.state == "unfinished":
            problem = Problem(info.records, where, "the recording was never closed: it is still being written, power "
                              f"was lost, or its end was cut off after record {info.records - 1}")
        late = signed - 1 - live_signed if info.state == "interrupted" else 0  # the end record itself is not late
        known = None if trusted is None else self.device_fingerprint in trusted
        if problem is None and known is False:
            problem = Problem(0, 0, f"the device that signed it ({self.device_fingerprint}) is not a trusted one")
        return VerifyReport(
            ok=problem is None, state=info.state, recording_id=self.header.recording_id,
            device_name=self.header.device.name, device_fingerprint=self.device_fingerprint, trusted=known,
            records=info.records, signed_records=signed, late_signed_records=late,
            fragments=info.fragments, frames=info.frames, duration_ns=info.duration_ns, size_bytes=self.size_bytes,
            torn_bytes=torn, records_after=after, end_reason=info.end.reason if info.end else "",
            ended_unix_s=info.end.unix_s if info.end else None, first_problem=problem,
            statement=info.statement,
        )

    def records(self, private_key: PrivateKey, *, tolerant: bool = False) -> Iterator[StoredRecord]:
        """The content records in order, decrypted one at a time; other and unknown types are skipped.

        Raises KeyFault at once when the key does not fit. A damaged file raises DamagedRecording naming the
        record: before the first one, or with `tolerant` after all those before the damage. An unfinished file
        (a torn end) gives every whole record and no error: `verify` tells the difference.
        """
        public = self.device_public
        key = private_key.unwrap(self.header.recipients, wrap_info(self.header.recording_id, public))
        if not tolerant:
            report = self.verify()
            if not report.intact:
                assert report.first_problem is not None
                raise _damaged(self.path, report.first_problem)
        return self._decrypted(AESGCM(key))

    def fragments(self, private_key: PrivateKey, *, tolerant: bool = False) -> Iterator[Fragment]:
        """The fragments alone; as `records`."""
        opened = self.records(private_key, tolerant=tolerant)
        return (stored.record for stored in opened if isinstance(stored.record, Fragment))

    def _decrypted(self, cipher: AESGCM) -> Iterator[StoredRecord]:
        try:
            for frame in self.frames(payloads=True):
                if frame.kind in CONTENT_TYPES:
                    yield self._opened(cipher, frame)
        except FrameProblem as found:
            if not found.torn or next(self.frames_after(found.offset), None) is not None:
                text = f"record {found.seq} at byte {found.offset}: {found.text}"
                raise _damaged(self.path, Problem(found.seq, found.offset, text)) from found

    def _opened(self, cipher: AESGCM, frame: Frame) -> StoredRecord:
        try:
            plaintext = cipher.decrypt(nonce(frame.seq), frame.payload, frame.before + frame.head)
        except InvalidTag as error:
            text = f"record {frame.seq} at byte {frame.offset}: it does not open with the recording's own key"
            raise _damaged(self.path, Problem(frame.seq, frame.offset, text)) from error
        return StoredRecord(frame.seq, frame.offset, RecordType(frame.kind), frame.public,
                            decode(frame.kind, plaintext))


def _damaged(path: str, problem: Problem) -> DamagedRecording:
    return DamagedRecording(f"{path} is damaged: {problem.text}", meaning="What is before that place can be exported",
                            todo="take another copy of the file, or export what is whole")
