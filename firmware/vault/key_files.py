"""The text format of archive key files (docs/recording-format.md, "Key files"): packing, parsing, the passphrase."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from firmware.errors import KeyFault
from firmware.vault.key_kinds import KINDS

PRIVATE, PUBLIC = "SCRUBCAM ARCHIVE PRIVATE KEY", "SCRUBCAM ARCHIVE PUBLIC KEY"
_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 16, 8, 1
_MAX_SCRYPT_LOG_N = 20
_MAX_FILE_BYTES = 65536


@dataclass(frozen=True, repr=False)
class KeyFile:
    """A parsed key file: its kind, the key id it claims, and the raw key (of a private file, unprotected)."""

    kem: str
    key_id: str
    body: bytes


def public_text(kem: str, key_id: str, raw: bytes) -> str:
    """A public key file."""
    return _text(PUBLIC, {"kem": kem, "key-id": key_id}, raw)


def private_text(kem: str, key_id: str, body: bytes, passphrase: str | None) -> str:
    """A private key file; encrypted (scrypt, AES-256-GCM) when a passphrase is given."""
    fields = {"kem": kem, "key-id": key_id, "protection": "none"}
    if not passphrase:
        return _text(PRIVATE, fields, body)
    salt = secrets.token_bytes(16)
    fields |= {"protection": "scrypt-aes-256-gcm", "salt": salt.hex(),
               "scrypt": f"{_SCRYPT_LOG_N} {_SCRYPT_R} {_SCRYPT_P}"}
    key = Scrypt(salt, 32, 1 << _SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P).derive(passphrase.encode())
    # The nonce may be constant: a fresh salt makes a fresh key, used for this one encryption.
    return _text(PRIVATE, fields, AESGCM(key).encrypt(bytes(12), body, key_id.encode()))


def read_public(path: str) -> KeyFile:
    """Raises KeyFault: missing, malformed, or the private half."""
    fields, body = _read(path, PUBLIC)
    return KeyFile(fields["kem"], fields.get("key-id", ""), body)


def read_private(path: str, passphrase: str | None) -> KeyFile:
    """Raises KeyFault: missing, malformed, the public half, passphrase needed or wrong."""
    fields, body = _read(path, PRIVATE)
    if fields.get("protection", "none") != "none":
        if not passphrase:
            raise KeyFault(f"the private key {path} is protected by a passphrase and none was given",
                           todo="give the passphrase")
        body = _unprotect(path, fields, body, passphrase)
    return KeyFile(fields["kem"], fields.get("key-id", ""), body)


def malformed(path: str) -> KeyFault:
    """The fault of a file that is no key file, or not a whole one."""
    return KeyFault(f"{path} is not a whole scrubcam archive key file",
                    todo="restore it from a copy; `scrubcam keys new archive` makes a new pair")


def _text(title: str, fields: dict[str, str], body: bytes) -> str:
    text = base64.b64encode(body).decode()
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += ["", *(text[i : i + 64] for i in range(0, len(text), 64))]
    return "\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----", ""])


def _read(path: str, title: str) -> tuple[dict[str, str], bytes]:
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode("ascii")
    except OSError as error:
        raise KeyFault(f"the key file {path} cannot be read ({error.strerror})",
                       todo="check the path; `scrubcam keys new archive` makes a key pair") from error
    except UnicodeDecodeError as error:
        raise malformed(path) from error
    lines = [line.strip() for line in text.strip().splitlines()]
    other = PUBLIC if title == PRIVATE else PRIVATE
    if lines and lines[0] == f"-----BEGIN {other}-----":
        todo = ("use the private key, from where the archive keeps it" if title == PRIVATE else
                "use the public key; the private half must never be on a device")
        raise KeyFault(f"{path} is the {'public' if title == PRIVATE else 'private'} half of an archive key",
                       todo=todo)
    if len(lines) < 4 or lines[0] != f"-----BEGIN {title}-----" or lines[-1] != f"-----END {title}-----":
        raise malformed(path)
    try:
        blank = lines.index("")
        fields = dict(line.split(": ", 1) for line in lines[1:blank])
        body = base64.b64decode("".join(lines[blank + 1 : -1]), validate=True)
    except (ValueError, binascii.Error) as error:
        raise malformed(path) from error
    if fields.get("kem") not in KINDS:
        raise KeyFault(f"the key in {path} is of kind {fields.get('kem', 'unknown')}; supported are {', '.join(KINDS)}",
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
        raise malformed(path) from error
    try:
        return AESGCM(key).decrypt(bytes(12), body, fields.get("key-id", "").encode())
    except (InvalidTag, ValueError) as error:
        raise KeyFault(f"the passphrase does not open the private key {path}", todo="try again") from error
