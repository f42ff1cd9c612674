"""A plain MP4 out of our fragments, written as they come: only the sample tables stay in memory, moov comes last.

It neither names nor syncs files: firmware/export does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from firmware.errors import FormatChanged, MediaUnreadable
from firmware.media.boxes import box
from firmware.media.fmp4 import ParsedInit, SampleMeta, parse_fragment, parse_init
from firmware.media.movie import Edit, comment_box, movie_box, track_box
from firmware.media.sample_tables import SampleTables
from firmware.media.tracks import SoundTrack, VideoTrack

_COARSE = 90_000
"""Ticks a second where one picture stands for more than 745 s: such a gap can last 13 hours."""


class ProgressiveWriter:
    """Write with `begin`, `add`, ... and `finish`. `file` is open for writing and can seek.

    `begin` again (a restarted pipeline) goes on in the same tracks; another codec configuration becomes a second
    sample description. Time begins at zero with the earlier of picture and sound, or, with `keep_start`, where the
    samples' own times begin: a file whose picture starts late. Gaps stretch the last sample.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.keep_start = False
        self._video: list[VideoTrack] = []
        self._sound: list[SoundTrack] = []
        self._video_now = self._sound_now = 0  # which description, counted from 1
        self._video_tables, self._sound_tables = SampleTables(), SampleTables()
        self._mdat_at = self._at = 0

    @property
    def frames(self) -> int:
        return self._video_tables.count

    @property
    def bytes_written(self) -> int:
        return self._at

    def begin(self, init_segment: bytes) -> None:
        """Take over the tracks of an initialisation segment. Raises MediaUnreadable, FormatChanged."""
        init = parse_init(init_segment)
        if not self._video:
            brand = b"avc1" if init.video.codec == "h264" else b"hvc1"
            self._write(box("ftyp", b"isom" + (512).to_bytes(4, "big") + b"isomiso2mp41" + brand))
            self._mdat_at = self._at
            self._write(b"\0\0\0\1mdat" + bytes(8))  # 64-bit size, known at the end
        else:
            self._check_same(init)
        self._video_now = _description(self._video, init.video)
        if init.sound is not None:
            self._sound_now = _description(self._sound, init.sound)

    def add(self, fragment: bytes) -> None:
        """Append one fragment. Raises MediaUnreadable when it is not ours, or goes back in time."""
        if not self._video:
            raise MediaUnreadable("A fragment comes before its initialisation segment")
        parsed = parse_fragment(fragment)
        if parsed.sound and not self._sound_now:
            raise MediaUnreadable("A fragment has sound, but no sound track was announced")
        self._append(self._video_tables, self._video_now, parsed.video, fragment)
        self._append(self._sound_tables, self._sound_now, parsed.sound, fragment)

    def finish(self, comment: str = "") -> int:
        """Write the index; returns the file's size in bytes. Raises MediaUnreadable when there is no picture.

        `comment` is put where players look for one.
        """
        if not self._video_tables.count:
            raise MediaUnreadable("There is no picture in this recording, so there is nothing to write")
        if self._video_tables.too_long:
            self._video_tables.rescale(self._video[0].timescale, _COARSE)
            self._video = [replace(track, timescale=_COARSE) for track in self._video]
        scale = self._video[0].timescale
        parts = [(self._video_tables, self._video[0].timescale)]
        if self._sound_tables.count:
            parts.append((self._sound_tables, self._sound[0].rate_hz))
        # The movie counts in the picture's ticks, of which a sound tick is a whole number.
        zero = 0 if self.keep_start else min((tables.first * scale + own // 2) // own for tables, own in parts)
        traks, longest = [], 0
        for tables, own in parts:
            descriptions = self._video if tables is self._video_tables else self._sound
            late = (tables.first * scale + own // 2) // own - zero
            shown = tables.duration * scale // own
            edits: list[Edit] = [(late, -1), (shown, 0)] if late > 0 else []
            traks.append(track_box(descriptions, late + shown, tables.duration, tables.boxes(), edits))
            longest = max(longest, late + shown)
        mdat_bytes = self._at - self._mdat_at
        self._write(movie_box(scale, longest, *traks, *([comment_box(comment)] if comment else [])))
        self._file.seek(self._mdat_at + 8)
        self._file.write(mdat_bytes.to_bytes(8, "big"))
        self._file.seek(self._at)
        self._file.flush()
        return self._at

    # ---- inside ----------------------------------------------------------------------------------

    def _append(
        self, tables: SampleTables, description: int, samples: tuple[SampleMeta, ...], fragment: bytes
    ) -> None:
        if samples:
            first, last = samples[0], samples[-1]
            tables.add(self._at, description, samples)
            self._write(memoryview(fragment)[first.offset : last.offset + last.size])

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)

    def _check_same(self, init: ParsedInit) -> None:
        was, now = self._video[0], init.video
        if (was.codec, was.width, was.height, was.timescale) != (now.codec, now.width, now.height, now.timescale):
            raise FormatChanged(
                f"The recording changes from {was.codec} {was.width}x{was.height}"
                f" to {now.codec} {now.width}x{now.height}",
                meaning="One plain MP4 cannot hold both", todo="export the parts on their own",
            )
        if init.sound and self._sound and (init.sound.codec, init.sound.rate_hz) != (
            self._sound[0].codec, self._sound[0].rate_hz
        ):
            raise FormatChanged(
                f"The sound changes from {self._sound[0].codec} to {init.sound.codec}",
                meaning="One plain MP4 cannot hold both", todo="export the parts on their own",
            )


def _description(known: list[VideoTrack] | list[SoundTrack], track: VideoTrack | SoundTrack) -> int:
    """The number of this sample description, from 1; appended when it is new."""
    descriptions: list[VideoTrack | SoundTrack] = known  # type: ignore[assignment]
    if track not in descriptions:
        descriptions.append(track)
    return descriptions.index(track) + 1
