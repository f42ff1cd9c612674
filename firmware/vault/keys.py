"""The archive's key pair: its public half seals recordings, its private half opens them and never goes on a device.

HPKE (RFC 9180) with KEM MLKEM768-X25519 (X-Wing, 0x647a), HKDF-SHA256, AES-256-GCM; why is in
docs/adr/0002-archive-keys.md. The private key is X-Wing's 32-byte seed, so other software can use it too.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from firmware.durable import write_durably
from firmware.errors import DiskFault, KeyFault
from firmware.vault.device_key import DeviceKey, fingerprint, load_trust_list
from firmware.vault.format import Recipient

__all__ = ["KEM", "DeviceKey", "PrivateKey", "PublicKey", "load_trust_list", "new_archive_key"]

KEM = "MLKEM768-X25519"
CONTENT_KEY_BYTES = 32
_SEED_BYTES = 32
_MLKEM_PUBLIC_BYTES = 1184
_PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32
_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 16, 8, 1
_MAX_SCRYPT_LOG_N = 20
_PRIVATE, _PUBLIC = "SCRUBCAM ARCHIVE PRIVATE KEY", "SCRUBCAM ARCHIVE PUBLIC KEY"


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True)
class PublicKey:
    """Seals recordings to one archive. `raw` is ML-KEM-768's 1184 bytes, then X25519's 32."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """First 128 bits of SHA-256 over `raw`, as four groups of eight hex digits."""
        return fingerprint(self.raw)

    @classmethod
    def load(cls, path: str) -> PublicKey:
        """From a public key file. Raises KeyFault."""
        fields, body = _read(path, _PUBLIC)
        key = cls(body)
        if len(body) != _PUBLIC_BYTES or fields.get("key-id") != key.key_id:
            raise _malformed(path)
        try:
            key._hpke()
        except ValueError as error:
            raise _malformed(path) from error
        return key

    def to_text(self) -> str:
        """The public key file's text."""
        return _write(_PUBLIC, {"kem": KEM, "key-id": self.key_id}, self.raw)

    def wrap(self, content_key: bytes | bytearray, info: bytes) -> Recipient:
        """The content key for this recipient alone; `info` binds it to its recording."""
        return Recipient(KEM, self.key_id, _suite().encrypt(content_key, self._hpke(), info))

    def _hpke(self) -> hpke.MLKEM768X25519PublicKey:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:]),
        )


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """Opens recordings. `seed` is the X-Wing decapsulation key: SHAKE256 expands it to ML-KEM's and X25519's."""

    seed: bytes

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key, in memory only."""
        return cls(secrets.token_bytes(_SEED_BYTES))

    @classmethod
    def load(cls, path: str, passphrase: str | None = None) -> PrivateKey:
        """From a private key file. Raises KeyFault: missing, malformed, passphrase needed or wrong."""
        fields, body = _read(path, _PRIVATE)
        if fields.get("protection", "none") != "none":
            if not passphrase:
                raise KeyFault(f"the private key {path} is protected by a passphrase and none was given",
                               todo="give the passphrase")
            body = _unprotect(path, fields, body, passphrase)
        if len(body) != _SEED_BYTES:
            raise _malformed(path)
        key = cls(body)
        if fields.get("key-id") != key.public.key_id:
            raise _malformed(path)
        return key

    @property
    def public(self) -> PublicKey:
        """The public half."""
        mlkem, x25519 = self._parts()
        return PublicKey(mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    def unwrap(self, recipients: list[Recipient], info: bytes) -> bytes:
        """The content key from a recording's recipients. Raises KeyFault when this key is not among them."""
        own = self.public.key_id
        wrapped = next((r.wrapped for r in recipients if r.key_id == own and r.kem == KEM), None)
        if wrapped is None:
            others = ", ".join(r.key_id for r in recipients) or "nobody"
            raise KeyFault(f"this key is {own}, the recording is for {others}",
                           meaning="It cannot be opened with this key", todo="use the archive key with that id")
        try:
            content_key = _suite().decrypt(wrapped, hpke.MLKEM768X25519PrivateKey(*self._parts()), info)
        except (InvalidTag, ValueError) as error:
            raise KeyFault(f"the recording names key {own} but its wrapped content key does not open",
                           meaning="It was damaged, or wrapped for another recording",
                           todo="run `scrubcam verify` on the file") from error
        if len(content_key) != CONTENT_KEY_BYTES:
            raise KeyFault("the recording's content key has a wrong length", todo="run `scrubcam verify` on the file")
        return content_key

    def to_text(self, passphrase: str | None = None) -> str:
        """The private key file's text; encrypted (scrypt, AES-256-GCM) when a passphrase is given."""
        fields = {"kem": KEM, "key-id": self.public.key_id, "protection": "none"}
        if not passphrase:
            return _write(_PRIVATE, fields, self.seed)
        salt = secrets.token_bytes(16)
        fields |= {"protection": "scrypt-aes-256-gcm", "salt": salt.hex(),
                   "scrypt": f"{_SCRYPT_LOG_N} {_SCRYPT_R} {_SCRYPT_P}"}
        key = Scrypt(salt, 32, 1 << _SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P).derive(passphrase.encode())
        # The nonce may be constant: a fresh salt makes a fresh key, used for this one encryption.
        return _write(_PRIVATE, fields, AESGCM(key).encrypt(bytes(12), self.seed, fields["key-id"].encode()))

    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        expanded = hashlib.shake_256(self.seed).digest(96)
        return (MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:]))


