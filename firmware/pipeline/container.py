"""Was a media file cut short? Read from the sizes its container declares; nothing is decoded.

A decoder that reaches the end of a cut file says "end", not "cut": without this the loss would be silent.
"""

from __future__ import annotations

import os
from typing import BinaryIO

_EBML_SEGMENT = b"\x18\x53\x80\x67"


def cut_short(path: str) -> str:
    """Why the file at `path` is known to be incomplete, or "" (also for containers that declare no sizes)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(12)
        if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _mp4(file, size)
        if start[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska(file, size)
        if start[:4] == b"RIFF":
            return _missing(8 + int.from_bytes(start[4:8], "little"), size)
    return ""


def _mp4(file: BinaryIO, size: int) -> str:
    """ISO/IEC 14496-12: every top-level box must end inside the file."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:
            return ""  # to the end of the file, whatever that is
        if length < 8 or not head[4:8].isalnum():
            return ""  # not a box: something was appended, nothing is missing
        at += length
    return _missing(at, size)


def _matroska(file: BinaryIO, size: int) -> str:
    """RFC 8794: the segment's size, when known, must lie inside the file."""
    file.seek(0)
    head = file.read(4096)
    at = head.find(_EBML_SEGMENT)
    if at < 0 or at + 5 > len(head):
        return ""
    at += 4
    length = 9 - head[at].bit_length()
    if length > 8:
        return ""
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    if value == (1 << 7 * length) - 1:
        return ""  # unknown size: a stream
    return _missing(at + length + value, size)


def _missing(wanted: int, size: int) -> str:
    return f"the file is cut short, {wanted - size} of its {wanted} bytes are missing" if wanted > size else ""
