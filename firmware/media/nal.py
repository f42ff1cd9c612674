"""Looks into an encoded picture just far enough to know whether it is an IDR. Pure; decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator

# Delimiters and parameter sets: H.264 Table 7-1 (SPS, PPS, AUD), H.265 Table 7-1 (VPS, SPS, PPS, AUD).
_NOT_IN_SAMPLES = {"h264": {7, 8, 9}, "h265": {32, 33, 34, 35}}


def nals(codec: str, unit: bytes) -> Iterator[tuple[int, int, int]]:
    """(type, start, end) of each NAL unit, with its 4-byte length, in an access unit (avc/hvc sample format).

    H.264 7.3.1: the low 5 bits of the first byte; H.265 7.3.1.2: 6 bits after the first.
    """
    at = 0
    while at + 5 <= len(unit):
        head = unit[at + 4]
        end = at + 4 + int.from_bytes(unit[at : at + 4], "big")
        yield head & 0x1F if codec == "h264" else (head >> 1) & 0x3F, at, end
        at = end


def without_parameter_sets(codec: str, unit: bytes) -> bytes:
    """The unit as avc1 and hvc1 want it: parameter sets are in the sample entry, and only there."""
    unwanted = _NOT_IN_SAMPLES[codec]
    return b"".join(unit[start:end] for kind, start, end in nals(codec, unit) if kind not in unwanted)


def has_idr(codec: str, unit: bytes) -> bool:
    """Can a decoder start here? H.264 type 5; H.265 types 19 and 20 (Table 7-1 of each standard)."""
    wanted = (5,) if codec == "h264" else (19, 20)
    return any(kind in wanted for kind, _, _ in nals(codec, unit))
