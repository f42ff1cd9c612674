"""Finds a time in a recording through its index records, reading little, and opens what stands there."""

from __future__ import annotations

from collections.abc import Iterator

from firmware.errors import DamagedRecording
from firmware.messages import Fragment, StreamInfo
from firmware.vault.format import RecordType
from firmware.vault.frames import Frame, FrameProblem
from firmware.vault.keys import PrivateKey
from firmware.vault.opening import StoredRecord, refused
from firmware.vault.reader import Recording
from firmware.vault.records import CONTENT_TYPES, FragmentMeta, IndexMeta, StreamMeta


class Opened:
    """A recording opened at any time of it, with an archive's key. Raises DamagedRecording: there is no picture in it.

    Of a closed recording the last index is proven by the end record's signature, and with it which streams there are;
    of an unfinished one the heads of all records are read and believed. Either way, what is given out is proven by its
    own tag, which holds only for its number and for all that came before it, and is of the time that was asked for.

    `begin_ns` and `end_ns` are the first picture's time and the end of the last one's (its length as told, not proven).
    """

    def __init__(self, recording: Recording, private_key: PrivateKey) -> None:
        """Also raises KeyFault, DiskFault."""
        self._recording, self._path = recording, recording.path
        self._opener = recording.opener(private_key)
        self._last = _last_index(recording)
        self.begin_ns, self.end_ns = _span_ns(recording, self._last)

    def streams(self) -> list[StreamInfo]:
        """Every stream record: what the whole may be called depends on each of them."""
        return [self._stream(*place) for place in self._last.streams]

    def between(self, from_ns: int, to_ns: int) -> Iterator[StoredRecord]:
        """The stream record that holds at `from_ns`, then all content from the keyframe at or before it on, up to the
        last fragment that begins before `to_ns`. Times are on the recording's own time line.

        The rest of the file is neither read nor checked. Raises DamagedRecording, DiskFault.
        """
        seq, offset, begin_ns = self._keyframe(from_ns)
        before = [place for place in self._last.streams if place[0] < seq]
        if not before:
            raise _wrong_index(self._recording)
        yield self._stream_stored(*before[-1])
        try:
            for frame in self._recording.frames_from(seq, offset, payloads=True, hashed=True):
                if frame.kind not in CONTENT_TYPES:
                    continue
                stored = self._opener.open(frame)
                shows = stored.record if isinstance(stored.record, Fragment) else None
                if frame.seq == seq and (shows is None or not shows.keyframe or shows.pts_ns != begin_ns):
                    raise _wrong_index(self._recording)
                if shows is not None and shows.pts_ns >= to_ns and frame.seq != seq:
                    return
                yield stored
        except FrameProblem as found:
            self._recording.refuse(found)

    # ---- inside ----------------------------------------------------------------------------------

    def _keyframe(self, pts_ns: int) -> tuple[int, int, int]:
        """(record number, offset, pts_ns) of the last fragment with a keyframe at or before `pts_ns`, else the first
        one with a keyframe at all."""
        earlier = [offset for begin_ns, offset in self._last.indexes if begin_ns <= pts_ns]
        earlier = earlier or [offset for _, offset in self._last.indexes[:1]]
        first: tuple[int, int, int] | None = None
        for offset in (0, *reversed(earlier)):
            index = _index_at(self._recording, offset) if offset else self._last
            keyframes = [(seq, at, begin_ns) for seq, at, begin_ns, keyframe in index.fragments if keyframe]
            fitting = [found for found in keyframes if found[2] <= pts_ns]
            if fitting:
                return fitting[-1]
            first = keyframes[0] if keyframes else first
        if first is None:
            raise _wrong_index(self._recording)
        return first

    def _stream_stored(self, seq: int, offset: int) -> StoredRecord:
        stored = self._opener.open(_frame(self._recording, seq, offset))
        if not isinstance(stored.record, StreamInfo):
            raise _wrong_index(self._recording)
        return stored

    def _stream(self, seq: int, offset: int) -> StreamInfo:
        record = self._stream_stored(seq, offset).record
        assert isinstance(record, StreamInfo)
        return record


