"""Looks into an encoded picture just far enough to know whether it is an IDR. Pure; decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator


def nal_types(codec: str, unit: bytes) -> Iterator[int]:
    """NAL unit types of an access unit with 4-byte lengths (avc/hvc sample format).

    H.264 7.3.1: the low 5 bits of the first byte; H.265 7.3.1.2: 6 bits after the first.
    """
    at = 0
    while at + 5 <= len(unit):
        head = unit[at + 4]
        yield head & 0x1F if codec == "h264" else (head >> 1) & 0x3F
        at += 4 + int.from_bytes(unit[at : at + 4], "big")


def has_idr(codec: str, unit: bytes) -> bool:
    """Can a decoder start here? H.264 type 5; H.265 types 19 and 20 (Table 7-1 of each standard)."""
    wanted = (5,) if codec == "h264" else (19, 20)
    return any(kind in wanted for kind in nal_types(codec, unit))
