"""The boxes around a track's samples that a fragmented and a plain MP4 have in common: moov and inside. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from firmware.media.boxes import box, full_box
from firmware.media.sample_entries import sound_entry, video_entry
from firmware.media.tracks import SoundTrack, VideoTrack

VIDEO_ID, SOUND_ID = 1, 2
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # "und", three letters of five bits

Edit = tuple[int, int]
"""(duration in movie ticks, media time in track ticks; -1 shows nothing)."""


def movie_box(timescale: int, duration: int, *parts: bytes) -> bytes:
    """moov with its header; creation times are left out (0): a recording's time is in its sealed header."""
    header = struct.pack(">QQIQIH10x", 0, 0, timescale, duration, 0x10000, 0x100) + _MATRIX
    return box("moov", full_box("mvhd", 1, 0, header, bytes(24), struct.pack(">I", SOUND_ID + 1)), *parts)


def comment_box(text: str) -> bytes:
    """udta with `text` as the movie's comment, in the item list that iTunes began and every player reads
    (Apple, QuickTime File Format, "Metadata item list atom"; well-known data type 1 is UTF-8)."""
    data = box("data", struct.pack(">II", 1, 0), text.encode())
    comment = struct.pack(">I4s", 8 + len(data), b"\xa9cmt") + data
    handler = full_box("hdlr", 0, 0, struct.pack(">I4s4s9x", 0, b"mdir", b"appl"))
    return box("udta", full_box("meta", 0, 0, handler, box("ilst", comment)))


def track_box(
    tracks: Sequence[VideoTrack] | Sequence[SoundTrack], movie_duration: int, duration: int,
    tables: bytes, edits: Sequence[Edit] = (),
) -> bytes:
    """trak: `tracks` are its sample descriptions (the first gives size and timescale), `tables` its sample tables."""
    first = tracks[0]
    if isinstance(first, VideoTrack):
        number, volume, timescale = VIDEO_ID, 0, first.timescale
        size = struct.pack(">II", first.width << 16, first.height << 16)
        handler, media_header = b"vide", full_box("vmhd", 0, 1, bytes(8))
    else:
        number, volume, timescale = SOUND_ID, 0x100, first.rate_hz
        size = bytes(8)
        handler, media_header = b"soun", full_box("smhd", 0, 0, bytes(4))
    entries = [video_entry(each) if isinstance(each, VideoTrack) else sound_entry(each) for each in tracks]
    head = struct.pack(">QQI4xQ8xHHH2x", 0, 0, number, movie_duration, 0, 0, volume) + _MATRIX + size
    sample_table = box("stbl", full_box("stsd", 0, 0, struct.pack(">I", len(entries)), *entries), tables)
    data_here = box("dinf", full_box("dref", 0, 0, struct.pack(">I", 1), full_box("url ", 0, 1)))
    return box(
        "trak",
        full_box("tkhd", 1, 3, head),
        edit_box(edits),
        box(
            "mdia",
            full_box("mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, timescale, duration, _UNDETERMINED, 0)),
            full_box("hdlr", 0, 0, struct.pack(">I4s12x", 0, handler), b"Scrubcam\0"),
            box("minf", media_header, data_here, sample_table),
        ),
    )


def edit_box(edits: Sequence[Edit]) -> bytes:
    """edts/elst, or nothing when there is nothing to edit."""
    if not edits:
        return b""
    rows = (struct.pack(">Qqhh", duration, media_time, 1, 0) for duration, media_time in edits)
    return box("edts", full_box("elst", 1, 0, struct.pack(">I", len(edits)), *rows))