def new_archive_key(path_private: str, path_public: str, passphrase: str | None = None) -> PublicKey:
    """Create an archive key pair as two new files, the private one with mode 0600. Raises KeyFault, DiskFault.

    Nothing is overwritten: a replaced private key would make every recording sealed to it unreadable.
    """
    for path in (path_private, path_public):
        if os.path.lexists(path):
            raise _exists(path)
    key = PrivateKey.generate()
    try:
        write_durably(path_private, key.to_text(passphrase).encode(), mode=0o600, exclusive=True)
    except FileExistsError as error:
        raise _exists(path_private) from error
    try:
        write_durably(path_public, key.public.to_text().encode(), mode=0o644, exclusive=True)
    except (FileExistsError, DiskFault) as error:
        with contextlib.suppress(OSError):
            os.unlink(path_private)  # its public half was never given to anyone
        if isinstance(error, FileExistsError):
            raise _exists(path_public) from error
        raise
    return key.public


# ---- the text format of key files (docs/recording-format.md) --------------------------------------


def _write(title: str, fields: dict[str, str], body: bytes) -> str:
    text = base64.b64encode(body).decode()
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += ["", *(text[i : i + 64] for i in range(0, len(text), 64))]
    return "\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----", ""])


def _read(path: str, title: str) -> tuple[dict[str, str], bytes]:
    try:
        with open(path, "rb") as file:
            text = file.read(65536).decode("ascii")
    except OSError as error:
        raise KeyFault(f"the key file {path} cannot be read ({error.strerror})",
                       todo="check the path; `scrubcam keys new archive` makes a key pair") from error
    except UnicodeDecodeError as error:
        raise _malformed(path) from error
    lines = [line.strip() for line in text.strip().splitlines()]
    other = _PUBLIC if title == _PRIVATE else _PRIVATE
    if lines and lines[0] == f"-----BEGIN {other}-----":
        todo = ("use the private key, from where the archive keeps it" if title == _PRIVATE else
                "use the public key; the private half must never be on a device")
        raise KeyFault(f"{path} is the {'public' if title == _PRIVATE else 'private'} half of an archive key",
                       todo=todo)
    if len(lines) < 4 or lines[0] != f"-----BEGIN {title}-----" or lines[-1] != f"-----END {title}-----":
        raise _malformed(path)
    try:
        blank = lines.index("")
        fields = dict(line.split(": ", 1) for line in lines[1:blank])
        body = base64.b64decode("".join(lines[blank + 1 : -1]), validate=True)
    except (ValueError, binascii.Error) as error:
        raise _malformed(path) from error
    if fields.get("kem") != KEM:
        raise KeyFault(f"the key in {path} is of kind {fields.get('kem', 'unknown')}; only {KEM} is supported",
                       todo="make a key with `scrubcam keys new archive`, or use a newer scrubcam")
    return fields, body


def _unprotect(path: str, fields: dict[str, str], body: bytes, passphrase: str) -> bytes:
    try:
        log_n, r, p = (int(word) for word in fields["scrypt"].split())
        salt = bytes.fromhex(fields["salt"])
        if fields["protection"] != "scrypt-aes-256-gcm" or not (
            1 <= log_n <= _MAX_SCRYPT_LOG_N and 1 <= r <= 16 and 1 <= p <= 4
        ):
            raise ValueError("protection")
        key = Scrypt(salt, 32, 1 << log_n, r, p).derive(passphrase.encode())
    except (KeyError, ValueError) as error:
        raise _malformed(path) from error
    try:
        return AESGCM(key).decrypt(bytes(12), body, fields.get("key-id", "").encode())
    except (InvalidTag, ValueError) as error:
        raise KeyFault(f"the passphrase does not open the private key {path}", todo="try again") from error


def _malformed(path: str) -> KeyFault:
    return KeyFault(f"{path} is not a whole scrubcam archive key file",
                    todo="restore it from a copy; `scrubcam keys new archive` makes a new pair")


def _exists(path: str) -> KeyFault:
    return KeyFault(f"{path} exists already and is not overwritten",
                    meaning="Recordings may depend on the key that is there", todo="choose another name")
