"""The archive's key pair: its public half seals recordings, its private half opens them and never goes on a device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag

from firmware.durable import remove_durably, write_durably
from firmware.errors import DiskFault, KeyFault
from firmware.vault.device_key import DeviceKey, fingerprint, load_trust_list
from firmware.vault.format import Recipient
from firmware.vault.key_files import malformed, private_text, public_text, read_private, read_public
from firmware.vault.key_kinds import DEFAULT_KEM, KINDS

__all__ = ["DEFAULT_KEM", "DeviceKey", "PrivateKey", "PublicKey", "RecipientKey", "Role", "load_recipients",
           "load_trust_list", "new_archive_key"]

CONTENT_KEY_BYTES = 32

Role = Literal["archive", "escrow", "reader"]
"""archive: the hospital's own. escrow: a second one, kept elsewhere for when the first is lost. reader: any other."""


@dataclass(frozen=True)
class PublicKey:
    """Seals recordings to one archive. `raw` is laid out as the kind `kem` says."""

    raw: bytes
    kem: str = DEFAULT_KEM

    @property
    def key_id(self) -> str:
        """First 128 bits of SHA-256 over `raw`, as four groups of eight hex digits."""
        return fingerprint(self.raw)

    @property
    def quantum_safe(self) -> bool:
        """Whether what is sealed to it stays closed to a quantum computer."""
        return KINDS[self.kem].quantum_safe

    @classmethod
    def load(cls, path: str) -> PublicKey:
        """From a public key file. Raises KeyFault."""
        file = read_public(path)
        key = cls(file.body, file.kem)
        try:
            KINDS[key.kem].check_public(key.raw)
        except ValueError as error:
            raise malformed(path) from error
        if file.key_id != key.key_id:
            raise malformed(path)
        return key

    def to_text(self) -> str:
        """The public key file's text."""
        return public_text(self.kem, self.key_id, self.raw)

    def wrap(self, content_key: bytes | bytearray, info: bytes) -> Recipient:
        """The content key for this recipient alone; `info` binds it to its recording."""
        return Recipient(self.kem, self.key_id, KINDS[self.kem].seal(self.raw, content_key, info))


@dataclass(frozen=True)
class RecipientKey:
    """A public key and what it is there for."""

    role: Role
    key: PublicKey


def load_recipients(files: Iterable[tuple[Role, str]]) -> tuple[RecipientKey, ...]:
    """The keys in `files`, (role, path of a public key file) each. Raises KeyFault, also when one key comes twice."""
    found: dict[str, tuple[str, RecipientKey]] = {}
    for role, path in files:
        key = PublicKey.load(path)
        if key.key_id in found:
            other, there = found[key.key_id]
            raise KeyFault(f"{path} ({role}) and {other} ({there.role}) are one key",
                           meaning="Who loses it loses both", todo="make a key pair for each role, and name each once")
        found[key.key_id] = (path, RecipientKey(role, key))
    return tuple(recipient for _, recipient in found.values())


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """Opens recordings. `body` is laid out as the kind `kem` says."""

    body: bytes
    kem: str = DEFAULT_KEM

    @classmethod
    def generate(cls, kem: str = DEFAULT_KEM) -> PrivateKey:
        """A new key, in memory only."""
        return cls(KINDS[kem].generate(), kem)

    @classmethod
    def load(cls, path: str, passphrase: str | None = None) -> PrivateKey:
        """From a private key file. Raises KeyFault: missing, malformed, passphrase needed or wrong."""
        file = read_private(path, passphrase)
        key = cls(file.body, file.kem)
        try:
            if len(key.body) != KINDS[key.kem].private_bytes or file.key_id != key.public.key_id:
                raise malformed(path)
        except ValueError as error:
            raise malformed(path) from error
        return key

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(KINDS[self.kem].public_of(self.body), self.kem)

    def unwrap(self, recipients: Sequence[Recipient], info: bytes) -> bytes:
        """The content key from a recording's recipients. Raises KeyFault when this key is not among them."""
        own = self.public.key_id
        wrapped = next((r.wrapped for r in recipients if r.key_id == own and r.kem == self.kem), None)
        if wrapped is None:
            others = ", ".join(r.key_id for r in recipients) or "nobody"
            raise KeyFault(f"this key is {own}, the recording is for {others}",
                           meaning="It cannot be opened with this key", todo="use the archive key with that id")
        try:
            content_key = KINDS[self.kem].open(self.body, wrapped, info)
        except (InvalidTag, ValueError) as error:
            raise KeyFault(f"the recording names key {own} but its wrapped content key does not open",
                           meaning="It was damaged, or wrapped for another recording",
                           todo="run `scrubcam verify` on the file") from error
        if len(content_key) != CONTENT_KEY_BYTES:
            raise KeyFault("the recording's content key has a wrong length", todo="run `scrubcam verify` on the file")
        return content_key

    def to_text(self, passphrase: str | None = None) -> str:
        """The private key file's text; encrypted when a passphrase is given."""
        return private_text(self.kem, self.public.key_id, self.body, passphrase)


def new_archive_key(
    path_private: str, path_public: str, passphrase: str | None = None, kem: str = DEFAULT_KEM
) -> PublicKey:
    """Create an archive key pair as two new files, the private one with mode 0600. Raises KeyFault, DiskFault.

    Nothing is overwritten: a replaced private key would make every recording sealed to it unreadable.
    """
    for path in (path_private, path_public):
        if os.path.lexists(path):
            raise _exists(path)
    key = PrivateKey.generate(kem)
    try:
        write_durably(path_private, key.to_text(passphrase).encode(), mode=0o600, exclusive=True)
    except FileExistsError as error:
        raise _exists(path_private) from error
    try:
        write_durably(path_public, key.public.to_text().encode(), mode=0o644, exclusive=True)
    except (FileExistsError, DiskFault) as error:
        with contextlib.suppress(DiskFault):
            remove_durably(path_private)  # its public half was never given to anyone
        if isinstance(error, FileExistsError):
            raise _exists(path_public) from error
        raise
    return key.public


def _exists(path: str) -> KeyFault:
    return KeyFault(f"{path} exists already and is not overwritten",
                    meaning="Recordings may depend on the key that is there", todo="choose another name")
