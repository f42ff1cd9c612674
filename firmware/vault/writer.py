"""Writes one sealed recording: encrypt, chain, sign, append, sync. Holds the content key only while it is open."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware.errors import DiskFault, KeyFault, ScrubcamError
from firmware.messages import Fragment, StampedAt
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import (
    SIGNATURE_BYTES,
    SUFFIX,
    SUITE,
    TAG_BYTES,
    DeviceInfo,
    Flag,
    Header,
    KeyEnvelope,
    PublicConsent,
    PublicRecipient,
    RecordType,
    StoredHeader,
    chain_next,
    chain_start,
    frame_head,
    header_bytes,
    header_signed_bytes,
    is_recording_id,
    nonce,
    signed_bytes,
    wrap_info,
)
from firmware.vault.index import IndexBuilder
from firmware.vault.keys import CONTENT_KEY_BYTES, RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.records import EndMeta, Record, SignatureMeta, encode
from hw.ports import Disk

SIGN_EVERY_NS = 2_000_000_000
SIGN_EVERY_RECORDS = 32


def recording_path(folder: str, recording_id: str) -> str:
    """Where a recording lives: `<folder>/<recording_id>.scrub`."""
    return os.path.join(folder, recording_id + SUFFIX)


class RecordingWriter:
    """One sealed file, from its header to its end record. Made by `create`; never reopened.

    A fresh content key for each writer and a nonce made of the record number: no nonce can come twice. After
    any disk error the writer is broken for good (the number of a half-written record must not be used again,
    and a failed sync must not be believed later): the key is dropped, and `recover` closes the file.

    `append` and `sync` may be called from two threads. `durable_bytes` never waits, so it can be read while a
    sync hangs; it grows only when a sync has returned.
    """

    def __init__(self, disk: Disk, path: str, device: DeviceKey, unix_s: Callable[[], float]) -> None:
        self.path = path
        self.durable_bytes = 0
        self.written_bytes = 0
        self.records = 0
        self.fragments = 0
        self.frames = 0
        self._disk, self._device, self._unix_s = disk, device, unix_s
        self._lock = threading.RLock()
        self._content_key = bytearray(secrets.token_bytes(CONTENT_KEY_BYTES))
        self._cipher: AESGCM | None = AESGCM(self._content_key)
        self._chain = b""
        self.covered: dict[StampedAt, tuple[int, bytes]] = {}
        """What a timestamp may cover, once it is written: record number and chain value at the start and the end."""
        self._index = IndexBuilder()
        self._signed_to = 0
        self._unsigned_since_ns: int | None = None
        self._handle: int | None = None
        self._why_closed = ""
        self._syncing = 0

    @classmethod
    def create(
        cls, disk: Disk, path: str, header: Header, recipients: Sequence[RecipientKey], device: DeviceKey,
        keystore: Keystore, *, unix_s: Callable[[], float] = time.time,
    ) -> RecordingWriter:
        """A new sealed file with its header and consent record, synced. Raises KeyFault, DiskFault.

        Its wrapped keys are durable in `keystore` before the file is there. `unix_s` is the clock for the times in
        signature and end records.
        """
        if not recipients:
            raise KeyFault("no archive key is configured, so nobody could open the recording",
                           meaning="Nothing is recorded", todo="set recorder.recipients to an archive's public key")
        if not is_recording_id(header.recording_id):
            raise ValueError(f"not a recording id: {header.recording_id!r}")
        writer = cls(disk, path, device, unix_s)
        public = device.public
        info = wrap_info(header.recording_id, public)
        unique: dict[str, RecipientKey] = {}
        for recipient in recipients:
            unique.setdefault(recipient.key.key_id, recipient)
        wrapped = [(one.role, one.key.wrap(writer._content_key, info)) for one in unique.values()]
        envelope = msgspec.json.encode(KeyEnvelope(header.recording_id, [one for _, one in wrapped]))
        consent = header.consent
        stored = header_bytes(StoredHeader(
            recording_id=header.recording_id, device=DeviceInfo(header.device_name, public, header.certificates),
            created_unix_s=header.created_unix_s, created_monotonic_ns=header.created_monotonic_ns,
            clock=header.clock, software=header.software, suite=SUITE,
            consent=PublicConsent(consent.state, consent.video, consent.audio, consent.stills, consent.purpose_class),
            recipients=[PublicRecipient(role, one.kem, one.key_id) for role, one in wrapped],
            key_envelope_sha256=hashlib.sha256(envelope).hexdigest(), settings=header.settings,
        ))
        signature = device.sign(header_signed_bytes(stored))
        writer._chain = chain_start(stored, signature)
        try:
            keystore.put(header.recording_id, envelope)
            try:
                writer._handle = disk.create(path)
            except DiskFault:
                keystore.destroy(header.recording_id)  # they open nothing
                raise
        except ScrubcamError:
            writer._drop_key()
            raise
        # All this is on the disk before any picture is written: a torn header means that the file holds nothing.
        with writer._lock:
            writer._write(stored + signature)
            writer.append(consent)
            writer.sync()
        return writer

    def append(self, record: Record) -> int:
        """Encrypt and append one record; returns its number. Not durable before the next `sync`. Raises DiskFault.

        Signs by itself after 2 s of recording or 32 records.
        """
        kind, meta, private = encode(record)
        with self._lock:
            cipher = self._open_cipher()
            plaintext = b"".join(private)
            head = frame_head(kind, Flag.ENCRYPTED, self.records, meta, len(plaintext) + TAG_BYTES)
            payload = cipher.encrypt(nonce(self.records), plaintext, self._chain + head)
            number = self._frame(head, payload, record)
            if self._index.due:
                self._write_index()
            if isinstance(record, Fragment):
                self.fragments += 1
                self.frames += len(record.verdicts)
                if self._unsigned_since_ns is None:
                    self._unsigned_since_ns = record.pts_ns
                long = record.pts_ns + record.duration_ns - self._unsigned_since_ns >= SIGN_EVERY_NS
            else:
                long = False
            if long or self.records - self._signed_to >= SIGN_EVERY_RECORDS:
                self._sign()
            return number

    def sync(self) -> int:
        """Sign what is not signed yet and wait until everything appended before this call is on the disk.

        Returns `durable_bytes`. Blocks as long as the disk does, without keeping `append` waiting. Raises DiskFault.
        """
        with self._lock:
            self._open_cipher()
            if self.records > self._signed_to:
                self._sign()
            covers = self.written_bytes
        if covers > self.durable_bytes:
            self._sync_to(covers)
        return self.durable_bytes

    def seal(self, reason: str) -> int:
        """Sign, sync, write the end record, sync, close and drop the key. Returns `durable_bytes`. Raises DiskFault.

        `reason` is a stable word (stopped, source-ended, ...); it is public. Call it when no other thread uses
        this writer any more.
        """
        with self._lock:
            self.sync()
            if self._index.open:
                self._write_index()
            meta = msgspec.json.encode(EndMeta(
                "sealed", reason, self._unix_s(), self.durable_bytes, self.records + 1, self.fragments, self.frames,
                self.records + 1, index_offset=self._index.last_offset,
            ))
            self._signed_frame(RecordType.END, meta)
            self.covered["end"] = (self.records - 1, self._chain)
            self._sync_to(self.written_bytes)
            self._close("it is sealed")
            return self.durable_bytes

    def abandon(self) -> None:
        """Give up without writing anything: close the file and drop the key. `recover` closes it later."""
        if not self._why_closed:
            self._close("it was abandoned")

    @property
    def closed(self) -> bool:
        """Sealed, abandoned or broken."""
        return bool(self._why_closed)

    # ---- inside --------------------------------------------------------------------------------

    def _sign(self) -> None:
        self._signed_frame(
            RecordType.SIGNATURE, msgspec.json.encode(SignatureMeta(self.durable_bytes, self._unix_s()))
        )
        self.covered.setdefault("start", (self.records - 1, self._chain))
        self._signed_to = self.records
        self._unsigned_since_ns = None

    def _signed_frame(self, kind: RecordType, meta: bytes) -> None:
        head = frame_head(kind, Flag.CRITICAL, self.records, meta, SIGNATURE_BYTES)
        self._frame(head, self._device.sign(signed_bytes(self._chain, head)))

    def _write_index(self) -> None:
        index = self._index.meta()
        self._frame(frame_head(RecordType.INDEX, 0, self.records, msgspec.json.encode(index), 0), b"", index)

    def _frame(self, head: bytes, payload: bytes, record: object = None) -> int:
        chain, offset = chain_next(self._chain, head, payload), self.written_bytes
        self._write(b"".join((head, payload, chain)))
        self._index.see(self.records, offset, record)
        self._chain = chain
        self.records += 1
        return self.records - 1

    def _write(self, data: bytes) -> None:
        assert self._handle is not None
        try:
            self._disk.write(self._handle, data)
        except ScrubcamError as error:
            self._close(f"writing failed ({error.what})")
            raise
        self.written_bytes += len(data)

    def _sync_to(self, covers: int) -> None:
        with self._lock:
            self._open_cipher()
            assert self._handle is not None
            handle = self._handle
            self._syncing += 1
        try:
            self._disk.sync(handle)
            self.durable_bytes = max(self.durable_bytes, covers)
        except ScrubcamError as error:
            self._close(f"syncing failed ({error.what})")
            raise
        finally:
            with self._lock:
                self._syncing -= 1
                self._close_file()

    def _open_cipher(self) -> AESGCM:
        if self._cipher is None or self._why_closed:
            raise DiskFault(f"the recording {self.path} takes no more records: {self._why_closed}",
                            meaning="What was synced before is safe", todo="start a new recording")
        return self._cipher

    def _close(self, why: str) -> None:
        self._why_closed = self._why_closed or why
        self._drop_key()
        if self._lock.acquire(timeout=0.2):  # a write that hangs keeps the lock and its file
            try:
                self._close_file()
            finally:
                self._lock.release()

    def _close_file(self) -> None:
        """Close the file once nobody uses it: a handle closed under a running sync could become another file's."""
        if self._why_closed and not self._syncing and self._handle is not None:
            handle, self._handle = self._handle, None
            self._disk.close(handle)

    def _drop_key(self) -> None:
        """Best effort: our copy is overwritten, the cipher's own is freed with it."""
        self._cipher = None
        self._content_key[:] = bytes(len(self._content_key))
