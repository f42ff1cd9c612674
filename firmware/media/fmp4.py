"""Our own fragmented MP4: initialisation segment and fragments, bytes in and bytes out, and both read back. Pure.

Track 1 is the picture, track 2 the sound. Layout: docs/adr/0003-own-fragmented-mp4.md; ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from firmware.media.boxes import View, box, full_box, unreadable
from firmware.media.movie import SOUND_ID, VIDEO_ID, movie_box, track_box
from firmware.media.sample_entries import read_sound_entry, read_video_entry
from firmware.media.tracks import SOUND_RATE_HZ, TIMESCALE, Sample, SoundTrack, VideoTrack, ticks

_SYNC, _NON_SYNC = 0x02000000, 0x01010000  # depends on no other sample; depends on others and is no sync sample
_NOT_SYNC_BIT = 0x00010000
_TRUN_FLAGS = 0x000701  # data offset; duration, size and flags of each sample
_EMPTY_TABLES = b"".join((
    full_box("stts", 0, 0, bytes(4)), full_box("stsc", 0, 0, bytes(4)),
    full_box("stsz", 0, 0, bytes(8)), full_box("stco", 0, 0, bytes(4)),
))


@dataclass(frozen=True, slots=True)
class ParsedInit:
    """The tracks of an initialisation segment."""

    video: VideoTrack
    sound: SoundTrack | None


@dataclass(frozen=True, slots=True)
class SampleMeta:
    """Where one sample lies in the fragment's bytes, and when, in its track's ticks."""

    start: int
    duration: int
    offset: int
    size: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class ParsedFragment:
    """A fragment's number and its samples; sound is empty without a sound track in it."""

    seq: int
    video: tuple[SampleMeta, ...]
    sound: tuple[SampleMeta, ...]


def init_segment(video: VideoTrack, sound: SoundTrack | None = None) -> bytes:
    """ftyp and moov. With `sound`, every fragment may carry sound packets."""
    brands = b"iso6" + bytes(4) + b"iso6iso5mp41"
    traks = [track_box([video], 0, 0, _EMPTY_TABLES)]
    extends = [full_box("trex", 0, 0, struct.pack(">5I", VIDEO_ID, 1, 0, 0, 0))]
    if sound is not None:
        traks.append(track_box([sound], 0, 0, _EMPTY_TABLES))
        extends.append(full_box("trex", 0, 0, struct.pack(">5I", SOUND_ID, 1, 0, 0, 0)))
    return box("ftyp", brands) + movie_box(video.timescale, 0, *traks, box("mvex", *extends))


def fragment(
    seq: int, video_samples: Sequence[Sample], sound_samples: Sequence[Sample] = (), *,
    timescale: int = TIMESCALE, sound_rate_hz: int = SOUND_RATE_HZ,
) -> bytes:
    """moof and mdat. `timescale` and `sound_rate_hz` are the tracks' own.

    Durations are the distances to the next sample, in ticks; the last one's is its `duration_ns`.
    Raises MediaUnreadable when times do not rise.
    """
    tracks = [(VIDEO_ID, timescale, video_samples), (SOUND_ID, sound_rate_hz, sound_samples)]
    tracks = [track for track in tracks if track[2]]
    # The data offset needs the moof's own size, which does not depend on the offset: build it twice.
    head_bytes = len(_moof(seq, tracks, 0))
    payload = [sample.data for _, _, samples in tracks for sample in samples]
    return _moof(seq, tracks, head_bytes + 8) + box("mdat", *payload)


