"""Frame rates as people and vendors write them -> the exact fraction. Pure."""

from __future__ import annotations

from fractions import Fraction

_WHOLE_HZ = 0.0005
_BROADCAST_HZ = 0.005
"""How far a number may lie from n * 1000/1001 and still mean it: 23.98 is written for 23.976."""


def exact_rate(hz: float) -> Fraction:
    """The exact rate that `hz` stands for: 59.94 is 60000/1001 (SMPTE ST 2036-1), 25.0 is 25; 0 for no rate.

    Anything else is the nearest fraction with a denominator of at most 1001.
    """
    if hz <= 0:
        return Fraction(0)
    if abs(hz - round(hz)) < _WHOLE_HZ:
        return Fraction(round(hz))
    broadcast = Fraction(round(hz * 1.001) * 1000, 1001)
    if abs(hz - broadcast) < _BROADCAST_HZ:
        return broadcast
    return Fraction(hz).limit_denominator(1001)
