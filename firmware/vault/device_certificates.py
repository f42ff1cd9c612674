"""Files of a site's device CA: its key and certificate, a device's certificate, and the chain a device presents."""

from __future__ import annotations

import contextlib
import datetime
import os

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from firmware.durable import write_durably
from firmware.errors import DiskFault, KeyFault
from firmware.vault.device_ca import MALFORMED, MAX_CERTIFICATES, DeviceCa, name_of, raw_key, to_pem
from firmware.vault.device_key import DeviceKey

CERTIFICATE_NAME = "device.crt"
_MAX_FILE_BYTES = 1 << 20


def new_device_ca(
    path_key: str, path_certificate: str, name: str, now: datetime.datetime, passphrase: str | None = None
) -> DeviceCa:
    """Make a device CA as two new files, its key with mode 0600. Nothing is overwritten. Raises KeyFault, DiskFault."""
    for path in (path_key, path_certificate):
        if os.path.lexists(path):
            raise _exists(path)
    ca = DeviceCa.generate(name, now)
    protection = (serialization.BestAvailableEncryption(passphrase.encode()) if passphrase
                  else serialization.NoEncryption())
    pem = ca.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    _write_new(path_key, pem, mode=0o600)
    try:
        _write_new(path_certificate, to_pem(ca.certificate), mode=0o644)
    except (KeyFault, DiskFault):
        with contextlib.suppress(OSError):
            os.unlink(path_key)  # nothing was certified with it
        raise
    return ca


def is_protected(path_key: str) -> bool:
    """Whether a CA's key file asks for a passphrase. Raises KeyFault when it cannot be read."""
    return b"ENCRYPTED" in _read(path_key)


def load_device_ca(path_key: str, path_certificate: str, passphrase: str | None = None) -> DeviceCa:
    """A CA that may sign. Raises KeyFault: missing, malformed, passphrase needed or wrong, key of another CA."""
    certificate = read_certificates(path_certificate)[0]
    try:
        secret = passphrase.encode() if passphrase else None
        key = serialization.load_pem_private_key(_read(path_key), secret)
    except TypeError as error:
        raise KeyFault(f"the passphrase for {path_key} is missing, or it has none", todo="try again") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"{path_key} is no key file, or its passphrase is another one", todo="try again") from error
    if not isinstance(key, Ed25519PrivateKey) or key.public_key().public_bytes_raw() != raw_key(certificate):
        raise KeyFault(f"{path_key} is not the key of the CA in {path_certificate}",
                       todo="name the two files that `scrubcam keys device-ca` made together")
    return DeviceCa(certificate, key)


def certify_device(ca: DeviceCa, path_public: str, name: str, path_certificate: str, now: datetime.datetime) -> None:
    """Write the certificate of the device key in `path_public`, a new file. Raises KeyFault, DiskFault.

    `path_public` is a device.pub or a device's request (PKCS#10); of a request only the key is taken.
    """
    try:
        data = _read(path_public)
        asked = b"REQUEST-----" in data
        device = _requested_key(data, path_public) if asked else serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"{path_public} is no public key", todo="name the device's device.pub") from error
    if not isinstance(device, Ed25519PublicKey):
        raise KeyFault(f"{path_public} is not a device key (Ed25519)", todo="name the device's device.pub")
    _write_new(path_certificate, to_pem(ca.certify(name, device, now)), mode=0o644)


def _requested_key(data: bytes, path: str) -> object:
    """The key in a request that is signed by it: whoever made the request has the key. Raises KeyFault, ValueError."""
    request = x509.load_pem_x509_csr(data)
    if not request.is_signature_valid:
        raise KeyFault(f"the request {path} is not signed by its own key", meaning="It was changed on the way",
                       todo="take it from the device again")
    return request.public_key()


def read_certificates(path: str) -> list[x509.Certificate]:
    """All certificates of a PEM file, at least one. Raises KeyFault."""
    try:
        found = x509.load_pem_x509_certificates(_read(path))
        for certificate in found:
            name_of(certificate)  # a part is read only when it is asked for
        return found
    except MALFORMED as error:
        raise KeyFault(f"{path} holds no certificate, or a damaged one",
                       todo="name a PEM file of certificates") from error


def load_device_chain(state_dir: str, device: DeviceKey) -> list[x509.Certificate]:
    """The chain in `state_dir`/device.crt, the device's own first; empty when there is no such file.

    Raises KeyFault when it is unreadable or its first certificate is not of the device's key.
    """
    path = os.path.join(state_dir, CERTIFICATE_NAME)
    if not os.path.lexists(path):
        return []
    chain = read_certificates(path)
    try:
        own = raw_key(chain[0])
    except MALFORMED:
        own = b""
    if own != device.public or len(chain) > MAX_CERTIFICATES:
        raise KeyFault(
            f"the certificates in {path} do not match this device's key {device.fingerprint}",
            meaning="Recordings would be refused by whoever checks them against the device CA",
            todo="certify this device's device.pub (`scrubcam keys certify`), or move device.crt away",
        )
    return chain


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise KeyFault(f"the file {path} cannot be read ({error.strerror})", todo="check the path") from error


def _write_new(path: str, data: bytes, mode: int) -> None:
    try:
        write_durably(path, data, mode=mode, exclusive=True)
    except FileExistsError as error:
        raise _exists(path) from error


def _exists(path: str) -> KeyFault:
    return KeyFault(f"{path} exists already and is not overwritten", meaning="Devices may depend on what is there",
                    todo="choose another name")