def _moof(seq: int, tracks: Sequence[tuple[int, int, Sequence[Sample]]], data_offset: int) -> bytes:
    parts = [full_box("mfhd", 0, 0, struct.pack(">I", seq & 0xFFFFFFFF))]
    for number, scale, samples in tracks:
        starts = [ticks(sample.pts_ns, scale) for sample in samples]
        last = samples[-1]
        starts.append(max(ticks(last.pts_ns + last.duration_ns, scale), starts[-1] + 1))
        if starts[0] < 0 or any(after <= before for before, after in pairwise(starts)):
            raise unreadable("the samples' times do not rise")
        rows = [
            struct.pack(
                ">III", min(after - start, 0xFFFFFFFF), len(sample.data), _SYNC if sample.keyframe else _NON_SYNC
            )
            for sample, (start, after) in zip(samples, pairwise(starts), strict=True)
        ]
        parts.append(box(
            "traf",
            full_box("tfhd", 0, 0x020000, struct.pack(">I", number)),
            full_box("tfdt", 1, 0, struct.pack(">Q", starts[0])),
            full_box("trun", 0, _TRUN_FLAGS, struct.pack(">Ii", len(samples), data_offset), *rows),
        ))
        data_offset += sum(len(sample.data) for sample in samples)
    return box("moof", *parts)


def parse_init(data: bytes) -> ParsedInit:
    """Read what `init_segment` made. Raises MediaUnreadable for anything else."""
    video: VideoTrack | None = None
    sound: SoundTrack | None = None
    for kind, trak in View.of(data).find("moov").boxes():
        if kind != "trak":
            continue
        (version,) = trak.find("mdia", "mdhd").take("B")
        (number,) = trak.find("tkhd").take("I", 20)
        (timescale,) = trak.find("mdia", "mdhd").take("I", 20)
        if version != 1:
            raise unreadable("an unknown track header")
        entry_kind, entry = next(trak.find("mdia", "minf", "stbl", "stsd").boxes(8), ("", None))
        if entry is None:
            raise unreadable("a track without a format")
        if number == VIDEO_ID and video is None:
            width, height = trak.find("tkhd").take("II", 88)
            video = read_video_entry(entry_kind, entry, width >> 16, height >> 16, timescale)
        elif number == SOUND_ID and sound is None:
            sound = read_sound_entry(entry_kind, entry)
        else:
            raise unreadable(f"an unexpected track {number}")
    if video is None:
        raise unreadable("there is no picture track")
    return ParsedInit(video, sound)


def parse_fragment(data: bytes) -> ParsedFragment:
    """Read what `fragment` made; every sample is checked to lie inside the mdat. Raises MediaUnreadable."""
    (moof_kind, moof), (mdat_kind, mdat) = _two_boxes(data)
    if moof_kind != "moof" or mdat_kind != "mdat":
        raise unreadable("a fragment is not moof and mdat")
    (seq,) = moof.find("mfhd").take("I", 4)
    runs: dict[int, tuple[SampleMeta, ...]] = {}
    for kind, traf in moof.boxes():
        if kind != "traf":
            continue
        flags, number = traf.find("tfhd").take("II")
        if flags != 0x020000 or number not in (VIDEO_ID, SOUND_ID) or number in runs:
            raise unreadable("an unexpected track in a fragment")
        tfdt = traf.find("tfdt")
        if tfdt.take("I") != (1 << 24,):
            raise unreadable("an unknown fragment time")
        runs[number] = _read_run(traf.find("trun"), tfdt.take("Q", 4)[0], moof.start - 8, mdat)
    return ParsedFragment(seq, runs.get(VIDEO_ID, ()), runs.get(SOUND_ID, ()))


def _two_boxes(data: bytes) -> tuple[tuple[str, View], tuple[str, View]]:
    found = list(View.of(data).boxes())
    if len(found) != 2:
        raise unreadable("a fragment is not two boxes")
    return found[0], found[1]


def _read_run(trun: View, start: int, base: int, mdat: View) -> tuple[SampleMeta, ...]:
    flags, count, data_offset = trun.take("IIi")
    if flags != _TRUN_FLAGS or len(trun) != 12 + 12 * count:
        raise unreadable("an unknown run of samples")
    at = base + data_offset
    samples = []
    for index in range(count):
        duration, size, sample_flags = trun.take("III", 12 + 12 * index)
        if duration == 0 or at < mdat.start or at + size > mdat.end:
            raise unreadable("a sample lies outside its fragment")
        samples.append(SampleMeta(start, duration, at, size, not sample_flags & _NOT_SYNC_BIT))
        start, at = start + duration, at + size
    if start >= 1 << 63:
        raise unreadable("an impossible time")
    return tuple(samples)
