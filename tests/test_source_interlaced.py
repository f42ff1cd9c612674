"""Interlaced sources: no comb reaches the detectors or the record, faces stay covered, frames and times stay theirs."""

from __future__ import annotations

import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from firmware import config
from firmware.pipeline.gst import Gst, GstVideo, init, make
from firmware.pipeline.source import open_source
from firmware.pipeline.source_chain import deinterlacer
from hw.linux.v4l2_field import field_in, field_of
from hw.ports import U8, EndOfStream
from tests.detect_helpers import MODELS_DIR, backdrop, head, place
from tests.fill_helpers import KERNELS
from tests.pipeline_helpers import ffmpeg, probe_times, run_pipeline
from tests.test_pipeline_process import configure, decoded

SIZE = (640, 360)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p")
NTSC = Fraction(30000, 1001)


def moving(path: Path, rate: str, filters: str, codec: tuple[str, ...]) -> Path:
    """A bar of light that crosses the picture fast, over a fine still pattern."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={rate}:duration=1.2", "-vf", filters, *codec, str(path))
    return path


def frames_of(path: Path) -> tuple[Fraction, list[int], list[U8]]:
    """Rate, times and luma of each frame as the frame path gets it."""
    source = open_source(config.Source(uri=str(path)), sound=False, kernels=KERNELS)
    times, frames = [], []
    try:
        fmt = source.open()
        into = np.empty(fmt.frame_bytes, np.uint8)
        while True:
            taken = source.read(into, 5.0)
            assert taken is not None
            times.append(taken.pts_ns)
            frames.append(into[: SIZE[0] * SIZE[1]].reshape(SIZE[1], SIZE[0]).astype(int))
    except EndOfStream:
        return fmt.rate, times, frames
    finally:
        source.close()


def comb(luma: U8) -> float:
    """Share of samples that are much brighter, or much darker, than both the line above and the line below."""
    up, down = luma[1:-1] - luma[:-2], luma[1:-1] - luma[2:]
    return float((up * down > 900).mean())


def woven(path: Path) -> float:
    """The comb of the frames as they are stored, both fields in one."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
                         check=True, capture_output=True, timeout=60).stdout
    planes = np.frombuffer(raw, np.uint8).reshape(-1, SIZE[0] * SIZE[1] * 3 // 2)[:, : SIZE[0] * SIZE[1]]
    return float(np.mean([comb(plane.reshape(SIZE[1], SIZE[0]).astype(int)) for plane in planes]))


@pytest.mark.parametrize(("name", "rate", "filters", "codec"), [
    ("tff.mp4", "60000/1001", "interlace=scan=tff:lowpass=0", (*H264, "-x264opts", "tff=1")),
    ("bff.mp4", "60000/1001", "interlace=scan=bff:lowpass=0", (*H264, "-x264opts", "bff=1")),
    ("mixed.ts", "60000/1001", "interlace=scan=tff:lowpass=0", (*MPEG2, "-top", "1")),  # told frame by frame
    ("telecine.ts", "24000/1001", "telecine=first_field=top:pattern=23", (*MPEG2, "-top", "1")),
])
def test_no_comb_is_left_and_every_frame_keeps_its_time(tmp_path: Path, name: str, rate: str, filters: str,
                                                        codec: tuple[str, ...]) -> None:
    path = moving(tmp_path / name, rate, filters, codec)
    kept_rate, times, frames = frames_of(path)
    probed = probe_times(path)
    assert kept_rate == NTSC
    assert len(times) == len(probed)
    first = times[0] - round(probed[0] * 1e9)  # a transport stream's clock begins anywhere
    assert max(abs(at - first - round(told * 1e9)) for at, told in zip(times, probed, strict=True)) < 20_000
    assert woven(path) > 0.006, "the clip is not interlaced, so this proves nothing"
    assert np.mean([comb(luma) for luma in frames]) < 0.002


def test_a_picture_of_one_field_is_that_fields_instant(tmp_path: Path) -> None:
    """Each frame is the source's picture at the time of its top field, not a mixture of two."""
    path = moving(tmp_path / "tff.mp4", "60000/1001", "interlace=scan=tff:lowpass=0", (*H264, "-x264opts", "tff=1"))
    whole = moving(tmp_path / "p.mkv", "60000/1001", "null", ("-c:v", "ffv1", "-pix_fmt", "yuv420p"))
    _, _, frames = frames_of(path)
    _, _, instants = frames_of(whole)
    for number, luma in enumerate(frames):
        errors = [np.abs(luma - instant).mean() for instant in instants]
        assert int(np.argmin(errors)) == 2 * number


@pytest.mark.parametrize("pixel_format", ["I420", "NV12", "UYVY", "YUY2", "RGB"])
def test_every_format_that_the_kernels_take_can_be_deinterlaced(pixel_format: str) -> None:
    init()
    pipeline = Gst.Pipeline.new(None)
    source = Gst.parse_bin_from_description(
        "videotestsrc num-buffers=4 pattern=snow ! capssetter replace=false caps=video/x-raw,interlace-mode=interleaved"
        f",field-order=top-field-first,format={pixel_format},width=320,height=180,framerate=25/1", True)
    sink = Gst.ElementFactory.make("appsink", None)
    for element in (source, chain := deinterlacer(), sink):
        pipeline.add(element)
    source.link(chain)
    chain.link(sink)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        sample = sink.try_pull_sample(10 * Gst.SECOND)
        assert sample is not None
        structure = sample.get_caps().get_structure(0)
        assert structure.get_string("interlace-mode") == "progressive"
        assert structure.get_string("format") == pixel_format
        assert structure.get_fraction("framerate") == (True, 25, 1)
    finally:
        pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize("mode", ["mixed", "interleaved"])
def test_pulldown_told_by_flags_keeps_every_frame_and_time(mode: str) -> None:
    """Film at 3:2 by repeated fields, then interlaced frames: one picture each, nothing repeated, nothing lost."""
    init()
    flags, pipeline = GstVideo.VideoBufferFlags, Gst.Pipeline.new(None)
    caps = f"video/x-raw,format=I420,width=64,height=64,framerate=30000/1001,interlace-mode={mode}"
    source = Gst.parse_bin_from_description(f"appsrc name=in format=time caps={caps}", True)
    sink = make("appsink", sync=False)
    for element in (source, chain := deinterlacer(), sink):
        pipeline.add(element)
    source.link(chain)
    chain.link(sink)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        sent, at_ns = [], 0
        for number in range(12):
            film, repeats = number < 8, number < 8 and number % 2 == 0
            buffer = Gst.Buffer.new_allocate(None, 64 * 64 * 3 // 2, None)
            buffer.memset(0, number * 10, 64 * 64 * 3 // 2)
            said = (flags.RFF if repeats else 0) | (flags.TFF if number // 2 % 2 == 0 else 0)
            buffer.set_flags(Gst.BufferFlags(int(said if film else flags.INTERLACED | flags.TFF)))
            buffer.pts, buffer.duration = at_ns, (3 if repeats else 2) * 16_683_333
            sent.append((at_ns, number))
            at_ns += buffer.duration
            source.get_by_name("in").emit("push-buffer", buffer)
        source.get_by_name("in").emit("end-of-stream")
        got = []
        while (sample := sink.try_pull_sample(10 * Gst.SECOND)) is not None:
            taken = sample.get_buffer()
            got.append((taken.pts, taken.extract_dup(0, 1)[0] // 10))
        assert got == sent
    finally:
        pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize(("field", "said"), [
    (0, "whole"), (1, "whole"), (2, "interlaced"), (4, "interlaced"), (7, "interlaced"), (8, "interlaced"),
])
def test_a_driver_s_answer_about_fields(field: int, said: str) -> None:
    """struct v4l2_format with 1920x1080 UYVY in it, laid out by hand after videodev2.h."""
    pix = struct.pack("=III", 1920, 1080, int.from_bytes(b"UYVY", "little")) + struct.pack("=I", field)
    assert field_in((struct.pack("=II", 1, 0) + pix).ljust(208, b"\0")) == said


def test_what_cannot_be_asked_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert field_of(str(tmp_path / "file")) == field_of("/dev/video99") == field_of("csi://0") == "unknown"


# ---- the whole path ------------------------------------------------------------------------------

HEAD_PX, STEP_PX, FIELDS = 240, 5, 40
FACE_IN_HEAD = (80, 48, 80, 104)
"""x, y, width, height of brow to chin. The head moves five pixels from field to field, ten from frame to frame."""


def head_at(field: int) -> tuple[int, int]:
    return 60 + STEP_PX * field, 60


def film_a_head(path: Path) -> None:
    """Forty instants of a moving head at 50 Hz, woven to 20 interlaced frames at 25 Hz."""
    face, room = head(HEAD_PX), backdrop(*SIZE)
    instants = []
    for field in range(FIELDS):
        picture = room.copy()
        place(picture, face, *head_at(field))
        instants.append(picture.tobytes())
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", "50",
         "-i", "-", "-vf", "interlace=scan=tff:lowpass=0", *H264, "-x264opts", "tff=1", str(path)],
        input=b"".join(instants), check=True, capture_output=True, timeout=60)


def test_a_moving_face_is_covered_in_every_frame_of_an_interlaced_film(tmp_path: Path) -> None:
    """Real detectors, the whole pipeline, the encoded record: the head is one colour where its field shows it."""
    path = tmp_path / "head.mp4"
    film_a_head(path)
    assert woven(path) > 0.006
    heard = run_pipeline(configure(path, models_dir=str(MODELS_DIR))).heard
    luma = decoded(heard, tmp_path / "record.mp4")
    assert len(luma) == FIELDS // 2
    assert np.mean([comb(one.astype(int)) for one in luma]) < 0.002
    assert [round(verdict.pts_ns / 1e6) for verdict in heard.verdicts] == [40 * i for i in range(FIELDS // 2)]
    for number, one in enumerate(luma):
        x, y = (corner + inside for corner, inside in zip(head_at(2 * number), FACE_IN_HEAD[:2], strict=True))
        inner = one[y : y + FACE_IN_HEAD[3], x : x + FACE_IN_HEAD[2]].astype(int)
        assert inner.std() < 4, f"frame {number}: the face can be seen"
