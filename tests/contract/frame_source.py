"""What every frame source does: says what it delivers, gives each frame in order under its time, and names its end.

A subclass gives `open_rig()`: the source, not yet opened, and the hand that moves what it looks at.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from firmware.errors import FormatChanged, ScrubcamError, SourceLost, SourceMissing
from firmware.pipeline.picture_watch import PictureWatch
from firmware.pipeline.rate_watch import RateWatch
from hw.ports import U8, FrameSource, FrameTime, StreamFormat

S = 1_000_000_000
NOTICED_NS = 2 * S
"""A source that is black, frozen or runs at another rate is told within this time, by the frames' own clock."""
STALE = 0x55


class Rig:
    """The hand at the camera. A subclass overrides what can be done to its camera."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source

    def cut(self) -> None:
        """Pull the cable."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Give the same picture again and again."""
        raise NotImplementedError

    def blacken(self) -> None:
        raise NotImplementedError

    def change_size(self) -> None:
        raise NotImplementedError

    def halve_rate(self) -> None:
        raise NotImplementedError

    def lose(self, frames: int) -> None:
        """So many frames are taken and do not arrive."""
        raise NotImplementedError


@dataclass
class Taken:
    """One frame that was read."""

    at: FrameTime
    luma: U8
    chroma: U8


class FrameSourceContract:
    """`size` and `rate` are what the rig's camera delivers."""

    port = "frame_source"
    size = (320, 180)
    rate = Fraction(30)
    live = True

    def open_rig(self) -> Rig:
        raise NotImplementedError

    def close_rig(self, rig: Rig) -> None:
        """Let go of the camera; the source is closed already."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Rig, StreamFormat]]:
        rig = self.open_rig()
        try:
            yield rig, rig.source.open()
        finally:
            rig.source.close()
            rig.source.close()
            self.close_rig(rig)

    def test_it_says_what_it_delivers(self) -> None:
        with self.opened() as (_rig, fmt):
            assert (fmt.width, fmt.height) == self.size
            assert fmt.rate == self.rate
            assert fmt.live == self.live

    def test_each_frame_is_whole_and_later_than_the_one_before(self) -> None:
        with self.opened() as (rig, fmt):
            frames = take(rig.source, fmt, 12)
        times = [frame.at.pts_ns for frame in frames]
        assert all(after > before for before, after in pairwise(times))
        assert all(frame.at.duration_ns > 0 for frame in frames)
        for frame in frames:
            assert (frame.luma[-1] != STALE).any(), "the last row was not written"
            assert (frame.chroma[-1] != STALE).any()
        assert len({frame.luma.tobytes() for frame in frames}) > 1, "the same memory again and again"

    def test_the_rate_is_exact(self) -> None:
        """Over many frames the times keep to the rate: 59.94 is neither 59 nor 60."""
        with self.opened() as (rig, fmt):
            if self.live:
                take(rig.source, fmt, 2)  # a camera's first frame is there before the times run, so its own is too late
            frames = take(rig.source, fmt, 40)
        steps = sum(1 + frame.at.dropped_before for frame in frames[1:])
        took_ns = frames[-1].at.pts_ns - frames[0].at.pts_ns
        slack_ns = 2 * S / self.rate if self.live else 1000  # a live frame's time is when a busy machine took it
        assert abs(took_ns - steps * S / self.rate) <= slack_ns

    def test_nothing_is_waited_for_beyond_the_deadline(self) -> None:
        with self.opened() as (rig, fmt):
            into = np.empty(fmt.frame_bytes, np.uint8)
            for _ in range(5):
                rig.source.read(into, 0.0)
            assert rig.source.read_sound() is not None


class LiveSourceContract(FrameSourceContract):
    """A camera besides: what a live source tells of itself, and what is noticed when it goes wrong."""

    def test_times_are_on_the_monotonic_clock(self) -> None:
        with self.opened() as (rig, fmt):
            last = take(rig.source, fmt, 10)[-1]
            now_ns = time.monotonic_ns()
        assert -0.05 * S < now_ns - last.at.pts_ns < 5 * S

    def test_every_frame_is_counted_as_it_is_taken_in(self) -> None:
        with self.opened() as (rig, fmt):
            assert all(frame.at.stats is not None for frame in take(rig.source, fmt, 5))

    def test_a_pulled_cable_is_told(self) -> None:
        """In source.lost_after_s, which is two seconds at most."""
        with self.opened() as (rig, fmt):
            take(rig.source, fmt, 5)
            rig.cut()
            with pytest.raises(SourceLost):
                take(rig.source, fmt, 1000)

    def test_a_reader_that_was_away_misses_frames_and_goes_on_with_the_next(self) -> None:
        with self.opened() as (rig, fmt):
            before = take(rig.source, fmt, 5)[-1]
            time.sleep(20 / float(self.rate))
            frames = take(rig.source, fmt, 10)
        assert lost_among(before, frames, self.rate) >= 8


class PictureFaultContract(LiveSourceContract):
    """A camera whose picture can be spoilt on purpose besides."""

    def test_a_frozen_picture_is_told_in_time(self) -> None:
        with self.opened() as (rig, fmt):
            take(rig.source, fmt, 5)
            rig.freeze()
            until_told(rig.source, fmt, "picture-frozen")

    def test_a_black_picture_is_told_in_time(self) -> None:
        with self.opened() as (rig, fmt):
            take(rig.source, fmt, 5)
            rig.blacken()
            until_told(rig.source, fmt, "picture-black")

    def test_another_size_is_told(self) -> None:
        with self.opened() as (rig, fmt):
            take(rig.source, fmt, 5)
            rig.change_size()
            with pytest.raises(FormatChanged):
                take(rig.source, fmt, 1000)


class TimingFaultContract(PictureFaultContract):
    """A camera whose frames can be held back on purpose besides."""

    def test_frames_lost_on_the_way_are_counted_from_the_times(self) -> None:
        with self.opened() as (rig, fmt):
            before = take(rig.source, fmt, 20)[-1]
            rig.lose(5)
            frames = take(rig.source, fmt, 20)
        assert lost_among(before, frames, self.rate) >= 5

    def test_another_rate_is_told_in_time(self) -> None:
        with self.opened() as (rig, fmt):
            watch = RateWatch(fmt.rate)
            until_told(rig.source, fmt, "", watch, for_s=1.5)
            rig.halve_rate()
            until_told(rig.source, fmt, "frame-rate-changed", watch)


def lost_among(before: Taken, frames: list[Taken], rate: Fraction) -> int:
    """How many frames were counted as lost; the count must fit the times, as far as a camera's jitter lets it."""
    lost = sum(frame.at.dropped_before for frame in frames)
    steps = (frames[-1].at.pts_ns - before.at.pts_ns) * rate / S
    assert abs(lost + len(frames) - steps) <= 2, f"{lost} lost and {len(frames)} here do not make {float(steps):.1f}"
    return lost