def length_ns(recording: Recording) -> int:
    """From the first picture to the end of the last one, gaps included, by the index and without a key.

    Raises DamagedRecording (also: no picture), DiskFault.
    """
    begin_ns, end_ns = _span_ns(recording, _last_index(recording))
    return end_ns - begin_ns


def _last_index(recording: Recording) -> IndexMeta:
    end = recording.end_record()
    return _proven_index(recording, end) if end else _scanned(recording)


def _span_ns(recording: Recording, last: IndexMeta) -> tuple[int, int]:
    """The first picture's time and the end of the last one's."""
    ends = last.fragments
    if not ends and last.indexes:
        ends = _index_at(recording, last.indexes[-1][1]).fragments
    begins = [pts_ns for pts_ns, _ in last.indexes] + [fragment[2] for fragment in last.fragments]
    if not begins or not ends:
        raise DamagedRecording(f"{recording.path} holds no picture, so no time can be found in it")
    seq, offset, last_ns, _ = ends[-1]
    shows = _frame(recording, seq, offset, payloads=False).public
    if not isinstance(shows, FragmentMeta):
        raise _wrong_index(recording)
    return begins[0], last_ns + max(0, shows.duration_ns)


def _frame(recording: Recording, seq: int, offset: int, *, payloads: bool = True) -> Frame:
    """The record that the index says is there."""
    if offset < recording.start:
        raise _wrong_index(recording)
    try:
        frame = next(recording.frames_from(seq, offset, payloads=payloads), None)
    except FrameProblem as found:
        raise refused(recording.path, str(found), found.kind) from found
    if frame is None or frame.kind not in CONTENT_TYPES:
        raise _wrong_index(recording)
    return frame


def _proven_index(recording: Recording, end: Frame) -> IndexMeta:
    """The last index, and all from there to the end record hashed: the end's signature, which is checked, covers it."""
    offset = end.public.index_offset
    if not offset:
        return IndexMeta([], [], [])
    index = recording.frame_at(offset)
    try:
        *_, last = recording.frames_from(index.seq, offset, hashed=True)
    except FrameProblem as found:
        raise refused(recording.path, str(found), found.kind) from found
    if not isinstance(index.public, IndexMeta) or last.chain != end.chain:
        raise _wrong_index(recording)
    return index.public


def _scanned(recording: Recording) -> IndexMeta:
    """What an index record at the end of an unfinished recording would say."""
    last: tuple[int, int] | None = None
    try:
        for seq, kind, offset in recording.heads():
            if kind == RecordType.INDEX:
                last = seq, offset
    except FrameProblem as found:
        recording.refuse(found)
    index, indexes = IndexMeta([], [], []), []
    if last is not None:
        index = _index_at(recording, last[1])
        indexes = [*index.indexes, *((fragment[2], last[1]) for fragment in index.fragments[:1])]
    fragments, streams = [], [*index.streams]
    try:
        for frame in recording.frames_from(*last) if last else recording.frames(hashed=False):
            if isinstance(frame.public, FragmentMeta):
                fragments.append((frame.seq, frame.offset, frame.public.pts_ns, int(frame.public.keyframe)))
            elif isinstance(frame.public, StreamMeta):
                streams.append((frame.seq, frame.offset))
    except FrameProblem as found:
        recording.refuse(found)
    return IndexMeta(fragments, streams, indexes)


def _index_at(recording: Recording, offset: int) -> IndexMeta:
    index = recording.frame_at(offset).public
    if not isinstance(index, IndexMeta):
        raise _wrong_index(recording)
    return index


def _wrong_index(recording: Recording) -> DamagedRecording:
    return DamagedRecording(f"the index of {recording.path} does not lead to its records",
                            meaning="No part of it can be found by its time",
                            todo="run `scrubcam verify` on it, or export it whole")
