"""Damages valid input as files and wires get damaged: flips, cuts, repeats, splices, wild numbers. Deterministic."""

from __future__ import annotations

import random
from collections.abc import Sequence

WILD = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0" * 8, b"-1", b"1e999", b"9" * 40, b'"', b"{", b"[",
        b"\n", b"\x91" * 3000, b"[" * 3000)
MOST_BYTES = 1 << 16


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the seeds with one to eight changes; the same `rng` state gives the same bytes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        _change(data, seeds, rng)
    return bytes(data[:MOST_BYTES])


def _change(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    to = min(len(data), at + rng.choice((1, 1, 2, 4, 16, 64)))
    how = rng.randrange(7)
    if how == 0 and at < len(data):
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1 and at < len(data):
        data[at] = rng.randrange(256)
    elif how == 2:
        del data[at:to]
    elif how == 3:
        data[at:at] = data[at:to]
    elif how == 4:
        data[at:to] = rng.choice(WILD)
    elif how == 5:
        other = rng.choice(seeds)
        start = rng.randrange(len(other) + 1)
        data[at:to] = other[start : start + rng.choice((1, 4, 16, 256))]
    else:
        del data[at:]