def take(source: FrameSource, fmt: StreamFormat, count: int, most_s: float = 20.0) -> list[Taken]:
    """The next `count` frames. Raises what the source raises."""
    width, height = fmt.coded_width, fmt.coded_height
    frames: list[Taken] = []
    deadline = time.monotonic() + most_s
    while len(frames) < count:
        assert time.monotonic() < deadline, f"{len(frames)} of {count} frames within {most_s} s"
        into = np.full(fmt.frame_bytes, STALE, np.uint8)
        at = source.read(into, 0.1)
        if at is not None:
            frames.append(Taken(at, into[: width * height].reshape(height, width),
                                into[width * height :].reshape(height // 2, width)))
    return frames


def until_told(source: FrameSource, fmt: StreamFormat, code: str, rate: RateWatch | None = None, *,
               for_s: float = NOTICED_NS / S) -> None:
    """Read until the watches of the frame path tell `code`, for so long by the frames' clock; "": nothing is told."""
    picture, rate = PictureWatch(), rate or RateWatch(fmt.rate)
    first_ns = -1
    while True:
        frame = take(source, fmt, 1)[0]
        first_ns = frame.at.pts_ns if first_ns < 0 else first_ns
        if frame.at.pts_ns - first_ns > for_s * S:
            assert not code, f"{code} was not told within {for_s:g} s"
            return
        assert frame.at.stats is not None
        told = [alert.code for alert in (*picture.look(frame.at.stats, frame.at.pts_ns), *rate.look(frame.at.pts_ns))]
        if code and code in told:
            return
        assert not told, f"told {told}"


def refuses(rig: Rig) -> ScrubcamError:
    """The fault with which the source does not open."""
    try:
        with pytest.raises(SourceMissing) as refused:
            rig.source.open()
        return refused.value
    finally:
        rig.source.close()
