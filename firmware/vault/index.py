"""Collects what the next index record says: where fragments and streams begin. Pure; finding a time is in seek.py."""

from __future__ import annotations

from firmware.messages import Fragment, StreamInfo
from firmware.vault.records import FragmentMeta, IndexMeta, StreamMeta

INDEX_EVERY_FRAGMENTS = 256


class IndexBuilder:
    """Fed with every record in order, by the writer as it appends and by recovery as it reads."""

    def __init__(self) -> None:
        self.last_offset = 0
        """Where the last index record begins, 0 when there is none yet."""
        self._fragments: list[tuple[int, int, int, int]] = []
        self._streams: list[tuple[int, int]] = []
        self._indexes: list[tuple[int, int]] = []

    def see(self, seq: int, offset: int, record: object) -> None:
        """A record of any kind, whole or as its public data alone, begins at `offset`."""
        if isinstance(record, Fragment | FragmentMeta):
            self._fragments.append((seq, offset, record.pts_ns, int(record.keyframe)))
        elif isinstance(record, StreamInfo | StreamMeta):
            self._streams.append((seq, offset))
        elif isinstance(record, IndexMeta):
            self.last_offset = offset
            if record.fragments:
                self._indexes.append((record.fragments[0][2], offset))
            self._fragments = []

    @property
    def due(self) -> bool:
        """Enough fragments for an index record."""
        return len(self._fragments) >= INDEX_EVERY_FRAGMENTS

    @property
    def open(self) -> bool:
        """Are there fragments that no index record names yet?"""
        return bool(self._fragments)

    def meta(self) -> IndexMeta:
        """The index record to write now; `see` it once it is written."""
        return IndexMeta(self._fragments, self._streams, self._indexes)
