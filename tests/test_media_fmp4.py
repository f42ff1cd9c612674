"""Our fragmented MP4 as bytes: what is written is read back, times are exact, and nonsense is refused by name."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.errors import MediaUnreadable
from firmware.media.fmp4 import fragment, init_segment, parse_fragment, parse_init
from firmware.media.tracks import TIMESCALE, Sample, SoundTrack, VideoTrack, ticks, ticks_to_ns, timescale_for

NS = 1_000_000_000
SIZES = st.integers(1, 0xFFFF)
VIDEO = st.builds(
    VideoTrack, st.sampled_from(["h264", "h265"]), SIZES, SIZES, SIZES, SIZES, st.binary(min_size=1, max_size=80),
    st.integers(1, 0xFFFFFFFF),
)
SOUND = st.builds(
    SoundTrack, st.sampled_from(["opus", "aac"]), st.sampled_from([16_000, 44_100, 48_000]), st.integers(1, 2),
    st.binary(min_size=1, max_size=40),
)
PICTURE_SAMPLES = st.lists(
    st.tuples(st.integers(1_000, 2 * NS), st.booleans(), st.binary(max_size=50)), min_size=1, max_size=20
)


def samples_of(rows: list[tuple[int, bool, bytes]], start: int) -> list[Sample]:
    out = []
    for duration, key, data in rows:
        out.append(Sample(start, duration, key, data))
        start += duration
    return out


@given(video=VIDEO, sound=st.none() | SOUND)
def test_the_tracks_are_read_back(video: VideoTrack, sound: SoundTrack | None) -> None:
    parsed = parse_init(init_segment(video, sound))
    assert parsed.video == video
    assert parsed.sound == sound


@given(rows=PICTURE_SAMPLES, sound=st.lists(st.binary(max_size=9), max_size=9), start=st.integers(0, 1 << 60))
def test_the_samples_are_read_back(rows: list[tuple[int, bool, bytes]], sound: list[bytes], start: int) -> None:
    pictures = samples_of(rows, start)
    packets = [Sample(start + i * 20_000_000, 20_000_000, True, data) for i, data in enumerate(sound)]
    data = fragment(7, pictures, packets)
    parsed = parse_fragment(data)
    assert parsed.seq == 7
    for written, read, scale in ((pictures, parsed.video, TIMESCALE), (packets, parsed.sound, 48_000)):
        assert [data[s.offset : s.offset + s.size] for s in read] == [s.data for s in written]
        assert [s.start for s in read] == [ticks(s.pts_ns, scale) for s in written]
        assert [s.keyframe for s in read] == [s.keyframe for s in written]


@given(
    base=st.sampled_from([Fraction(1, 90_000), Fraction(1, 12_800), Fraction(1, 15_360), Fraction(1, 1000),
                          Fraction(1, 600), Fraction(1001, 30_000), Fraction(1001, 24_000), Fraction(1001, 60_000),
                          Fraction(1, 25), Fraction(1, 30), Fraction(1, 50), Fraction(1, 60), Fraction(1, 120)]),
    n=st.integers(0, 1 << 40), floor=st.booleans(),
)
def test_every_usual_source_time_is_a_whole_tick(base: Fraction, n: int, floor: bool) -> None:
    """A time that reached us in nanoseconds, rounded either way, becomes the exact time again."""
    exact = base * n
    time_ns = int(exact * NS) if floor else round(exact * NS)
    assert Fraction(ticks(time_ns, TIMESCALE), TIMESCALE) == exact
    assert ticks_to_ns(ticks(time_ns, TIMESCALE), TIMESCALE) == pytest.approx(exact * NS, abs=1)


@given(num=st.integers(1, 10_000), den=st.integers(1, 1001), n=st.integers(0, 1_000_000))
def test_the_timescale_for_a_rate_holds_every_frame_exactly(num: int, den: int, n: int) -> None:
    rate = Fraction(num, den)
    scale = timescale_for(rate)
    assert 1_000_000 <= scale < 1 << 32
    assert Fraction(ticks(round(n / rate * NS), scale), scale) == n / rate


def test_times_must_rise() -> None:
    with pytest.raises(MediaUnreadable):
        fragment(0, [Sample(5, 1, True, b"a"), Sample(5, 1, False, b"b")])
    with pytest.raises(MediaUnreadable):
        fragment(0, [Sample(-NS, 1, True, b"a")])


@pytest.mark.parametrize("size", [(0, 100), (70_000, 100)])
def test_sizes_a_track_cannot_have_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(MediaUnreadable):
        VideoTrack("h264", *size, *size, b"x")


GOOD_INIT = init_segment(
    VideoTrack("h264", 320, 180, 320, 180, b"\x01\x42\x00\x1e\xff\xe1\x00\x00\x01\x00\x00"),
    SoundTrack("aac", 48_000, 2, b"\x11\x90"),
)
GOOD_FRAGMENT = fragment(
    3, samples_of([(33_000_000, i == 0, bytes(30)) for i in range(8)], NS),
    [Sample(NS + i * 20_000_000, 20_000_000, True, bytes(9)) for i in range(12)],
)


@settings(max_examples=400)
@given(noise=st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    for parse in (parse_init, parse_fragment):
        with pytest.raises(MediaUnreadable):
            parse(noise)


@settings(max_examples=600)
@given(data=st.data(), which=st.sampled_from(["init", "fragment"]))
def test_damage_is_read_as_something_whole_or_refused_by_name(data: st.DataObject, which: str) -> None:
    """Any bytes changed, cut out or put in: never another exception, never a sample outside the data."""
    good = GOOD_INIT if which == "init" else GOOD_FRAGMENT
    spoiled = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(spoiled) - 1)))
        match data.draw(st.sampled_from(["set", "word", "cut", "insert"])):
            case "set":
                spoiled[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "word":
                spoiled[at : at + 4] = data.draw(st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]))
            case "cut":
                del spoiled[at : at + data.draw(st.integers(1, 40))]
            case _:
                spoiled[at:at] = data.draw(st.binary(min_size=1, max_size=12))
    try:
        if which == "init":
            parse_init(bytes(spoiled))
            return
        parsed = parse_fragment(bytes(spoiled))
    except MediaUnreadable:
        return
    for sample in (*parsed.video, *parsed.sound):
        assert sample.offset >= 0
        assert sample.offset + sample.size <= len(spoiled)
        assert sample.duration > 0


@given(cut=st.integers(0, len(GOOD_FRAGMENT) - 1))
def test_a_fragment_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(MediaUnreadable):
        parse_fragment(GOOD_FRAGMENT[:cut])
