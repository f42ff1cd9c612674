"""Sealed recordings written from docs/recording-format.md with `cryptography` alone: also what our writer never makes
(record types of the future, counts that lie, time stamps of another recording)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM1024P384PrivateKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONSENT, STREAM, FRAGMENT, BOOKMARK, GAP, SIGNATURE, END, INDEX = 1, 2, 3, 4, 6, 256, 257, 258
_KEMS = {"P256": KEM.P256, "MLKEM768-X25519": KEM.MLKEM768_X25519, "MLKEM1024-P384": KEM.MLKEM1024_P384}


def fingerprint(raw_public_key: bytes) -> str:
    digits = hashlib.sha256(raw_public_key).hexdigest()[:32]
    return "-".join(digits[i : i + 8] for i in range(0, 32, 8))


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class ArchiveKey:
    """An archive's key pair of one kind, and its key file as the specification has it."""

    def __init__(self, kem: str = "P256") -> None:
        self.kem = kem
        if kem == "MLKEM768-X25519":
            self.body = os.urandom(32)
            expanded = hashlib.shake_256(self.body).digest(96)
            pq, classic = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), expanded[64:]
            own = x25519.X25519PrivateKey.from_private_bytes(classic)
            self._public: Any = MLKEM768X25519PrivateKey(pq, own).public_key()
            self.raw = pq.public_key().public_bytes_raw() + own.public_key().public_bytes_raw()
        elif kem == "MLKEM1024-P384":
            seed, p384 = os.urandom(64), ec.generate_private_key(ec.SECP384R1())
            strong = mlkem.MLKEM1024PrivateKey.from_seed_bytes(seed)
            self._public = MLKEM1024P384PrivateKey(strong, p384).public_key()
            self.body = seed + p384.private_numbers().private_value.to_bytes(48, "big")
            self.raw = strong.public_key().public_bytes_raw() + point(p384)
        else:
            p256 = ec.generate_private_key(ec.SECP256R1())
            self._public = p256.public_key()
            self.body, self.raw = p256.private_numbers().private_value.to_bytes(32, "big"), point(p256)
        self.key_id = fingerprint(self.raw)

    def wrap(self, content_key: bytes, info: bytes) -> bytes:
        return Suite(_KEMS[self.kem], KDF.HKDF_SHA256, AEAD.AES_256_GCM).encrypt(content_key, self._public, info)

    def file(self, passphrase: str = "") -> str:
        """The private key file; a passphrase protects it with scrypt at a cost that a test can pay."""
        lines, body = ["protection: none"], self.body
        if passphrase:
            salt = os.urandom(16)
            secret = hashlib.scrypt(passphrase.encode(), salt=salt, n=2**10, r=8, p=2, dklen=32)
            body = AESGCM(secret).encrypt(bytes(12), body, self.key_id.encode())
            lines = ["protection: scrypt-aes-256-gcm", f"salt: {salt.hex()}", "scrypt: 10 8 2"]
        told = [f"kem: {self.kem}", f"key-id: {self.key_id}", *lines, "", base64.b64encode(body).decode()]
        mark = "SCRUBCAM ARCHIVE PRIVATE KEY-----"
        return "\n".join([f"-----BEGIN {mark}", *told, f"-----END {mark}", ""])


