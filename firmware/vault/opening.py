"""Opens records with an archive's key: the content key out of its envelope, a record's content out of its frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware.errors import DamagedRecording, KeyFault, UnsupportedRecording
from firmware.json_data import decode_json
from firmware.vault.format import TAG_BYTES, KeyEnvelope, RecordType, StoredHeader, nonce, wrap_info
from firmware.vault.frames import Frame, FrameProblem
from firmware.vault.keys import PrivateKey
from firmware.vault.records import Record, decode


@dataclass(frozen=True)
class StoredRecord:
    """One opened record: its number, byte offset, type, public data and content."""

    seq: int
    offset: int
    kind: RecordType
    public: Any
    record: Record


def content_key(header: StoredHeader, envelope: bytes, private_key: PrivateKey) -> bytes:
    """The 32 bytes that open this recording's records. Raises KeyFault when the key is not among the envelope's."""
    try:
        wrapped = decode_json(envelope, KeyEnvelope)
    except ValueError as error:
        raise KeyFault(f"the key envelope of {header.recording_id} cannot be read ({error})") from error
    return private_key.unwrap(wrapped.recipients, wrap_info(header.recording_id, header.device.public_key))


class Opener:
    """Opens the records of the recording at `path`, which the content key `key` fits."""

    def __init__(self, path: str, key: bytes) -> None:
        self._path, self._cipher = path, AESGCM(key)
        self._plaintext = bytearray()  # used again: fetching it anew for each record costs more than decrypting

    def open(self, frame: Frame) -> StoredRecord:
        """The content of a frame that was read with its payload. Raises DamagedRecording.

        Its tag proves it, its number, its public data and all that came before it (through the chain value).
        """
        length = len(frame.payload) - TAG_BYTES
        if len(self._plaintext) < length:
            self._plaintext = bytearray(length)
        plaintext = memoryview(self._plaintext)[:length]
        try:
            self._cipher.decrypt_into(nonce(frame.seq), frame.payload, frame.before + frame.head, plaintext)
        except InvalidTag as error:
            found = FrameProblem(frame.seq, frame.offset, "it does not open with the recording's own key")
            raise refused(self._path, str(found), found.kind) from error
        return StoredRecord(frame.seq, frame.offset, RecordType(frame.kind), frame.public,
                            decode(frame.kind, plaintext))


def refused(path: str, text: str, state: str) -> DamagedRecording:
    """The error for a recording that is "unsupported" or else damaged at a place that `text` names."""
    if state == "unsupported":
        return UnsupportedRecording(f"{path} cannot be judged: {text}", meaning="Nothing before that place is damaged",
                                    todo="use a newer scrubcam, or export what is before that place")
    return DamagedRecording(f"{path} is damaged: {text}", meaning="What is before that place can be exported",
                            todo="take another copy of the file, or export what is whole")
