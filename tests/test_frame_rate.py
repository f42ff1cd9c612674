"""Frame rates stay exact, and a camera that runs at another one than it said is noticed."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import config
from firmware.errors import SourceMissing
from firmware.pipeline.frame_times import FrameTimes, StampClock
from firmware.pipeline.gst import Gst, init
from firmware.pipeline.rate_watch import RateWatch
from firmware.pipeline.source import mode_caps, refuse_other_picture
from hw.frame_rate import exact_rate
from hw.ports import StreamFormat
from tests.pipeline_helpers import make_clip, probe_times, run_pipeline
from tests.test_pipeline_process import configure, detector

S = 1_000_000_000


@pytest.mark.parametrize(("written", "meant"), [
    (59.94, Fraction(60000, 1001)), (29.97, Fraction(30000, 1001)), (23.976, Fraction(24000, 1001)),
    (23.98, Fraction(24000, 1001)), (119.88, Fraction(120000, 1001)), (47.952, Fraction(48000, 1001)),
    (10_000_000 / 166_833, Fraction(60000, 1001)), (10_000_000 / 333_667, Fraction(30000, 1001)),
    (60.0, Fraction(60)), (25, Fraction(25)), (12.5, Fraction(25, 2)), (0.5, Fraction(1, 2)), (0.0, Fraction(0)),
])
def test_a_rate_means_what_the_field_means(written: float, meant: Fraction) -> None:
    assert exact_rate(written) == meant


@given(st.integers(1, 120))
def test_whole_rates_and_their_broadcast_neighbours_are_told_apart(whole: int) -> None:
    assert exact_rate(float(whole)) == whole
    if whole >= 20:
        assert exact_rate(whole * 1000 / 1001) == Fraction(whole * 1000, 1001)


@pytest.mark.parametrize(("offered", "taken"), [
    ("60000/1001", True), ("2997/50", True), ("10000000/166833", True), ("60/1", False), ("59/1", False),
])
def test_a_device_is_asked_for_its_own_way_of_writing_the_rate(offered: str, taken: bool) -> None:
    init()
    asked = Gst.Caps.from_string("video/x-raw" + mode_caps(1920, 1080, exact_rate(59.94)))
    mode = Gst.Caps.from_string(f"video/x-raw,width=1920,height=1080,framerate={offered}")
    assert asked.can_intersect(mode) == taken


def test_no_mode_is_asked_for_where_none_is_configured() -> None:
    assert mode_caps(0, 0, Fraction(0)) == ""


@pytest.mark.parametrize(("asked", "delivered", "words"), [
    (config.Source("/dev/video0", width=1920, height=1080), (1280, 720, Fraction(30)), ["1280x720", "1920x1080"]),
    (config.Source("rtsp://camera", rate_hz=59.94), (1920, 1080, Fraction(30)), ["30 frames", "59.94"]),
])
def test_a_wrong_picture_is_refused_by_name(asked: config.Source, delivered: tuple[int, int, Fraction],
                                            words: list[str]) -> None:
    with pytest.raises(SourceMissing) as refused:
        refuse_other_picture(asked, StreamFormat(*delivered, live=True), any_rate=False)
    assert all(word in str(refused.value) for word in words)


def test_the_right_picture_and_one_nobody_asked_about_are_taken() -> None:
    fmt = StreamFormat(1920, 1080, Fraction(60000, 1001), live=True)
    refuse_other_picture(config.Source("/dev/video0"), fmt, any_rate=False)
    refuse_other_picture(config.Source("/dev/video0", width=1920, height=1080, rate_hz=59.94), fmt, any_rate=False)
    refuse_other_picture(config.Source("/dev/video0", rate_hz=25), fmt, any_rate=True)


# ---- times ---------------------------------------------------------------------------------------


@given(rate=st.sampled_from([Fraction(24000, 1001), Fraction(30), Fraction(60000, 1001)]),
       lost=st.lists(st.integers(0, 6), min_size=1, max_size=60), seed=st.integers(0, 99))
def test_every_lost_frame_is_counted_whatever_the_jitter(rate: Fraction, lost: list[int], seed: int) -> None:
    """A frame's time may lie a fifth of a period off, either way."""
    jitter = random.Random(seed)
    period_ns = round(S / rate)
    times, index, counted = FrameTimes(period_ns, live=True), 0, 0
    times.place(S)
    for gap in lost:
        index += gap + 1
        counted += times.place(S + round(index * S / rate + jitter.uniform(-0.2, 0.2) * period_ns))[1]
    assert counted == sum(lost)


