"""Reads one sealed recording: says what is in it and whether it is whole (no key needed), and opens it with one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from firmware.errors import DamagedRecording, KeyFault
from firmware.messages import Fragment
from firmware.vault.attachments import Attachment, AttachmentType, attachments_begin, find_envelope, walk_attachments
from firmware.vault.device_key import fingerprint, signature_holds
from firmware.vault.format import (
    CHAIN_BYTES,
    PREAMBLE,
    SIGNATURE_BYTES,
    RecordType,
    chain_start,
    header_length,
    header_signed_bytes,
    parse_header,
)
from firmware.vault.frames import Frame, FrameProblem, StoredProblem, heads, single_frame, walk, whole_frames_after
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.opening import Opener, StoredRecord, content_key, refused
from firmware.vault.records import CONTENT_TYPES
from firmware.vault.report import Problem, RecordingInfo, VerifyReport, count
from firmware.vault.verification import Verification
from hw.disk import disk_fault

TAIL_BYTES = 4096
"""An end record is some 350 bytes long."""


class Recording:
    """An open sealed file. Use as a context manager, or call `close`."""

    def __init__(self, handle: int, path: str, keystore: Keystore | None) -> None:
        self.path = path
        self._handle, self._keystore = handle, keystore
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
    def open(cls, path: str, keystore: Keystore | None = None) -> Recording:
        """Open and check the header. Raises DamagedRecording (also: not a recording, another version), DiskFault.

        `keystore`: where to find the wrapped keys of a file that has none attached.
        """
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_fault(error, path, "opening") from error
        try:
            return cls(handle, path, keystore)
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
        with self._reading():
            yield from walk(self._handle, self.start, self.size_bytes, self.chain_start, self.device_public,
                            payloads=payloads, hashed=hashed, ahead=True)

    def frames_from(self, seq: int, offset: int, *, payloads: bool = False, hashed: bool = False) -> Iterator[Frame]:
        """Frames from record `seq` at `offset` on; the chain value stored before it is taken as it is.

        Whatever is said before it, an opened one is proven by its tag. Raises FrameProblem, DiskFault.
        """
        with self._reading():
            before = os.pread(self._handle, CHAIN_BYTES, max(0, offset - CHAIN_BYTES))
            yield from walk(self._handle, offset, self.size_bytes, before, self.device_public, seq=seq,
                            payloads=payloads, hashed=hashed)

    def heads(self) -> Iterator[tuple[int, int, int]]:
        """(record number, type, offset) of each record, told and not proven. Raises FrameProblem, DiskFault."""
        with self._reading():
            yield from heads(self._handle, self.start, self.size_bytes)

    def frame_at(self, offset: int) -> Frame:
        """The one frame there, its own chain value and signature checked. Raises DamagedRecording, DiskFault."""
        try:
            with self._reading():
                return single_frame(self._handle, offset, self.size_bytes, self.device_public)
        except FrameProblem as found:
            raise refused(self.path, f"the record at byte {offset}: {found.text}", found.kind) from found

    def frames_after(self, offset: int) -> Iterator[Frame]:
        """Whole frames behind the bad place at `offset`. Raises DiskFault."""
        with self._reading():
            yield from whole_frames_after(self._handle, offset, self.size_bytes, self.device_public)

    def refuse(self, found: FrameProblem) -> None:
        """Raise DamagedRecording, but not where the recording simply ends: torn, and nothing whole behind it."""
        if found.kind != "torn" or next(self.frames_after(found.offset), None) is not None:
            raise refused(self.path, str(found), found.kind) from found

    def attachments(self, offset: int) -> Iterator[Attachment]:
        """What stands behind the end record, whose end is `offset`. Raises AttachmentProblem at the first bad one."""
        with self._reading():
            yield from walk_attachments(self._handle, offset, self.size_bytes)

    def read(self, offset: int, length: int) -> bytes:
        """The file's bytes as they are, b"" at its end. Raises DiskFault."""
        with self._reading():
            return os.pread(self._handle, length, offset)

    def end_record(self) -> Frame | None:
        """The end record, its signature checked, if the recording ends with one. Reads little. Raises DiskFault."""
        end = self._attachments_begin()
        for frame in self.frames_after(max(self.start, end - TAIL_BYTES) - 1):
            if frame.kind == RecordType.END and frame.end == end:
                return frame
        return None

    def info(self) -> RecordingInfo:
        """What is in the file, from its public data alone; reads no payload. Raises DiskFault."""
        info = RecordingInfo(self.header, self.device_fingerprint, self.size_bytes)
        where = self.start
        try:
            for frame in self.frames(hashed=False):
                count(info, frame)
                where = frame.end
            for attachment in self.attachments(where) if info.end else ():
                info.key_envelope |= attachment.kind == AttachmentType.KEY_ENVELOPE
        except StoredProblem as found:
            info.problem = Problem(found.place, found.offset, found.text)
            info.state = "unfinished" if found.kind == "torn" else found.kind
        return info

    def verify(
        self, progress: Callable[[int, int], None] | None = None, trusted: frozenset[str] | set[str] | None = None
    ) -> VerifyReport:
        """Read and check every byte, without any key. Raises DiskFault only.

        `progress(done_bytes, total_bytes)` is called along the way. `trusted` holds device fingerprints.
        """
        judged = Verification(self.header, self.device_fingerprint, self.size_bytes, self.start)
        for part in self._judge(judged, payloads=False):
            if progress:
                progress(part.end, self.size_bytes)
        return judged.report(trusted)

    def _judge(self, judged: Verification, *, payloads: bool) -> Iterator[Frame | Attachment]:
        """Tell `judged` of every frame and attachment, up to the first problem, and pass each on."""
        try:
            for frame in self.frames(payloads=payloads):
                judged.frame(frame)
                yield frame
            for attachment in self.attachments(judged.where) if judged.info.end else ():
                judged.attachment(attachment)
                yield attachment
        except FrameProblem as found:
            after = sum(1 for _ in self.frames_after(found.offset))
            judged.stop(found, after, self._attachments_begin() < self.size_bytes)
        except StoredProblem as found:
            judged.stop(found, 0, True)

    @property
    def keys_attached(self) -> bool:
        """Whether the wrapped keys are attached, so that an archive key alone opens it."""
        return find_envelope(self._handle, self.size_bytes, self.header.key_envelope_sha256) is not None

    def key_envelope(self) -> bytes:
        """The wrapped keys that open this recording: in the keystore, or attached to it. Raises KeyFault, DiskFault."""
        digest, recording_id = self.header.key_envelope_sha256, self.header.recording_id
        if self._keystore is not None and self._keystore.has(recording_id):
            kept = self._keystore.get(recording_id)
            if hashlib.sha256(kept).hexdigest() == digest:
                return kept
        with self._reading():
            attached = find_envelope(self._handle, self.size_bytes, digest)
        if attached is not None:
            return attached
        if self._keystore is None:
            raise KeyFault(f"the keys of {self.path} are not attached to it",
                           meaning="It is a device's own file, or a copy whose end was cut off",
                           todo="give the device's keystore (--keystore), or take a whole sealed copy")
        self._keystore.get(recording_id)
        raise KeyFault(f"the keystore's keys for {recording_id} are not those of {self.path}",
                       meaning="They were changed, or belong to another recording",
                       todo="give the keystore of the device that made it")

    def opener(self, private_key: PrivateKey) -> Opener:
        """What opens the records. Raises KeyFault when the key does not fit or the wrapped keys are nowhere."""
        return Opener(self.path, content_key(self.header, self.key_envelope(), private_key))

    def records(self, private_key: PrivateKey, *, tolerant: bool = False) -> Iterator[StoredRecord]:
        """The content records in order, decrypted one at a time; other and unknown types are skipped.

        Raises KeyFault at once when the key does not fit or the wrapped keys are nowhere. A damaged file raises
        DamagedRecording naming the record: before the first one, or with `tolerant` after all those before the
        damage. An unfinished file (a torn end) gives every whole record and no error: `verify` tells the difference.
        """
        opener = self.opener(private_key)
        if not tolerant:
            report = self.verify()
            if not report.intact:
                assert report.first_problem is not None
                raise refused(self.path, report.first_problem.text, report.state)
        return self._decrypted(opener, hashed=tolerant)

    def checked_records(self, private_key: PrivateKey) -> Iterator[StoredRecord]:
        """As `records`, in one pass: damage raises DamagedRecording when it is come to, after the records before it.

        For who keeps nothing of a damaged file, and does not want to read it twice.
        """
        opener = self.opener(private_key)
        judged = Verification(self.header, self.device_fingerprint, self.size_bytes, self.start)
        for part in self._judge(judged, payloads=True):
            if isinstance(part, Frame) and part.kind in CONTENT_TYPES:
                yield opener.open(part)
        report = judged.report(None)
        if not report.intact:
            assert report.first_problem is not None
            raise refused(self.path, report.first_problem.text, report.state)

    def fragments(self, private_key: PrivateKey, *, tolerant: bool = False) -> Iterator[Fragment]:
        """The fragments alone; as `records`."""
        opened = self.records(private_key, tolerant=tolerant)
        return (stored.record for stored in opened if isinstance(stored.record, Fragment))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise disk_fault(error, self.path, "reading") from error

    def _attachments_begin(self) -> int:
        with self._reading():
            return attachments_begin(self._handle, self.size_bytes)

    def _decrypted(self, opener: Opener, *, hashed: bool) -> Iterator[StoredRecord]:
        """Not `hashed`: just verified, and each content record's tag proves it again."""
        try:
            for frame in self.frames(payloads=True, hashed=hashed):
                if frame.kind in CONTENT_TYPES:
                    yield opener.open(frame)
        except FrameProblem as found:
            self.refuse(found)
