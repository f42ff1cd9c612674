"""What a media file's container declares: was it cut short, does its frame rate vary? Nothing is decoded.

A decoder that reaches the end of a cut file says "end", not "cut": without this the loss would be silent.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from firmware.errors import MediaUnreadable
from firmware.media.boxes import View

_MAX_MOVIE_BYTES = 64_000_000
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


def lacks_index(path: str) -> bool:
    """Whether it is an MP4 without its index (moov): a recording that was never finished."""
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"ftyp" and not _movie(file, os.path.getsize(path))


def varies(path: str) -> bool:
    """Whether an MP4's time table has frames of different lengths (the last one aside). False for other containers."""
    try:
        with open(path, "rb") as file:
            movie = _movie(file, os.path.getsize(path))
        for kind, trak in View.of(movie).boxes():
            if kind == "trak" and trak.find("mdia", "hdlr").bytes(8)[:4] == b"vide":
                table = trak.find("mdia", "minf", "stbl", "stts")
                (entries,) = table.take("I", 4)
                lengths = [table.take("II", 8 + 8 * i) for i in range(min(entries, 3))]
                return entries > 2 or (entries == 2 and lengths[1][0] > 1)
    except MediaUnreadable:
        return False
    return False


def _movie(file: BinaryIO, size: int) -> bytes:
    """The content of moov; b"" where there is none."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if head[4:8] == b"moov":
            file.seek(at + 8)
            return file.read(min(length - 8, _MAX_MOVIE_BYTES))
        if length < 8:
            break
        at += length
    return b""


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
