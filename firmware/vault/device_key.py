"""The device's own signing key (Ed25519) and the lists of devices an archive trusts. No decryption key in here."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from firmware.durable import write_durably
from firmware.errors import KeyFault

PRIVATE_NAME = "device.key"
PUBLIC_NAME = "device.pub"
_FINGERPRINT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){3}")


def fingerprint(public: bytes) -> str:
    """First 128 bits of the SHA-256 of a raw public key, as four groups of eight hex digits."""
    text = hashlib.sha256(public).hexdigest()
    return "-".join(text[i : i + 8] for i in range(0, 32, 8))


def signature_holds(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `data` under the raw key `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, repr=False)
class DeviceKey:
    """Signs this device's recordings. Stored as PKCS#8 PEM, mode 0600, beside its public half."""

    _key: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> DeviceKey:
        """A new key, in memory only."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, state_dir: str) -> DeviceKey:
        """The key in `state_dir`. Raises KeyFault when it is missing or malformed."""
        path = os.path.join(state_dir, PRIVATE_NAME)
        try:
            with open(path, "rb") as file:
                key = serialization.load_pem_private_key(file.read(), password=None)
        except OSError as error:
            raise KeyFault(f"the device key {path} cannot be read ({error.strerror})",
                           todo="start `scrubcam run` once: it creates the key") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFault(
                f"the device key {path} is malformed", meaning="This device cannot sign recordings",
                todo="restore the key from a backup, or move it away: a new device identity is then created",
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFault(f"the device key {path} is not an Ed25519 key", todo="restore the device's own key")
        return cls(key)

    @classmethod
    def load_or_create(cls, state_dir: str) -> DeviceKey:
        """The key in `state_dir`, created there (0600) on first use. Raises KeyFault, DiskFault."""
        path = os.path.join(state_dir, PRIVATE_NAME)
        if not os.path.lexists(path):
            try:
                write_durably(path, cls.generate().private_pem(), mode=0o600, exclusive=True)
            except FileExistsError:
                pass  # another process was first; its key is the device's key
        device = cls.load(state_dir)
        public_path = os.path.join(state_dir, PUBLIC_NAME)
        if not os.path.lexists(public_path):
            write_durably(public_path, device.public_pem(), mode=0o644)
        return device

    @property
    def public(self) -> bytes:
        """The raw 32-byte public key."""
        return self._key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """The device's name for people and trust lists."""
        return fingerprint(self.public)

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `data`."""
        return self._key.sign(data)

    def certificate_request(self, name: str) -> bytes:
        """A request for this device's certificate (PKCS#10, PEM), for the site's device CA."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self._key, None)
        return request.public_bytes(serialization.Encoding.PEM)

    def private_pem(self) -> bytes:
        """PKCS#8 PEM; openssl reads it."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def public_pem(self) -> bytes:
        """SubjectPublicKeyInfo PEM; openssl reads it, and so does a trust list."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def public_key_of(path: str) -> bytes:
    """The raw public key in a device.pub file. Raises KeyFault."""
    try:
        with open(path, "rb") as file:
            key = serialization.load_pem_public_key(file.read())
    except OSError as error:
        raise KeyFault(f"the device's public key {path} cannot be read ({error.strerror})",
                       todo="name the device.pub of the device") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"the public key {path} is malformed", todo="name the device.pub of the device") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault(f"{path} is not a device key (Ed25519)", todo="name the device.pub of the device")
    return key.public_bytes_raw()


def load_trust_list(path: str) -> frozenset[str]:
    """Fingerprints of trusted devices from a text file: fingerprints, one a line, and PEM public keys.

    Empty lines and lines that begin with # are skipped. Raises KeyFault, also for an empty list.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFault(f"the trust list {path} cannot be read ({error})", todo="name a text file") from error
    trusted: set[str] = set()
    pem: list[str] = []
    for number, line in enumerate(lines, 1):
        if pem or line == "-----BEGIN PUBLIC KEY-----":
            pem.append(line)
            if line == "-----END PUBLIC KEY-----":
                trusted.add(_fingerprint_of_pem("\n".join(pem), path, number))
                pem = []
        elif line and not line.startswith("#"):
            word = line.split()[0].lower()
            if not _FINGERPRINT.fullmatch(word):
                raise KeyFault(f"line {number} of the trust list {path} is not a fingerprint or a public key",
                               todo="write fingerprints as `scrubcam info` shows them, one a line")
            trusted.add(word)
    if pem or not trusted:
        raise KeyFault(f"the trust list {path} holds {'half a public key' if pem else 'no device'}",
                       todo="add the fingerprint or device.pub of each device to trust")
    return frozenset(trusted)


def _fingerprint_of_pem(text: str, path: str, line: int) -> str:
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"the public key that ends in line {line} of {path} is malformed") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault(f"the public key that ends in line {line} of {path} is not a device key (Ed25519)")
    return fingerprint(key.public_bytes_raw())
