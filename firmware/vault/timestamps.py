"""Timestamps over a recording's chain values (RFC 3161): asking, checking an answer, reading a token. No I/O.

The token is the authority's own CMS structure; everything in it is parsed and checked by `rfc3161_client`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import rfc3161_client as tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from firmware.errors import TimestampFault
from firmware.vault.device_ca import name_of

MAX_TOKEN_BYTES = 64 * 1024
"""Tokens have 1 to 8 kB; the most is a bound for what is taken in from a network."""
MOST_NAME = 100
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_GRANTED = (tsp.PKIStatus.GRANTED, tsp.PKIStatus.GRANTED_WITH_MODS)


@dataclass(frozen=True)
class TimestampRequest:
    """What is sent to an authority, and what its answer must fit."""

    chain: bytes
    nonce: int
    der: bytes


@dataclass(frozen=True)
class TokenInfo:
    """What a token says of itself.

    `authority` (at most MOST_NAME printable letters) is only a claim until `signature_problem` has checked it.
    """

    unix_s: float
    authority: str


def new_request(chain: bytes) -> TimestampRequest:
    """A request over the SHA-256 of a chain value (32 bytes), with a fresh nonce."""
    request = (tsp.TimestampRequestBuilder().data(chain).hash_algorithm(tsp.HashAlgorithm.SHA256)
               .nonce(nonce=True).cert_request(cert_request=True).build())
    assert request.nonce is not None
    return TimestampRequest(chain, request.nonce, request.as_bytes())


def token_of(answer: bytes, request: TimestampRequest) -> bytes:
    """The token (DER) of an authority's answer to `request`. Raises TimestampFault: refused, or no answer to it."""
    if len(answer) > MAX_TOKEN_BYTES:
        raise TimestampFault(f"the authority's answer has {len(answer)} bytes; at most {MAX_TOKEN_BYTES}")
    with _told_as_fault("the authority's answer"):
        response = tsp.decode_timestamp_response(answer)
        granted, why = response.status in _GRANTED, "; ".join(response.status_string)[:200]
        if not granted:
            raise TimestampFault(f"the timestamp authority refused (status {response.status}{why and ': ' + why})",
                                 todo="check that it offers SHA-256 and its default policy")
        token, nonce = response.time_stamp_token(), response.tst_info.nonce
    if nonce != request.nonce:
        raise TimestampFault("the authority's answer is to another request: its nonce is a different one",
                             meaning="It may be an old answer played back; it is not used")
    if not covers(token, request.chain):
        raise TimestampFault("the authority's answer is over other data", meaning="It is not used")
    return token


def covers(token: bytes, chain: bytes) -> bool:
    """Is the token's message imprint the SHA-256 of this chain value? Raises TimestampFault when it is no token."""
    with _told_as_fault("the timestamp"):
        imprint = _of_token(token).tst_info.message_imprint
        return bool(imprint.hash_algorithm == _SHA256 and imprint.message == hashlib.sha256(chain).digest())


def token_info(token: bytes) -> TokenInfo:
    """Raises TimestampFault when it is no token."""
    with _told_as_fault("the timestamp"):
        response = _of_token(token)
        name = "".join(letter for letter in _authority(response) if letter.isprintable())
        return TokenInfo(response.tst_info.gen_time.timestamp(), name[:MOST_NAME])


def signature_problem(token: bytes, chain: bytes, authorities: Sequence[x509.Certificate]) -> str:
    """Why this token over `chain` is not signed by an authority whose certificate leads to one of `authorities`; empty
    when it is.

    Its certificates must have been valid at the token's time, and made for time stamping. Raises TimestampFault.
    """
    builder = tsp.VerifierBuilder()
    for certificate in {one.public_bytes(Encoding.DER): one for one in authorities}.values():
        builder = builder.add_root_certificate(certificate)
    with _told_as_fault("the timestamp"):
        response = _of_token(token)
        try:
            builder.build().verify_message(response, chain)
        except tsp.VerificationError as error:
            return _in_words(str(error))
    return ""


def _in_words(error: str) -> str:
    """The library passes on the whole stack of OpenSSL's errors."""
    chain = re.search(r"Verify error: ([^\"\\]+)", error)
    if chain:
        return f"its certificate is not trusted: {chain[1]}"
    if "signature failure" in error or "digest failure" in error:
        return "its signature does not hold"
    return error[:200]


def _of_token(token: bytes) -> tsp.TimeStampResponse:
    """A token as the answer that it came in: the library reads only whole answers. RFC 3161, section 2.4.2."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TimestampFault(f"a timestamp of {len(token)} bytes; at most {MAX_TOKEN_BYTES}")
    body = bytes.fromhex("3003020100") + token  # PKIStatusInfo: granted
    return tsp.decode_timestamp_response(b"\x30" + _der_length(len(body)) + body)


@contextlib.contextmanager
def _told_as_fault(what: str) -> Iterator[None]:
    """Bit flips in a token made the library raise ValueError, TypeError, KeyError, InvalidVersion: all one fault."""
    try:
        yield
    except TimestampFault:
        raise
    except Exception as error:
        raise TimestampFault(f"{what} is malformed ({type(error).__name__}: {error})") from error


def _der_length(length: int) -> bytes:
    size = (length.bit_length() + 7) // 8
    return bytes([length]) if length < 0x80 else bytes([0x80 | size]) + length.to_bytes(size, "big")


def _authority(response: tsp.TimeStampResponse) -> str:
    """The signer's common name; its issuer's where the token does not carry the certificate."""
    signer = next(iter(response.signed_data.signer_infos))
    for der in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.issuer == signer.issuer and certificate.serial_number == signer.serial_number:
            return name_of(certificate)
    return signer.issuer.rfc4514_string()
