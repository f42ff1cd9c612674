"""Exports as ffprobe and ffmpeg see them, and what happens to an export that cannot be finished."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from firmware import config
from firmware.errors import DiskFault, FormatChanged, MediaUnreadable
from firmware.export.mp4 import export_mp4
from firmware.media.tracks import SoundTrack, VideoTrack
from firmware.messages import Fragment, StreamInfo
from hw.ports import AccessUnit, SoundPacket, StreamFormat
from tests.media_helpers import (
    HEIGHT,
    NS,
    WIDTH,
    chunked,
    decode_cleanly,
    decoded_luma,
    decoded_sound,
    encode,
    encode_sound,
    keyframes,
    probe,
    records,
    times,
    tone,
    video_track,
    write_fragmented,
)

CFG = {
    "h264": config.Encode(codec="h264", encoder="x264", preset="ultrafast", bitrate_bps=1_000_000),
    "h265": config.Encode(codec="h265", encoder="x265", preset="ultrafast", bitrate_bps=1_000_000),
}
CODECS = pytest.mark.parametrize("codec", ["h264", "h265"])
SOUND_CODECS = pytest.mark.parametrize("sound_codec", ["opus", "aac"])
FMT = StreamFormat(WIDTH, HEIGHT, Fraction(30), False)
FRAME_NS = 33_333_333


def exact_ns(seconds: list[Fraction]) -> list[int]:
    return [round(t * NS) for t in seconds]


@cache
def clip(codec: str = "h264", frames: int = 60, flash: int = 30) -> tuple[tuple[AccessUnit, ...], VideoTrack]:
    """Frames at 30 Hz from time zero on, with one flash."""
    units, codec_config = encode(CFG[codec], FMT, exact_ns([Fraction(i, 30) for i in range(frames)]), flash_at=[flash])
    return tuple(units), video_track(FMT, codec, codec_config)


@cache
def clapper(sound_codec: str) -> tuple[tuple[SoundPacket, ...], SoundTrack]:
    """Two seconds with a tone from 1.0 s on."""
    packets, codec_config = encode_sound(
        config.Sound(enabled=True, codec=sound_codec), chunked(tone(0, 2.0, on=[(1.0, 1.1)])), 2  # type: ignore[arg-type]
    )
    return tuple(packets), SoundTrack(sound_codec, 48000, 2, codec_config)  # type: ignore[arg-type]


def later(units: tuple[AccessUnit, ...], by_ns: int) -> list[AccessUnit]:
    return [AccessUnit(u.pts_ns + by_ns, u.keyframe, u.data) for u in units]


def later_sound(packets: tuple[SoundPacket, ...], by_ns: int) -> list[SoundPacket]:
    return [SoundPacket(p.pts_ns + by_ns, p.duration_ns, p.data) for p in packets]


def heard_at(path: Path) -> list[float]:
    """Times at which a tone begins."""
    loud = np.nonzero(np.abs(decoded_sound(path)[1].astype(int)) > 4000)[0]
    starts = [loud[0], *(b for a, b in pairwise(loud) if b - a > 4800)]
    return [float(start) / 48000 for start in starts]


def seen_at(path: Path) -> list[Fraction]:
    """Times of the flashes."""
    bright = decoded_luma(path, WIDTH, HEIGHT) > 200
    return [when for when, is_bright in zip(times(probe(path)), bright, strict=True) if is_bright]


# ---- what comes out ------------------------------------------------------------------------------


@CODECS
@pytest.mark.parametrize(
    "pts",
    [
        [Fraction(i * 1001, 30000) for i in range(45)],
        [Fraction(i * 512, 12800) for i in range(45)],
        [Fraction(v, 1000) for v in (0, 33, 67, 100, 180, 190, 215, 900, 933, 2500, 2533, 2566)],
        [Fraction(v, 90000) for v in (0, 3003, 6006, 9009, 12013, 15016, 30031, 45046)],
    ],
    ids=["30000/1001", "1/12800", "variable ms", "1/90000"],
)
def test_frames_and_times_are_the_sources(codec: str, pts: list[Fraction], tmp_path: Path) -> None:
    units, codec_config = encode(CFG[codec], FMT, exact_ns(pts))
    items = records(video_track(FMT, codec, codec_config), units, FRAME_NS)
    out = tmp_path / "out.mp4"
    result = export_mp4(items, str(out))
    assert result.frames == len(pts)
    assert result.size_bytes == out.stat().st_size
    for path in (out, write_fragmented(tmp_path / "fragmented.mp4", items)):
        probed = probe(path)
        assert times(probed) == pts
        assert keyframes(probed) == [i for i, unit in enumerate(units) if unit.keyframe]
        decode_cleanly(path)


@CODECS
@SOUND_CODECS
def test_flash_and_tone_stay_together(codec: str, sound_codec: str, tmp_path: Path) -> None:
    units, video = clip(codec)
    packets, sound = clapper(sound_codec)
    items = records(video, units, FRAME_NS, sound, packets)
    out = tmp_path / "out.mp4"
    export_mp4(items, str(out))
    for path in (out, write_fragmented(tmp_path / "fragmented.mp4", items)):
        assert len(probe(path, "a:0")["packets"]) == len(packets)
        decode_cleanly(path)
        assert float(seen_at(path)[0]) == 1.0
        assert heard_at(path) == [pytest.approx(1.0, abs=0.002)]


@SOUND_CODECS
@pytest.mark.parametrize("sound_later_ms", [-150, 150])
def test_a_track_that_starts_later_is_kept_later(sound_codec: str, sound_later_ms: int, tmp_path: Path) -> None:
    """Live: both start long after time zero, and not together; the earlier one is at zero in the export."""
    start = 5_000 * NS + 123_456_789
    units, video = clip()
    packets, sound = clapper(sound_codec)
    late = sound_later_ms * 1_000_000
    info, *fragments = records(video, later(units, start), FRAME_NS, sound, later_sound(packets, start + late))
    assert isinstance(info, StreamInfo)
    out = tmp_path / "out.mp4"
    export_mp4([replace(info, live=True), *fragments], str(out))
    decode_cleanly(out)
    first = [float(probe(out, which)["streams"][0]["start_time"]) for which in ("v:0", "a:0")]
    assert min(first) == 0
    assert heard_at(out)[0] - float(seen_at(out)[0]) == pytest.approx(sound_later_ms / 1000, abs=0.002)


@SOUND_CODECS
def test_a_restarted_pipeline_goes_on_in_the_same_tracks_after_a_gap(sound_codec: str, tmp_path: Path) -> None:
    units, video = clip()
    packets, sound = clapper(sound_codec)
    gap = 5 * NS
    again = records(video, later(units, gap), FRAME_NS, sound, later_sound(packets, gap), seq=100)
    out = tmp_path / "out.mp4"
    result = export_mp4([*records(video, units, FRAME_NS, sound, packets), *again], str(out))
    decode_cleanly(out)
    assert result.frames == 2 * len(units)
    assert times(probe(out)) == [Fraction(i, 30) + shift for shift in (0, 5) for i in range(60)]
    assert seen_at(out) == [1, 6]
    assert heard_at(out) == [pytest.approx(1.0, abs=0.002), pytest.approx(6.0, abs=0.002)]


def test_sound_that_begins_only_after_a_restart_is_kept(tmp_path: Path) -> None:
    units, video = clip()
    packets, sound = clapper("opus")
    again = records(video, later(units, 3 * NS), FRAME_NS, sound, later_sound(packets, 3 * NS), seq=100)
    out = tmp_path / "out.mp4"
    export_mp4([*records(video, units, FRAME_NS), *again], str(out))
    decode_cleanly(out)
    assert heard_at(out) == [pytest.approx(4.0, abs=0.002)]
    assert seen_at(out) == [1, 4]


@pytest.mark.parametrize("gap_s", [746, 40_000])
def test_a_gap_of_hours_is_kept(gap_s: int, tmp_path: Path) -> None:
    """Longer than 32 bits of the usual ticks: the export counts more coarsely, and only then."""
    units, video = clip()
    packets, sound = clapper("opus")
    again = records(video, later(units, gap_s * NS), FRAME_NS, sound, later_sound(packets, gap_s * NS), seq=100)
    out = tmp_path / "out.mp4"
    export_mp4([*records(video, units, FRAME_NS, sound, packets), *again], str(out))
    wanted = [Fraction(i, 30) + shift for shift in (0, gap_s) for i in range(60)]
    assert times(probe(out)) == wanted
    assert times(probe(out, "a:0"))[-1] == gap_s + Fraction(99 * 960, 48000)


def test_another_codec_configuration_becomes_a_second_description(tmp_path: Path) -> None:
    units, video = clip()
    medium = config.Encode(codec="h264", encoder="x264", preset="medium")
    slower, codec_config = encode(medium, FMT, exact_ns([Fraction(i, 30) for i in range(30)]))
    other = video_track(FMT, "h264", codec_config)
    assert other != video
    out = tmp_path / "out.mp4"
    export_mp4([*records(video, units, FRAME_NS), *records(other, later(tuple(slower), 3 * NS), FRAME_NS)], str(out))
    decode_cleanly(out)
    assert len(decoded_luma(out, WIDTH, HEIGHT)) == 90


def test_odd_sizes_are_coded_even_and_shown_odd(tmp_path: Path) -> None:
    fmt = StreamFormat(319, 179, Fraction(30), False)
    units, codec_config = encode(CFG["h264"], fmt, exact_ns([Fraction(i, 30) for i in range(5)]))
    out = tmp_path / "out.mp4"
    export_mp4(records(video_track(fmt, "h264", codec_config), units, FRAME_NS), str(out))
    stream = probe(out)["streams"][0]
    # ffmpeg before 7.1 shows the coded size, later ones cut to the clean aperture.
    assert (stream["width"], stream["height"]) in [(320, 180), (319, 179)]
    data = out.read_bytes()
    track_header = data.index(b"tkhd") + 4
    assert data[track_header + 88 : track_header + 96] == bytes.fromhex("013f000000b30000")
    assert b"clap" in data


# ---- what does not come out ----------------------------------------------------------------------


def only(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    units, video = clip()
    items = records(video, units, FRAME_NS)
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    with pytest.raises(DiskFault, match="exists already"):
        export_mp4(items, str(out))
    assert out.read_bytes() == b"mine"
    export_mp4(items, str(out), force=True)
    decode_cleanly(out)
    assert only(tmp_path) == ["out.mp4"]


def test_a_failure_half_way_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    units, video = clip()
    items = records(video, units, FRAME_NS)
    broken = [*items[:4], Fragment(9, 0, 1, False, b"nonsense", [])]
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    with pytest.raises(MediaUnreadable):
        export_mp4(broken, str(out), force=True)
    assert out.read_bytes() == b"mine"
    assert only(tmp_path) == ["out.mp4"]


def test_progress_is_told_after_each_fragment_and_other_records_are_passed_over(tmp_path: Path) -> None:
    units, video = clip()
    items = records(video, units, FRAME_NS)
    seen: list[Fragment] = []
    result = export_mp4(["a bookmark", *items], str(tmp_path / "out.mp4"), progress=seen.append)
    assert seen == [item for item in items if isinstance(item, Fragment)]
    assert result.fragments == len(seen)


def test_a_disk_that_fills_up_is_a_named_fault_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on file size fails in the same place as a full disk: in write, half way."""
    script = """
import resource, sys
from firmware.errors import DiskFault
from firmware.export.mp4 import export_mp4
from tests.test_export_mp4 import FRAME_NS, clip, records
units, video = clip()
items = records(video, units, FRAME_NS)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
try:
    export_mp4(items, sys.argv[1])
except DiskFault as fault:
    print("named:", fault.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.mp4")], capture_output=True, text=True, timeout=60,
        check=False, cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.stdout == "named: disk\n", done.stderr
    assert only(tmp_path) == []


def test_a_missing_folder_is_a_named_fault(tmp_path: Path) -> None:
    units, video = clip()
    with pytest.raises(DiskFault):
        export_mp4(records(video, units, FRAME_NS), str(tmp_path / "nowhere" / "out.mp4"))


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    _, video = clip()
    for items in ([], [records(video, clip()[0], FRAME_NS)[0]]):
        with pytest.raises(MediaUnreadable):
            export_mp4(items, str(tmp_path / "out.mp4"))
    assert only(tmp_path) == []


def test_fragments_without_a_beginning_are_refused(tmp_path: Path) -> None:
    units, video = clip()
    with pytest.raises(MediaUnreadable):
        export_mp4(records(video, units, FRAME_NS)[1:], str(tmp_path / "out.mp4"))


def test_another_picture_size_is_refused_by_name(tmp_path: Path) -> None:
    units, video = clip()
    wider = VideoTrack("h264", 640, 180, 640, 180, video.codec_config)
    info = records(wider, units, FRAME_NS)[0]
    assert isinstance(info, StreamInfo)
    with pytest.raises(FormatChanged, match="640x180"):
        export_mp4([*records(video, units, FRAME_NS), info], str(tmp_path / "out.mp4"))


def test_time_that_goes_back_is_refused(tmp_path: Path) -> None:
    units, video = clip()
    items = records(video, units, FRAME_NS)
    with pytest.raises(MediaUnreadable, match="backwards"):
        export_mp4([*items, *items], str(tmp_path / "out.mp4"))
