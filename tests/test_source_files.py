"""Files as sources: every frame with its own time and untouched luma, and one named error for each kind of bad file."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from gi.repository import GLib

from firmware import config
from firmware.errors import FormatChanged, MediaUnreadable, NoVideo, ScrubcamError, SourceLost, SourceMissing
from firmware.pipeline import source_gst
from firmware.pipeline.gst import Gst, init
from firmware.pipeline.picture import colour_of
from firmware.pipeline.source import open_source
from firmware.pipeline.source_faults import SourceFaults
from hw.ports import U8, EndOfStream, StreamFormat
from tests.fill_helpers import KERNELS
from tests.pipeline_helpers import ffmpeg, make_clip, probe_times

RAW = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")  # lossless: what comes out must be what went in


@dataclass
class Read:
    format: StreamFormat
    times_ns: list[int]
    frames: list[U8]
    sound: int
    sound_start_ns: int
    error: ScrubcamError | None


def read(path: Path, sound: bool = False) -> Read:
    source = open_source(config.Source(uri=str(path)), sound, kernels=KERNELS)
    try:
        got = Read(source.open(), [], [], 0, -1, None)
        into = np.empty(got.format.frame_bytes, np.uint8)
        for _ in range(10_000):
            try:
                taken = source.read(into, 1.0)
            except EndOfStream:
                break
            except ScrubcamError as error:
                got.error = error
                break
            if taken is not None:
                got.times_ns.append(taken.pts_ns)
                got.frames.append(into.copy())
            for chunk in source.read_sound():
                got.sound_start_ns = chunk.pts_ns if got.sound_start_ns < 0 else got.sound_start_ns
                got.sound += len(chunk.samples)
        return got
    finally:
        source.close()


def raw_frames(path: Path, pixel_format: str, *filters: str) -> list[U8]:
    """What ffmpeg decodes, one flat array a frame."""
    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough", *filters, "-f", "rawvideo",
         "-pix_fmt", pixel_format, "-"], check=True, capture_output=True, timeout=60,
    ).stdout
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0", "-show_entries",
         "stream=nb_read_packets", "-of", "csv=p=0", str(path)], check=True, capture_output=True, timeout=60,
    ).stdout
    return list(np.frombuffer(made, np.uint8).reshape(int(probe.strip().strip(b",")), -1))


def agree(times_ns: list[int], probed_s: list[float]) -> None:
    """ffprobe prints whole microseconds."""
    assert [round(t / 1000) for t in times_ns] == [round(t * 1_000_000) for t in probed_s]


def test_a_file_that_is_as_it_should_be_is_copied_bit_by_bit(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", size="640x720", seconds=0.4, codec=RAW)
    got = read(path)
    assert (got.format.width, got.format.height, got.format.rate) == (640, 720, Fraction(30))
    assert got.error is None
    wanted = raw_frames(path, "nv12")
    assert len(got.frames) == len(wanted) == 12
    for frame, as_decoded in zip(got.frames, wanted, strict=True):
        assert np.array_equal(frame, as_decoded)


def test_standard_definition_becomes_bt709(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", size="320x180", seconds=0.1, codec=RAW)
    (got, *_), (wanted, *_) = read(path).frames, raw_frames(
        path, "nv12", "-vf", "scale=in_color_matrix=bt601:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"
    )
    assert np.abs(got.astype(int) - wanted).mean() < 2.0


def test_a_full_range_picture_becomes_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    ffmpeg("-f", "lavfi", "-i", "color=white:s=320x720:r=10:d=0.3", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", str(path))
    luma = read(path).frames[0][: 320 * 720]
    assert 230 <= luma.min() <= luma.max() <= 239


@pytest.mark.parametrize(("colorimetry", "height", "coded"), [
    (None, 1080, "limited bt709"), (None, 480, "limited bt601"), ("bt709", 480, "limited bt709"),
    ("2:3:5:1", 1080, "limited bt709"), ("2:3:0:0", 720, "limited bt709"), ("1:3:5:1", 1080, "full bt709"),
    ("bt601", 1080, "limited bt601"), ("2:4:16:4", 1080, "limited bt601"), ("1:4:0:0", 1080, "full bt601"),
    ("2:6:13:7", 2160, "limited bt2020"), ("2:0:0:0", 1080, "limited bt709"), ("2:0:0:0", 480, "limited bt601"),
    ("bt2100-pq", 2160, ""), ("2:5:8:5", 1080, ""), ("smpte240m", 1080, ""),
])
def test_the_kernels_take_what_they_know(colorimetry: str | None, height: int, coded: str) -> None:
    """What they do not know goes through a converter first."""
    assert " ".join(colour_of("I420", colorimetry, height) or ()) == coded
    assert colour_of("Y444", colorimetry, height) is None
    assert colour_of("RGB", "1:1:7:1", height) == ("full", "bt709")


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=400x800:rate=10:duration=0.3", "-vf",
           "format=yuv444p,crop=399:799:exact=1", "-c:v", "ffv1", "-pix_fmt", "yuv420p", str(path))
    got = read(path)
    assert (got.format.width, got.format.height) == (399, 799)
    assert (got.format.coded_width, got.format.coded_height) == (400, 800)
    luma = got.frames[1][: 400 * 800].reshape(800, 400)
    assert np.array_equal(luma[:, 399], luma[:, 398])
    assert np.array_equal(luma[799], luma[798])
    wanted = raw_frames(path, "gray")[1].reshape(799, 399)
    full = np.round((wanted.astype(float) / 255) * 219 + 16)  # ffmpeg's gray is full range
    assert np.abs(luma[:799, :399] - full).max() <= 1


def test_times_of_a_variable_rate_are_the_files_own(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "vfr.mp4", seconds=3, filters="select='not(mod(n\\,3))+lt(n\\,20)'",
                     codec=("-fps_mode", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p"))
    got = read(path)
    agree(got.times_ns, probe_times(path))
    assert got.format.rate == 0


@pytest.mark.parametrize("rate", ["30000/1001", "25", "24000/1001"])
def test_times_of_reordered_frames_are_the_files_own(tmp_path: Path, rate: str) -> None:
    path = make_clip(tmp_path / "b.mp4", rate=rate, seconds=2, codec=("-c:v", "libx264", "-bf", "2", "-pix_fmt",
                                                                     "yuv420p"))
    got = read(path)
    agree(got.times_ns, probe_times(path))
    assert got.format.rate == Fraction(rate)
    assert got.format.total_frames == len(got.times_ns)


def test_a_late_start_stays_late(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", sound=True)
    late = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "0.7", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:a", "-c", "copy", str(late))
    got = read(late, sound=True)
    agree(got.times_ns, probe_times(late))
    assert got.times_ns[0] == 700_000_000
    assert 0 <= got.sound_start_ns < 25_000_000


def test_a_rotated_phone_video_stands_upright(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", size="320x640", seconds=0.3)
    rotated = tmp_path / "r.mp4"
    # Which of the two spellings there is depends on ffmpeg's version.
    for arguments in (("-display_rotation", "90", "-i", str(clip)), ("-i", str(clip), "-metadata:s:v:0", "rotate=270")):
        try:
            ffmpeg(*arguments, "-c", "copy", str(rotated))
            break
        except subprocess.CalledProcessError:
            continue
    got = read(rotated)
    assert (got.format.width, got.format.height) == (640, 320)
    upright = raw_frames(rotated, "nv12")  # ffmpeg turns it by the tag as well
    assert np.abs(got.frames[2][: 640 * 320].astype(int) - upright[2][: 640 * 320]).mean() < 8


def test_sound_comes_as_48_khz_on_the_frames_clock(tmp_path: Path) -> None:
    got = read(make_clip(tmp_path / "s.mp4", seconds=2, sound=True), sound=True)
    assert (got.format.sound_rate_hz, got.format.sound_channels) == (48_000, 1)
    assert abs(got.sound - 96_000) < 2_500
    assert read(make_clip(tmp_path / "t.mp4", seconds=0.5, sound=True)).sound == 0, "not asked for"


# ---- bad files -----------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="nothing-here"):
        read(tmp_path / "nothing-here.mp4")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        read(tmp_path)


def test_a_missing_device() -> None:
    with pytest.raises(SourceMissing, match="/dev/video99"):
        open_source(config.Source(uri="/dev/video99"), sound=False, kernels=KERNELS)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "zero.mp4"
    path.touch()
    with pytest.raises(MediaUnreadable, match="empty"):
        read(path)


@pytest.mark.parametrize("name", ["g.mp4", "g.mkv", "g.avi"])
def test_garbage(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(1).bytes(200_000))
    with pytest.raises(MediaUnreadable):
        read(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "s.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine=440:duration=1", "-c:a", "aac", str(path))
    with pytest.raises(NoVideo):
        read(path)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_truncated_file_gives_what_it_has_and_then_says_so(tmp_path: Path, name: str) -> None:
    whole = tmp_path / f"whole-{name}"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=3", "-c:v", "mjpeg", "-q:v", "3", "-movflags",
           "+faststart", str(whole))
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    got = read(path)
    assert 30 < len(got.frames) < 60
    assert isinstance(got.error, MediaUnreadable)
    assert "Every frame up to there was recorded" in str(got.error)
    assert read(whole).error is None


def test_a_file_without_its_index_is_unreadable(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4")
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaUnreadable):
        read(path)


def test_a_file_whose_end_is_never_told_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_gst, "_STALL_S", 1.0)
    # GStreamer 1.22's demuxer for it delivers every frame and then nothing at all; a later one may say that it ended.
    path = tmp_path / "endless.nut"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1", "-c:v", "rawvideo", str(path))
    got = read(path)
    assert len(got.times_ns) == 25
    assert got.error is None or isinstance(got.error, MediaUnreadable)


def test_a_change_of_format_in_mid_stream_is_named_after_the_frames_before_it(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "a.ts", seconds=1)
    second = make_clip(tmp_path / "b.ts", seconds=1, size="640x360")
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    got = read(path)
    assert isinstance(got.error, FormatChanged)
    assert "320x180" in str(got.error)
    assert "640x360" in str(got.error)
    assert len(got.frames) == 30


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    source = open_source(config.Source(uri=str(make_clip(tmp_path / "a.mp4"))), sound=False, kernels=KERNELS)
    source.open()
    source.close()
    source.close()


@pytest.mark.parametrize(("opened", "named"), [(False, SourceMissing), (True, SourceLost)])
def test_a_device_that_cannot_be_read_is_missing_before_its_first_picture_and_lost_after(
    opened: bool, named: type[Exception]
) -> None:
    """What v4l2src says when a camera is unplugged in mid-stream (seen with a real kernel on the virtual bench)."""
    init()
    faults = SourceFaults("/dev/video0", live=True, explain=lambda *_: SourceMissing("absent"), opened=opened)
    error = GLib.Error.new_literal(Gst.resource_error_quark(), "Could not read from resource.", Gst.ResourceError.READ)
    bus = Gst.Bus.new()
    bus.post(Gst.Message.new_error(None, error, ""))
    with pytest.raises(named):
        faults.check(bus, -1)
