"""X.509 for fuzzing: files of certificates, the chain in a recording's header, the chain beside a device's key."""

from __future__ import annotations

import base64
import datetime
import struct
import tempfile
import warnings
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.utils import CryptographyDeprecationWarning

from firmware.errors import KeyFault
from firmware.vault.device_ca import DeviceCa, check_chain, name_of, to_der, to_pem
from firmware.vault.device_certificates import CERTIFICATE_NAME, load_device_chain, read_certificates
from tests.fuzz.sealed import DEVICE, FOLDER, told_well

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
CA = DeviceCa.generate("Site CA", NOW)
OWN = CA.certify("or-1", Ed25519PublicKey.from_public_bytes(DEVICE.public), NOW)
OTHER = CA.certify("or-2", Ed25519PrivateKey.generate().public_key(), NOW)


def chain(data: bytes) -> None:
    """`device.certificates` of a header: only what the CA issued for this key leads to it."""
    found = []
    while data:
        (length,) = struct.unpack(">H", data[:2].ljust(2, b"\0"))
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # a serial number that is not positive
        verdict = check_chain(found, DEVICE.public, CA.certificate, NOW.timestamp() + 1)
    assert verdict.ca_name == "Site CA"
    assert not verdict.trusted or found[0] == to_der(OWN)


def chain_seeds() -> list[bytes]:
    """The device's own certificate, alone and with one more; another device's."""
    own, other = (struct.pack(">H", len(der)) + der for der in (to_der(OWN), to_der(OTHER)))
    return [own, own + other, other]


def files(data: bytes) -> None:
    """`--ca`, `--tsa-ca`, and device.crt."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        path = Path(folder, CERTIFICATE_NAME)
        path.write_bytes(data)
        try:
            for certificate in read_certificates(str(path)):
                assert name_of(certificate) is not None
            load_device_chain(folder, DEVICE)
        except KeyFault as fault:
            told_well(fault)


def pem(der: bytes) -> bytes:
    """A file of one certificate, whatever it is."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def file_seeds() -> list[bytes]:
    """A chain, and a CA alone."""
    return [to_pem(OWN) + to_pem(CA.certificate), to_pem(CA.certificate)]
