"""A site's device CA and the certificates it gives its devices: X.509, Ed25519 throughout. No file, no clock.

The chain is checked by our own few rules: `cryptography`'s verifier is made for the web and takes no Ed25519.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from firmware.errors import KeyFault

CA_DAYS, DEVICE_DAYS = 30 * 365, 10 * 365
MAX_CERTIFICATES = 8
BACKDATED = datetime.timedelta(days=1)
"""A certificate begins this long ago: the device's clock may be behind that of whoever certifies it."""
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage)


@dataclass(frozen=True, repr=False)
class DeviceCa:
    """A CA's certificate and, where it may sign, its key."""

    certificate: x509.Certificate
    key: Ed25519PrivateKey

    @classmethod
    def generate(cls, name: str, now: datetime.datetime, days: int = CA_DAYS) -> DeviceCa:
        """A new self-signed CA, in memory only. It may certify devices, and no further CA."""
        key = Ed25519PrivateKey.generate()
        builder = _builder(_name(name), _name(name), key.public_key(), now, now + datetime.timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(builder.add_extension(_usage(ca=True), critical=True).sign(key, None), key)

    def certify(
        self, name: str, device: Ed25519PublicKey, now: datetime.datetime, days: int = DEVICE_DAYS
    ) -> x509.Certificate:
        """The certificate of a device, which never outlives the CA's own. Raises KeyFault when the CA's has ended."""
        until = min(now + datetime.timedelta(days=days), self.certificate.not_valid_after_utc)
        if until <= now:
            raise KeyFault(f"the device CA {name_of(self.certificate)} was valid until {until:%Y-%m-%d}",
                           meaning="It can certify nothing any more", todo="make a new one: `scrubcam keys device-ca`")
        builder = _builder(_name(name), self.certificate.subject, device, now, until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (builder.add_extension(_usage(ca=False), critical=True)
                .add_extension(issuer, critical=False).sign(self.key, None))


MALFORMED = (ValueError, TypeError, LookupError, OverflowError, OSError, UnsupportedAlgorithm, x509.InvalidVersion,
             x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What is raised for a certificate that is none, when it is read or when it is asked for one of its parts."""


@dataclass(frozen=True)
class ChainVerdict:
    """Whether a device's certificates lead to a CA. `problem` says why not, in words for a person."""

    ca_name: str
    problem: str = ""

    @property
    def trusted(self) -> bool:
        return not self.problem


def check_chain(
    certificates: Sequence[bytes], device_public: bytes, ca: x509.Certificate, at_unix_s: float
) -> ChainVerdict:
    """Do `certificates` (DER, the device's own first) lead from the device's raw key to `ca`, at that moment?

    Names, signatures, validity, basicConstraints with path length, keyUsage: RFC 5280, section 6, without policies,
    name constraints and revocation, which a device's chain does not have.
    """
    ca_name = name_of(ca)
    try:
        at = datetime.datetime.fromtimestamp(at_unix_s, datetime.timezone.utc)
        _check_chain([x509.load_der_x509_certificate(der) for der in certificates[: MAX_CERTIFICATES + 1]],
                     device_public, ca, at)
    except _Broken as broken:
        return ChainVerdict(ca_name, str(broken))
    except MALFORMED as error:
        return ChainVerdict(ca_name, f"a certificate is malformed ({error})")
    return ChainVerdict(ca_name)


def to_der(certificate: x509.Certificate) -> bytes:
    """As it stands in a recording's header."""
    return certificate.public_bytes(serialization.Encoding.DER)


def to_pem(certificate: x509.Certificate) -> bytes:
    """As it stands in a file; openssl reads it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def name_of(certificate: x509.Certificate) -> str:
    """The common name, for people; the whole subject where there is none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


class _Broken(Exception):
    """The chain does not lead to the CA; the text says where it breaks."""


def _check_chain(
    chain: list[x509.Certificate], device_public: bytes, ca: x509.Certificate, at: datetime.datetime
) -> None:
    if not chain:
        raise _Broken("the recording carries no certificate of its device")
    if len(chain) > MAX_CERTIFICATES:
        raise _Broken(f"more than {MAX_CERTIFICATES} certificates")
    if raw_key(chain[0]) != device_public:
        raise _Broken(f"the certificate of {name_of(chain[0])} is not of the key that signed")
    own = chain[0]
    if chain[-1] == ca:
        chain = chain[:-1]
    for number, (child, issuer) in enumerate(zip(chain, [*chain[1:], ca], strict=True)):
        try:
            child.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise _Broken(f"the certificate of {name_of(child)} was not issued by {name_of(issuer)}") from None
        if not _may_issue(issuer, below=number):
            raise _Broken(f"{name_of(issuer)} may not issue the certificate of {name_of(child)}")
    for certificate in [*chain, ca]:
        for extension in certificate.extensions:
            if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
                raise _Broken(f"the certificate of {name_of(certificate)} demands {extension.oid.dotted_string}")
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise _Broken(
                f"the certificate of {name_of(certificate)} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
                f"to {certificate.not_valid_after_utc:%Y-%m-%d}, the recording was made on {at:%Y-%m-%d}"
            )
    usage = _extension(own, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise _Broken(f"the certificate of {name_of(own)} is not for signing")


def _may_issue(issuer: x509.Certificate, below: int) -> bool:
    """`below` is the number of CAs between `issuer` and the device."""
    constraints, usage = _extension(issuer, x509.BasicConstraints), _extension(issuer, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        return False
    return constraints.path_length is None or constraints.path_length >= below


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def raw_key(certificate: x509.Certificate) -> bytes:
    """The raw Ed25519 key, empty for a key of another kind."""
    key = certificate.public_key()
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PublicKey, since: datetime.datetime, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(since - BACKDATED).not_valid_after(until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False))


def _usage(*, ca: bool) -> x509.KeyUsage:
    """A CA signs certificates and revocation lists; a device signs data that must stand in court."""
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=not ca, key_cert_sign=ca, crl_sign=ca, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )
