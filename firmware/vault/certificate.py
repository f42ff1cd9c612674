"""The certificate of an erasure: what was erased, when, how, and what that does not cover. Pure; one signed text.

Two lines: the JSON of a `Certificate`, and in hex the device's Ed25519 signature over "scrubcam erasure v1\\0" and that
JSON, byte for byte. docs/consent.md shows how to check it with openssl.
"""

from __future__ import annotations

import msgspec

from firmware.errors import DamagedRecording
from firmware.json_data import decode_json
from firmware.vault.device_key import DeviceKey, fingerprint, signature_holds
from firmware.vault.format import DeviceInfo

KIND = "scrubcam erasure v1"
_CONTEXT = KIND.encode() + b"\0"
MOST_BYTES = 1 << 20


class Order(msgspec.Struct, frozen=True):
    """Who ordered it: `cause` is "withdrawn" or "asked", `role` and `by` (a login's name) as the recorder knew them."""

    cause: str
    role: str
    by: str
    unix_s: float


class ErasedRecording(msgspec.Struct, frozen=True):
    """What the recording was, as its own file said it. `chain` is its last chain value, `chain_start` the one that
    stands for its header: a copy of it, found anywhere, is known by them. `state`: sealed, interrupted, unfinished.
    `keys_attached`: its file was a sealed copy, which the recorder itself never makes in its own folders."""

    created_unix_s: float
    state: str
    size_bytes: int
    chain_start: str
    chain: str
    key_envelope_sha256: str
    keys_attached: bool = False


class CopyOutside(msgspec.Struct, frozen=True):
    """A sealed copy that left the device before: to where, when, its last chain value."""

    target: str
    unix_s: float
    chain: str


class Sanitization(msgspec.Struct, frozen=True):
    """How, in the terms of NIST SP 800-88."""

    standard: str = "NIST SP 800-88 Rev. 2"
    method: str = "Clear"
    technique: str = "cryptographic erase"
    key: str = "the wrapped content key, the only one on this device, was overwritten twice in place, its file removed"
    ciphertext: str = "AES-256-GCM; its files were removed, their blocks not overwritten"
    verification: str = "looked again: no key and no file of this recording is left on this device"


NOT_COVERED = (
    "copies that left this device: each can be opened by its recipients until its holder erases it",
    "backups and snapshots of this device's disk that were made while the key was there",
    "what a flash disk, or a file system that writes elsewhere, keeps of the overwritten key until it reuses the place",
    "the recipients' private keys, without which the wrapped key opens nothing: they are needed for other recordings",
    "the journal, and what the fleet was told: this recording's id, its times, and that it was erased",
)

ATTACHED = "the wrapped key that was attached to its own file: deleted with that file, not overwritten"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """All that is signed. `recording` is null when no file of it could be read any more; `files` are the names removed.

    `key_found` false: the key had been destroyed before. `key_destroyed_after_s` is measured from the order on the
    device's monotonic clock; null when a restart came in between.
    """

    certificate: str = KIND
    recording_id: str
    device: DeviceInfo
    software: str
    order: Order
    recording: ErasedRecording | None
    files: list[str]
    key_found: bool
    key_destroyed_unix_s: float
    key_destroyed_after_s: float | None
    finished_unix_s: float
    sanitization: Sanitization = Sanitization()
    copies: list[CopyOutside] = []
    not_covered: list[str]


def signed(certificate: Certificate, device: DeviceKey) -> bytes:
    """The two lines."""
    line = msgspec.json.encode(certificate)
    return line + b"\n" + device.sign(_CONTEXT + line).hex().encode() + b"\n"


def checked(data: bytes, trusted: frozenset[str] | None = None) -> Certificate:
    """The certificate, if its signature holds, and is one of `trusted` (fingerprints). Raises DamagedRecording."""
    line, _, rest = data.partition(b"\n")
    try:
        signature = bytes.fromhex(rest.decode("ascii"))
        certificate = decode_json(line, Certificate)
    except ValueError as error:
        raise DamagedRecording("this is no erasure certificate", todo="take another copy of it") from error
    public = certificate.device.public_key
    if certificate.certificate != KIND or not signature_holds(public, signature, _CONTEXT + line):
        raise DamagedRecording("the certificate was altered: its signature does not hold",
                               meaning="It proves nothing", todo="take another copy of it")
    if trusted is not None and fingerprint(public) not in trusted:
        raise DamagedRecording("the certificate is not signed by a device on the list",
                               meaning="Anybody could have made it", todo="check the list of devices")
    return certificate
