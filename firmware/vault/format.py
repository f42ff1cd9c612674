"""The sealed recording's bytes: preamble, header, frames, chain. The specification is docs/recording-format.md.

Pure packing and unpacking; no file, no key, no clock in here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import struct
from enum import IntEnum, IntFlag
from typing import Any

import msgspec

from firmware.errors import DamagedRecording, UnsupportedRecording
from firmware.json_data import decode_json
from firmware.messages import Consent

MAGIC = b"\x89SCRUB\r\n"
VERSION = 2
SUFFIX = ".scrub"
SUITE = "AES-256-GCM/SHA-256/Ed25519"

PREAMBLE = struct.Struct(">8sHHI")
"""Magic, version, flags (zero), length of the header JSON."""
FRAME = struct.Struct(">4sHHQII")
"""Marker, type, flags, sequence number, length of the public JSON, length of the payload."""
LENGTH = struct.Struct(">I")
MARKER = b"SREC"
CHAIN_BYTES = 32
SIGNATURE_BYTES = 64
TAG_BYTES = 16
MAX_HEADER_BYTES = 1 << 20
MAX_META_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 128 << 20

_HEADER_CONTEXT = b"scrubcam header v2\0"
_CHAIN_CONTEXT = b"scrubcam chain v2\0"
_SIGNATURE_CONTEXT = b"scrubcam signature v2\0"
_WRAP_CONTEXT = b"scrubcam content key v2\0"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class RecordType(IntEnum):
    """What a frame holds. Content types are always encrypted; the others never are."""

    CONSENT = 1
    STREAM = 2
    FRAGMENT = 3
    BOOKMARK = 4
    STATE = 5
    GAP = 6
    NOTE = 7
    SIGNATURE = 0x100
    END = 0x101
    INDEX = 0x102


class Flag(IntFlag):
    """ENCRYPTED: the payload is ciphertext and tag. CRITICAL: a reader that does not know the type must stop."""

    ENCRYPTED = 1
    CRITICAL = 2


class ClockInfo(msgspec.Struct, frozen=True):
    """What the wall clock was worth when the recording began. `utc_offset_s`: local time minus UTC.

    `source` is ntp, rtc (set from the battery clock and never corrected) or unknown.
    """

    source: str = "unknown"
    synchronised: bool = False
    utc_offset_s: int = 0


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller of the writer says about a recording. Never put patient data in `settings`.

    Of `consent` only what was agreed to is public; who, the evidence and the purpose are encrypted.
    `certificates`: the device's own X.509 certificate and its issuers, DER.
    """

    recording_id: str
    device_name: str
    created_unix_s: float
    created_monotonic_ns: int
    software: str
    consent: Consent
    settings: dict[str, Any] = {}
    clock: ClockInfo = ClockInfo()
    certificates: list[bytes] = []


class PublicConsent(msgspec.Struct, frozen=True):
    """The part of the consent that anyone may read."""

    state: str
    video: bool
    audio: bool
    stills: bool
    purpose_class: str


class PublicRecipient(msgspec.Struct, frozen=True):
    """A key that can open the recording, as the header names it. `role`: archive, escrow or reader."""

    role: str
    kem: str
    key_id: str


class Recipient(msgspec.Struct, frozen=True):
    """One recipient's entry in the key envelope; `wrapped` is the HPKE ciphertext of the content key."""

    kem: str
    key_id: str
    wrapped: bytes


class KeyEnvelope(msgspec.Struct, frozen=True):
    """The wrapped content keys of one recording, in the order of its header's recipients."""

    recording_id: str
    recipients: list[Recipient]


class DeviceInfo(msgspec.Struct, frozen=True):
    """The device that recorded and signed. `public_key` is the raw Ed25519 key, `certificates` are DER."""

    name: str
    public_key: bytes
    certificates: list[bytes]


class StoredHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The header as it stands in the file (JSON; bytes are base64). Public, signed by the device."""

    recording_id: str
    device: DeviceInfo
    created_unix_s: float
    created_monotonic_ns: int
    clock: ClockInfo
    software: str
    suite: str
    consent: PublicConsent
    recipients: list[PublicRecipient]
    key_envelope_sha256: str
    settings: dict[str, Any]


def new_recording_id() -> str:
    """An opaque id: 80 random bits in lower-case base32. It says nothing of patient, room or time."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(secrets.choice(alphabet) for _ in range(16))


def is_recording_id(text: str) -> bool:
    """Whether `text` may be a recording id (and so a file name)."""
    return _ID.fullmatch(text) is not None


# ---- header --------------------------------------------------------------------------------------


def header_bytes(header: StoredHeader) -> bytes:
    """Preamble and JSON, as signed and stored. Raises ValueError if it is too long."""
    body = msgspec.json.encode(header)
    if len(body) > MAX_HEADER_BYTES:
        raise ValueError(f"header of {len(body)} bytes; at most {MAX_HEADER_BYTES}")
    return PREAMBLE.pack(MAGIC, VERSION, 0, len(body)) + body


def header_length(preamble: bytes) -> int:
    """Length of the header JSON that follows this preamble. Raises DamagedRecording, also for an unknown version."""
    if len(preamble) < PREAMBLE.size or not preamble.startswith(MAGIC):
        raise DamagedRecording(
            "this is not a sealed recording: it does not begin with the recording mark",
            todo="name a file that ends in .scrub",
        )
    _, version, flags, length = PREAMBLE.unpack(preamble[: PREAMBLE.size])
    if version != VERSION or flags:
        raise UnsupportedRecording(
            f"the recording has format version {version}.{flags}; this software reads version {VERSION}.0",
            meaning="Nothing was changed in the file",
            todo="use a newer scrubcam; if this one is the newest, the file is damaged in its first bytes",
        )
    if length > MAX_HEADER_BYTES:
        raise DamagedRecording(f"the header claims {length} bytes, more than the {MAX_HEADER_BYTES} allowed")
    return int(length)


def parse_header(body: bytes) -> StoredHeader:
    """The header from its JSON. Raises DamagedRecording."""
    try:
        return decode_json(body, StoredHeader)
    except ValueError as error:
        raise DamagedRecording(f"the recording's header cannot be read ({error})") from error


def header_signed_bytes(header: bytes) -> bytes:
    """What the device signs in the header: context, preamble, JSON."""
    return _HEADER_CONTEXT + header


def chain_start(header: bytes, signature: bytes) -> bytes:
    """Chain value before record 0."""
    return hashlib.sha256(_CHAIN_CONTEXT + header + signature).digest()


def wrap_info(recording_id: str, device_public_key: bytes) -> bytes:
    """HPKE info: binds a wrapped content key to this recording and device."""
    return _WRAP_CONTEXT + recording_id.encode() + b"\0" + device_public_key


# ---- frames --------------------------------------------------------------------------------------


def frame_head(kind: int, flags: int, seq: int, meta: bytes, payload_bytes: int) -> bytes:
    """Frame head and public JSON: with the chain value before it, the associated data of the payload."""
    if len(meta) > MAX_META_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise ValueError(f"record of {len(meta)} + {payload_bytes} bytes is larger than the format allows")
    return FRAME.pack(MARKER, kind, flags, seq, len(meta), payload_bytes) + meta


def nonce(seq: int) -> bytes:
    """AES-GCM nonce of record `seq`: used once, because a key serves one file and a number one record."""
    return b"\0\0\0\0" + struct.pack(">Q", seq)


def chain_next(chain: bytes, head: bytes, payload: bytes) -> bytes:
    """Chain value after a record: SHA-256 over the value before, head, public JSON and payload as stored."""
    digest = hashlib.sha256(chain)
    digest.update(head)
    digest.update(payload)
    return digest.digest()


def signed_bytes(chain: bytes, head: bytes) -> bytes:
    """What a signature or end record signs: context, the chain value before it, its own head and public JSON."""
    return _SIGNATURE_CONTEXT + chain + head