@dataclass
class HandWriter:
    """Append records, then take `data`. Each record's offset and number are in `offsets`."""

    archive: ArchiveKey = field(default_factory=ArchiveKey)
    device: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    version: int = 2
    header_more: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""
    chain: bytes = b""
    offsets: list[int] = field(default_factory=list)
    fragments: int = 0
    frames: int = 0

    def __post_init__(self) -> None:
        device_public = self.device.public_key().public_bytes_raw()
        self.content_key = os.urandom(32)
        info = b"scrubcam content key v2\0" + b"by-hand" + b"\0" + device_public
        wrapped = self.archive.wrap(self.content_key, info)
        recipient = {"kem": self.archive.kem, "key_id": self.archive.key_id}
        self.envelope = as_json({
            "recording_id": "by-hand", "recipients": [recipient | {"wrapped": base64.b64encode(wrapped).decode()}],
        })
        header = as_json({
            "recording_id": "by-hand",
            "device": {"name": "pen", "public_key": base64.b64encode(device_public).decode(), "certificates": []},
            "created_unix_s": 1_800_000_000.5, "created_monotonic_ns": 5_000_000_000, "software": "by hand",
            "clock": {"source": "ntp", "synchronised": True, "utc_offset_s": 3600},
            "suite": "AES-256-GCM/SHA-256/Ed25519",
            "consent": {"state": "given", "video": True, "audio": False, "stills": False, "purpose_class": "education"},
            "recipients": [recipient | {"role": "reader"}], "settings": {},
            "key_envelope_sha256": hashlib.sha256(self.envelope).hexdigest(), **self.header_more,
        })
        start = b"\x89SCRUB\r\n" + struct.pack(">HHI", self.version, 0, len(header)) + header
        self.data = start + self.device.sign(b"scrubcam header v2\0" + start)
        self.chain = hashlib.sha256(b"scrubcam chain v2\0" + self.data).digest()

    def record(self, kind: int, public: dict[str, Any], payload: bytes, flags: int = 0, tag_bytes: int = 0) -> None:
        number, told = len(self.offsets), as_json(public)
        length = 64 if flags == 2 and kind in (SIGNATURE, END) else len(payload) + tag_bytes
        head = struct.pack(">4sHHQII", b"SREC", kind, flags, number, len(told), length) + told
        if tag_bytes:
            payload = AESGCM(self.content_key).encrypt(bytes(4) + struct.pack(">Q", number), payload, self.chain + head)
        elif length == 64 and kind in (SIGNATURE, END):
            payload = self.device.sign(b"scrubcam signature v2\0" + self.chain + head)
        self.offsets.append(len(self.data))
        self.chain = hashlib.sha256(self.chain + head + payload).digest()
        self.data += head + payload + self.chain

    def sealed(self, kind: int, public: dict[str, Any], private: dict[str, Any], blob: bytes = b"") -> None:
        """An encrypted record."""
        told = as_json(private)
        self.record(kind, public, struct.pack(">I", len(told)) + told + blob, flags=1, tag_bytes=16)

    def consent(self) -> None:
        who = {"by": "Dr. B", "evidence": "form 12", "purpose": "teaching"}
        self.sealed(CONSENT, {}, {"state": "given", "video": True, "audio": False} | who)

    def fragment(self, pts_ns: int, blob: bytes = b"", frames: int = 4, duration_ns: int = 250_000_000) -> None:
        when = {"pts_ns": pts_ns, "duration_ns": duration_ns, "keyframe": True}
        public = when | {"frames": frames, "clean": frames, "masked": 0, "blanked": 0, "regions": 0, "size": len(blob)}
        private = when | {"seq": self.fragments, "verdicts": []}
        self.fragments += 1
        self.frames += frames
        self.sealed(FRAGMENT, public, private, blob)

    def sign(self) -> None:
        self.record(SIGNATURE, {"durable_bytes": 0, "unix_s": 1_800_000_001.0}, b"", flags=2)

    def end(self, **more: Any) -> None:
        told = {"state": "sealed", "reason": "stopped", "unix_s": 1_800_000_002.0, "durable_bytes": 0,
                "records": len(self.offsets) + 1, "fragments": self.fragments, "frames": self.frames,
                "signed_to": len(self.offsets) + 1, "cut_bytes": 0, "index_offset": 0}
        self.record(END, told | more, b"", flags=2)

    def attach(self, kind: int, payload: bytes) -> None:
        head = struct.pack(">4sHHI", b"SATT", kind, 0, len(payload))
        digest = hashlib.sha256(head + payload).digest()
        self.data += head + payload + digest + struct.pack(">I4s", len(payload) + 52, b"TTAS")
