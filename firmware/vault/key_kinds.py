"""The kinds of archive key: how raw bytes become HPKE keys. Kinds, layouts and suites: docs/recording-format.md.

HPKE (RFC 9180) in base mode with HKDF-SHA256 and AES-256-GCM; why these are in docs/adr/0002-archive-keys.md.
"""

from __future__ import annotations

import hashlib
import secrets
from abc import ABC, abstractmethod
from typing import Any

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_MLKEM_SEED_BYTES = 64


class KeyKind(ABC):
    """One row of the specification's table of key kinds. Holds no key; raw bytes go in and come out."""

    name: str
    quantum_safe: bool
    public_bytes: int
    private_bytes: int
    kem: hpke.KEM

    @abstractmethod
    def generate(self) -> bytes:
        """A new private body of `private_bytes`."""

    @abstractmethod
    def public_of(self, private: bytes) -> bytes:
        """The raw public key of a private body. Raises ValueError when the body is none."""

    @abstractmethod
    def _public(self, raw: bytes) -> Any: ...

    @abstractmethod
    def _private(self, body: bytes) -> Any: ...

    def check_public(self, raw: bytes) -> None:
        """Raises ValueError when `raw` is no public key of this kind."""
        if len(raw) != self.public_bytes:
            raise ValueError(f"{len(raw)} bytes instead of {self.public_bytes}")
        self._public(raw)

    def seal(self, public: bytes, secret: bytes | bytearray, info: bytes) -> bytes:
        """HPKE single-shot: enc, then ciphertext and tag of `secret`."""
        return self._suite().encrypt(secret, self._public(public), info)

    def open(self, private: bytes, sealed: bytes, info: bytes) -> bytes:
        """What `seal` sealed. Raises InvalidTag or ValueError."""
        return self._suite().decrypt(sealed, self._private(private), info)

    def _suite(self) -> hpke.Suite:
        return hpke.Suite(self.kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class _XWing(KeyKind):
    """X-Wing: public ML-KEM-768 (1184) and X25519 (32); private the 32-byte seed that SHAKE256 expands to both."""

    name, quantum_safe, public_bytes, private_bytes = "MLKEM768-X25519", True, 1216, 32
    kem = hpke.KEM.MLKEM768_X25519

    def generate(self) -> bytes:
        return secrets.token_bytes(self.private_bytes)

    def public_of(self, private: bytes) -> bytes:
        mlkem, x25519 = self._parts(private)
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def _public(self, raw: bytes) -> hpke.MLKEM768X25519PublicKey:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:1184]), X25519PublicKey.from_public_bytes(raw[1184:])
        )

    def _private(self, body: bytes) -> hpke.MLKEM768X25519PrivateKey:
        return hpke.MLKEM768X25519PrivateKey(*self._parts(body))

    def _parts(self, seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_BYTES + 32)
        return (MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES]),
                X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:]))


class _MLKEM1024P384(KeyKind):
    """Public ML-KEM-1024 (1568) and the P-384 point (97); private ML-KEM's seed (64) and the P-384 scalar (48)."""

    name, quantum_safe, public_bytes, private_bytes = "MLKEM1024-P384", True, 1665, 112
    kem = hpke.KEM.MLKEM1024_P384

    def generate(self) -> bytes:
        return secrets.token_bytes(_MLKEM_SEED_BYTES) + _new_scalar(SECP384R1(), 48)

    def public_of(self, private: bytes) -> bytes:
        mlkem, p384 = self._parts(private)
        return mlkem.public_key().public_bytes_raw() + _point(p384.public_key())

    def _public(self, raw: bytes) -> hpke.MLKEM1024P384PublicKey:
        return hpke.MLKEM1024P384PublicKey(
            MLKEM1024PublicKey.from_public_bytes(raw[:1568]), _from_point(SECP384R1(), raw[1568:])
        )

    def _private(self, body: bytes) -> hpke.MLKEM1024P384PrivateKey:
        return hpke.MLKEM1024P384PrivateKey(*self._parts(body))

    def _parts(self, body: bytes) -> tuple[MLKEM1024PrivateKey, EllipticCurvePrivateKey]:
        return (MLKEM1024PrivateKey.from_seed_bytes(body[:_MLKEM_SEED_BYTES]),
                _from_scalar(SECP384R1(), body[_MLKEM_SEED_BYTES:]))


class _P256(KeyKind):
    """Public the P-256 point (65); private the scalar (32). Falls to a quantum computer."""

    name, quantum_safe, public_bytes, private_bytes = "P256", False, 65, 32
    kem = hpke.KEM.P256

    def generate(self) -> bytes:
        return _new_scalar(SECP256R1(), self.private_bytes)

    def public_of(self, private: bytes) -> bytes:
        return _point(self._private(private).public_key())

    def _public(self, raw: bytes) -> EllipticCurvePublicKey:
        return _from_point(SECP256R1(), raw)

    def _private(self, body: bytes) -> EllipticCurvePrivateKey:
        return _from_scalar(SECP256R1(), body)


KINDS: dict[str, KeyKind] = {kind.name: kind for kind in (_XWing(), _MLKEM1024P384(), _P256())}
DEFAULT_KEM = _XWing.name


def _new_scalar(curve: EllipticCurve, size: int) -> bytes:
    return generate_private_key(curve).private_numbers().private_value.to_bytes(size, "big")


def _from_scalar(curve: EllipticCurve, scalar: bytes) -> EllipticCurvePrivateKey:
    return derive_private_key(int.from_bytes(scalar, "big"), curve)


def _point(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _from_point(curve: EllipticCurve, point: bytes) -> EllipticCurvePublicKey:
    if point[:1] != b"\x04":  # a compressed point would be the same key under another key id
        raise ValueError("not an uncompressed point")
    return EllipticCurvePublicKey.from_encoded_point(curve, point)
