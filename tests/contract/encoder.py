"""What every encoder does: one unit for each frame, in order, under its own time; IDRs where they are asked for."""

from __future__ import annotations

import subprocess
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware import config
from firmware.errors import MediaUnreadable, PipelineDied, ScrubcamError
from firmware.export.mp4 import export_mp4
from firmware.media.nal import nals
from firmware.pipeline.encode import make_encoder
from firmware.pipeline.gst_buffer import held_frames
from hw.ports import StreamFormat
from tests.media_helpers import (
    HEIGHT,
    NS,
    WIDTH,
    decode_cleanly,
    decoded_luma,
    encode,
    keyframes,
    picture,
    probe,
    records,
    video_track,
)

FMT = StreamFormat(WIDTH, HEIGHT, Fraction(30), False)
VARIABLE = StreamFormat(WIDTH, HEIGHT, Fraction(0), True)


def at_rate(rate: Fraction, count: int, start_ns: int = 0) -> list[int]:
    return [start_ns + round(i * NS / rate) for i in range(count)]


class EncoderContract:
    """A subclass names the encoder's settings. `idr_slack`: by how many frames an asked IDR may come earlier or later;
    `most_inside`: how many frames it may hold back."""

    port = "encoder"
    cfg: config.Encode
    idr_slack = 0
    most_inside = 3

    def test_one_unit_for_each_frame_in_order_under_its_own_time(self) -> None:
        pts = at_rate(Fraction(30000, 1001), 40, start_ns=123_456_789_012_345)
        units, codec_config = encode(self.cfg, FMT, pts)
        assert [unit.pts_ns for unit in units] == pts
        assert codec_config[0] == 1
        assert units[0].keyframe

    @settings(max_examples=5, deadline=None,
              suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(steps=st.lists(st.integers(1, 700_000_000), min_size=1, max_size=20), start=st.integers(0, 1 << 60))
    def test_variable_times_are_kept_to_the_nanosecond(self, steps: list[int], start: int) -> None:
        pts = [start + sum(steps[:i]) for i in range(len(steps) + 1)]
        units, _ = encode(self.cfg, VARIABLE, pts)
        assert [unit.pts_ns for unit in units] == pts

    def test_each_frame_is_let_go_once_and_never_written(self) -> None:
        encoder = make_encoder(self.cfg)
        encoder.open(FMT)
        frames = [picture(FMT, i) for i in range(12)]
        before = [frame.copy() for frame in frames]
        let_go = [0] * len(frames)

        def release(i: int) -> None:
            let_go[i] += 1

        for i, frame in enumerate(frames):
            encoder.push(frame, i * 33_000_000, release=lambda i=i: release(i))
        encoder.finish(20)
        encoder.close()
        encoder.close()
        assert let_go == [1] * len(frames)
        assert held_frames() == 0
        assert all(np.array_equal(a, b) for a, b in zip(frames, before, strict=True))

    def test_close_in_the_middle_lets_every_frame_go(self) -> None:
        encoder = make_encoder(self.cfg)
        encoder.open(FMT)
        let_go: list[int] = []
        for i in range(5):
            encoder.push(picture(FMT, i), i * 33_000_000, release=lambda i=i: let_go.append(i))
        encoder.close()
        assert sorted(let_go) == [0, 1, 2, 3, 4]
        assert encoder.pull() == []
        with pytest.raises(PipelineDied):
            encoder.push(picture(FMT, 0), NS, release=lambda: let_go.append(99))
        assert 99 in let_go

    def test_a_frame_comes_out_without_waiting_for_many_others(self) -> None:
        encoder = make_encoder(self.cfg)
        encoder.open(FMT)
        for i in range(10):
            encoder.push(picture(FMT, i), i * 33_000_000, release=lambda: None)
        units, deadline = [], time.monotonic() + 20
        while len(units) < 10 - self.most_inside and time.monotonic() < deadline:
            units += encoder.pull()
            time.sleep(0.005)
        encoder.close()
        assert len(units) >= 10 - self.most_inside

    @pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(7)])
    def test_keyframes_are_never_further_apart_than_configured(self, rate: Fraction) -> None:
        units, _ = encode(self.cfg, FMT, at_rate(rate, int(rate * 3)))
        keys = [unit.pts_ns for unit in units if unit.keyframe]
        gaps = np.diff([*keys, units[-1].pts_ns])
        assert len(keys) >= 3
        assert gaps.max() <= self.cfg.idr_interval_s * NS + 1000

    def test_keyframe_interval_holds_at_a_changing_rate(self) -> None:
        rng = np.random.default_rng(3)
        pts = [int(v) for v in np.cumsum(rng.integers(5_000_000, 90_000_000, 90))]
        units, _ = encode(self.cfg, VARIABLE, pts)
        keys = [unit.pts_ns for unit in units if unit.keyframe]
        # What cannot be known beforehand is how long the next frame takes; here at most 90 ms.
        assert np.diff(keys).max() <= self.cfg.idr_interval_s * NS + 90_000_000
        assert np.diff(keys).mean() < self.cfg.idr_interval_s * NS

    def test_a_keyframe_comes_where_it_is_asked_for_and_nowhere_else(self) -> None:
        # A flash is where an encoder would like to begin anew by itself.
        units, _ = encode(self.cfg, FMT, at_rate(Fraction(30), 30), keys_at=[7, 8, 20], flash_at=[12, 13])
        came = [i for i, unit in enumerate(units) if unit.keyframe]
        near = self.idr_slack
        assert came[0] == 0
        assert all(any(abs(i - asked) <= near for i in came) for asked in (7, 8, 20))
        assert all(any(abs(i - asked) <= near for asked in (0, 7, 8, 20)) for i in came)

    def test_no_access_unit_delimiters_and_no_parameter_sets_in_the_samples(self) -> None:
        units, _ = encode(self.cfg, FMT, at_rate(Fraction(30), 5))
        unwanted = {7, 8, 9} if self.cfg.codec == "h264" else {32, 33, 34, 35}
        assert not unwanted & {kind for unit in units for kind, _, _ in nals(self.cfg.codec, unit.data)}

    def test_time_must_go_forward(self) -> None:
        encoder = make_encoder(self.cfg)
        encoder.open(FMT)
        let_go: list[int] = []
        encoder.push(picture(FMT, 0), 5, release=lambda: let_go.append(0))
        with pytest.raises(MediaUnreadable):
            encoder.push(picture(FMT, 1), 5, release=lambda: let_go.append(1))
        assert let_go.count(1) == 1
        assert len(encoder.finish(20)) == 1
        encoder.close()

    def test_push_and_pull_from_two_threads(self) -> None:
        encoder = make_encoder(self.cfg)
        encoder.open(FMT)
        pts, units, done = at_rate(Fraction(30), 60), [], threading.Event()

        def puller() -> None:
            while not done.is_set():
                units.extend(encoder.pull())
                time.sleep(0.001)

        thread = threading.Thread(target=puller)
        thread.start()
        for i, when in enumerate(pts):
            encoder.push(picture(FMT, i), when, release=lambda: None)
        done.set()
        thread.join(10)
        units += encoder.finish(20)
        encoder.close()
        assert [unit.pts_ns for unit in units] == pts

    @pytest.mark.parametrize("size", [(319, 179), (322, 178)])
    def test_odd_and_narrow_sizes_keep_their_picture(self, size: tuple[int, int], tmp_path) -> None:
        """Rows that are no multiple of four bytes must not come out slanted."""
        fmt = StreamFormat(*size, Fraction(30), False)
        units, codec_config = encode(self.cfg, fmt, at_rate(Fraction(30), 4))
        path = tmp_path / "a.mp4"
        export_mp4(records(video_track(fmt, self.cfg.codec, codec_config), units, 33_333_333), str(path))
        decode_cleanly(path)
        raw = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "nv12", "-"],
            capture_output=True, check=True, timeout=60,
        ).stdout
        got = np.frombuffer(raw, np.uint8).reshape(4, fmt.frame_bytes).astype(int)
        for i in range(4):
            assert np.abs(got[i] - picture(fmt, i)).mean() < 4

    def test_colours_and_rate_are_said_in_the_stream(self, tmp_path) -> None:
        units, codec_config = encode(self.cfg, FMT, at_rate(Fraction(30), 31))
        path = tmp_path / "a.mp4"
        export_mp4(records(video_track(FMT, self.cfg.codec, codec_config), units, 33_333_333), str(path))
        seen = probe(path)
        stream = seen["streams"][0]
        wanted = {"color_range": "tv", "color_space": "bt709", "color_transfer": "bt709", "color_primaries": "bt709",
                  "has_b_frames": 0, "pix_fmt": "yuv420p", "sample_aspect_ratio": "1:1", "r_frame_rate": "30/1"}
        assert {key: stream[key] for key in wanted} == wanted
        first, second = keyframes(seen)
        assert first == 0
        assert 30 - 2 * self.idr_slack <= second <= 30
        assert len(decoded_luma(path, WIDTH, HEIGHT)) == 31

    def test_a_format_the_encoder_cannot_do_is_a_named_fault(self) -> None:
        wide = StreamFormat(20_000, 16, Fraction(30), False)
        encoder = make_encoder(self.cfg)

        def run() -> None:
            encoder.open(wide)
            encoder.push(np.zeros(wide.frame_bytes, np.uint8), 0, release=lambda: None)
            encoder.finish(10)

        with pytest.raises(ScrubcamError, match=rf"{self.cfg.encoder}|20000x16"):
            run()
        encoder.close()
        assert held_frames() == 0