@given(st.lists(st.one_of(st.none(), st.integers(0, 10 * S)), min_size=1, max_size=40), st.booleans())
def test_times_only_go_forward(stamps: list[int | None], live: bool) -> None:
    times, last = FrameTimes(33_333_333, live), -1
    for stamp in stamps:
        pts_ns, dropped = times.place(stamp)
        assert pts_ns > last
        assert dropped >= 0
        last = pts_ns


@given(delays=st.lists(st.integers(1_000_000, 90_000_000), min_size=3, max_size=60))
def test_a_frame_is_never_later_than_it_came_and_keeps_the_steps_of_its_stamps(delays: list[int]) -> None:
    clock, began_ns, made = StampClock(), 77 * S, []
    for index, delay_ns in enumerate(delays, start=1):
        stamp_ns = index * 16_683_333
        now_ns = began_ns + stamp_ns + delay_ns
        made.append(clock.arrived(stamp_ns, now_ns))
        assert made[-1] <= now_ns
    best = delays.index(min(delays))
    assert all(after - before == 16_683_333 for before, after in zip(made[best:], made[best + 1 :], strict=False))


def test_a_stamp_that_stands_still_is_not_used() -> None:
    clock = StampClock()
    assert [clock.arrived(0, 5), clock.arrived(0, 9)] == [5, 9]


# ---- another rate --------------------------------------------------------------------------------


def told(watch: RateWatch, times_ns: list[int]) -> list[tuple[int, bool]]:
    return [(at, alert.cleared) for at in times_ns for alert in watch.look(at)]


def at_rate(rate: Fraction, seconds: float, start_ns: int) -> list[int]:
    return [start_ns + round(i * S / rate) for i in range(int(seconds * rate))]


@pytest.mark.parametrize(("promised", "now"), [
    (30, 15), (30, 60), (60, 30), (Fraction(60000, 1001), 50), (25, 24), (25, 30), (50, 25),
    (Fraction(24000, 1001), 10),
])
def test_another_rate_is_told_within_two_seconds_and_its_return_too(promised: Fraction, now: int) -> None:
    promised = Fraction(promised)
    watch = RateWatch(promised)
    before = at_rate(promised, 4, 0)
    other = at_rate(Fraction(now), 4, before[-1] + S // 20)
    again = at_rate(promised, 4, other[-1] + S // 20)
    assert told(watch, before) == []
    ((at, cleared),) = told(watch, other)
    assert not cleared
    assert at - other[0] < 2 * S
    ((at, cleared),) = told(watch, again)
    assert cleared
    assert at - again[0] < 2 * S


@given(seed=st.integers(0, 200), rate=st.sampled_from([Fraction(25), Fraction(30), Fraction(60000, 1001)]),
       lost_of_a_hundred=st.integers(0, 15))
def test_jitter_and_lost_frames_are_no_other_rate(seed: int, rate: Fraction, lost_of_a_hundred: int) -> None:
    rng = random.Random(seed)
    kept = [i for i in range(int(rate) * 8) if rng.random() * 100 >= lost_of_a_hundred]
    times = [S + round(i * S / rate + rng.uniform(-0.03, 0.03) * S / rate) for i in kept]
    assert told(RateWatch(rate), times) == []


def test_a_variable_rate_is_not_watched() -> None:
    assert told(RateWatch(Fraction(0)), [*at_rate(Fraction(30), 3, 0), *at_rate(Fraction(10), 3, 4 * S)]) == []


# ---- through the whole path ----------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["60000/1001", "24000/1001"])
def test_the_record_keeps_the_source_s_rate_and_times_exactly(tmp_path: Path, rate: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size="320x640", seconds=0.8, rate=rate)
    heard = run_pipeline(configure(clip), detector()).heard
    (tmp_path / "record.mp4").write_bytes(heard.mp4)
    assert heard.info is not None
    assert (heard.info.rate_num, heard.info.rate_den) == tuple(map(int, rate.split("/")))
    assert probe_times(tmp_path / "record.mp4") == probe_times(clip)
