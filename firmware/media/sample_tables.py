"""The index of one track of a plain MP4: sizes, times, keyframes and places of its samples. In memory, compact."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence

from firmware.errors import MediaUnreadable
from firmware.media.boxes import full_box
from firmware.media.fmp4 import SampleMeta

_U32_MAX = 0xFFFFFFFF


class SampleTables:
    """About 16 bytes a sample at a steady rate: one hour at 60 Hz is 3.5 MB."""

    def __init__(self) -> None:
        self.first = 0
        """Time of the first sample, in ticks."""
        self._end = 0  # where the last sample ends, in ticks
        self._last_duration = 0
        self._sizes = array("I")
        self._deltas = array("Q")  # runs: count, duration, count, duration, ...
        self._keys = array("I")
        self._chunk_at = array("Q")
        self._chunks = array("I")  # runs: first chunk, samples in it, description

    @property
    def count(self) -> int:
        return len(self._sizes)

    @property
    def duration(self) -> int:
        """From the first sample's start to the last one's end, in ticks."""
        return self._end - self.first

    def add(self, offset: int, description: int, samples: Sequence[SampleMeta]) -> None:
        """A chunk: `samples` one after the other in the file from `offset` on. A gap before them stretches the
        sample before, an overlap shortens it. Raises MediaUnreadable when time goes back further than that."""
        if not self.count:
            self.first = samples[0].start
        else:
            self._join(samples[0].start)
        for sample in samples:
            self._sizes.append(sample.size)
            if sample.keyframe:
                self._keys.append(self.count)
            self._push_delta(sample.duration)
        self._last_duration = samples[-1].duration
        self._end = samples[-1].start + samples[-1].duration
        self._chunk_at.append(offset)
        if not self._chunks or tuple(self._chunks[-2:]) != (len(samples), description):
            self._chunks.extend((len(self._chunk_at), len(samples), description))

    @property
    def too_long(self) -> bool:
        """Does a sample last longer than 32 bits of ticks can say (745 s at the usual timescale)?"""
        return max(self._deltas[1::2], default=0) > _U32_MAX

    def rescale(self, old: int, new: int) -> None:
        """Count in `new` ticks a second instead of `old`; each time is rounded by itself, so errors do not add up.

        Raises MediaUnreadable when a sample is too long even so.
        """
        runs, start = self._deltas, self.first
        self._deltas = array("Q")
        for at in range(0, len(runs), 2):
            for _ in range(runs[at]):
                end = start + runs[at + 1]
                self._push_delta(end * new // old - start * new // old)
                start = end
        self.first, self._end = self.first * new // old, start * new // old
        if self.too_long:
            raise MediaUnreadable(
                "The recording stands still for longer than a plain MP4 can say",
                meaning="The sealed recording is whole", todo="export the parts on their own",
            )

    def boxes(self) -> bytes:
        """stts, stsc, stsz, stco or co64, and stss when not every sample is a sync sample."""
        tables = [
            full_box("stts", 0, 0, _u32(len(self._deltas) // 2), _big_endian(array("I", self._deltas))),
            full_box("stsc", 0, 0, _u32(len(self._chunks) // 3), _big_endian(self._chunks)),
            full_box("stsz", 0, 0, _u32(0), _u32(self.count), _big_endian(self._sizes)),
        ]
        if len(self._keys) != self.count:
            tables.append(full_box("stss", 0, 0, _u32(len(self._keys)), _big_endian(self._keys)))
        places = self._chunk_at
        if places and places[-1] > _U32_MAX:
            tables.append(full_box("co64", 0, 0, _u32(len(places)), _big_endian(places)))
        else:
            tables.append(full_box("stco", 0, 0, _u32(len(places)), _big_endian(array("I", places))))
        return b"".join(tables)

    def _join(self, start: int) -> None:
        """Make the last sample last until `start`."""
        duration = self._last_duration + start - self._end
        if duration <= 0:
            raise MediaUnreadable("The recording's time goes backwards between two fragments")
        if duration != self._last_duration:
            self._deltas[-2] -= 1
            if not self._deltas[-2]:
                del self._deltas[-2:]
            self._push_delta(duration)

    def _push_delta(self, duration: int) -> None:
        if self._deltas and self._deltas[-1] == duration:
            self._deltas[-2] += 1
        else:
            self._deltas.extend((1, duration))


def _u32(value: int) -> bytes:
    return struct.pack(">I", value)


def _big_endian(values: array[int]) -> bytes:
    if sys.byteorder == "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()
