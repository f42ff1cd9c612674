"""Every parser takes or refuses by name whatever it is given: a short run with damaged input (the long: make fuzz)."""

from __future__ import annotations

import random
import struct

import pytest

from tests.fuzz import certificates
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

RUNS = 600
OWN = seeds("device-chain")[0]
FOUND: list[tuple[str, bytes]] = [
    # One wrong byte raised UnicodeDecodeError: the recorder did not start, and a connection hung.
    ("zone-approval", b'{"sha256":"a\xf0","by":"kim","unix_s":1.5,"signature":""}'),
    ("logins", b'{"roo\xcb":{"role":"administrator","n":16,"salt":"","hash":""}}'),
    ("logins", b'{"root":{"role":"operator","n":2,"salt":"","hash":""}}'),  # ValueError: too little memory allowed
    ("last-start", b'{"software":"\xff","salt":"","settings":{}}'),
    ("audit-cursor", b'{"seq":1,"chain":"\xff"}'),
    # A certificate of no version, for an unknown kind of key, or with a name that is no text, ended `verify --ca` in a
    # traceback, and kept the recorder in its self-test.
    ("device-chain", OWN.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42")),
    ("device-chain", OWN.replace(b"\x0c\x04or-1", b"\x03\x04or-1")),
    ("certificate-file", certificates.pem(OWN[2:].replace(b"+ep\x03!\0", b"+eu\x03!\0"))),
    # A value that is not known, nested deeply, raised RecursionError.
    ("ledger", b'{"reason":' + b"[" * 3000),
    ("case-file", b"state = " + b"[" * 3000),
    ("provision-answers", b"name = " + b"[" * 3000),
    ("timestamp-files", b'{"reason":' + b"[" * 3000),
    ("sealed-forged", struct.pack(">H", 3010) + b'{"later": ' + b"[" * 3000),
]
"""Input that once broke a parser."""


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_parser(name: str) -> None:
    target, begin, rng = TARGETS[name], seeds(name), random.Random(name)
    for seed in begin:
        target(seed)
    for number in range(RUNS):
        data = mutated(begin, rng)
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name}, run {number}: {type(error).__name__} {error} for {data!r:.2000}") from error


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_broke_a_parser_once_does_not_again(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_random_bytes_do_not_either(name: str) -> None:
    target, rng = TARGETS[name], random.Random(name)
    target(b"")
    for _ in range(200):
        target(rng.randbytes(rng.randrange(300)))
