"""Frames and sound from GStreamer: files, V4L2 devices, RTSP. One FrameSource over one decoding pipeline.

Times: a file's are its own stream times (edit lists applied, as a player and ffprobe show them); a live source's are
CLOCK_MONOTONIC. No frame of a file is dropped; of a live one the oldest waiting frame gives way, and is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from firmware.errors import FormatChanged
from firmware.pipeline.frame_times import FrameTimes
from firmware.pipeline.gst import Gst, GstApp, GstVideo, init, mapped
from firmware.pipeline.picture import Layout, ingest, layout_of
from firmware.pipeline.source_chain import SOUND_RATE_HZ
from firmware.pipeline.source_faults import Explain, SourceFaults
from firmware.pipeline.source_streams import Streams
from hw.frame_rate import exact_rate
from hw.ports import U8, EndOfStream, FrameTime, Kernels, SoundChunk, StreamFormat

_ = GstApp  # imported for its AppSink methods

_OPEN_TIMEOUT_S = 15.0
_PADS_TIMEOUT_S = 3.0
_STALL_S = 15.0
"""A file that gave no picture for this long while one was waited for: some demuxers never say that it has ended."""
_MAX_SOUND_CHUNKS = 20_000  # some minutes: a file whose sound runs further ahead of its picture is not readable
_UNKNOWN_PERIOD_NS = 40_000_000
_NS = 1_000_000_000


class GstSource:
    """A FrameSource over a decodebin.

    `make_head` puts source and decodebin into a pipeline and returns the decodebin; `live` says whether time runs by
    itself. `sound_head` describes a separate sound source ("alsasrc device=hw:1"), used when `sound` is asked for.
    `explain` may name a GStreamer error better; `why_cut` tells after the end whether the file was cut short, `varies`
    whether its frames are of different lengths.
    """

    def __init__(self, name: str, make_head: Callable[[Any], Any], *, live: bool, sound: bool, kernels: Kernels,
                 sound_head: str = "", lost_after_s: float = 1.5, explain: Explain | None = None,
                 why_cut: Callable[[], str] = str, varies: Callable[[], bool] = bool) -> None:
        self._name, self._make_head, self._live, self._sound = name, make_head, live, sound
        self._sound_head, self._lost_after_s, self._kernels = sound_head, lost_after_s, kernels
        self._why_cut, self._varies = why_cut, varies
        self._faults = SourceFaults(name, live, explain)
        self._times = FrameTimes(_UNKNOWN_PERIOD_NS, live)
        self._pipeline: Any = None
        self._streams: Any = None
        self._pending: Any = None
        self._caps: Any = None
        self._layout: Layout | None = None
        self._chunks: list[SoundChunk] = []
        self._last_seen = 0.0
        self._waited_s = 0.0
        self._ended = False

    # ---- opening -----------------------------------------------------------------------------------

    def open(self) -> StreamFormat:
        init()
        self._pipeline = Gst.Pipeline.new(None)
        self._pipeline.use_clock(Gst.SystemClock.obtain())  # CLOCK_MONOTONIC, never a sound card's
        self._streams = Streams(self._pipeline, self._make_head(self._pipeline), live=self._live, sound=self._sound,
                                sound_head=self._sound_head)
        self._pipeline.set_state(Gst.State.PLAYING)
        self._pending = self._first_sample()
        if self._sound and not self._sound_head:
            self._streams.all_told.wait(_PADS_TIMEOUT_S)  # the picture may be there before the sound is linked
        return self._learn(self._pending)

    def _first_sample(self) -> Any:
        deadline = time.monotonic() + _OPEN_TIMEOUT_S
        while time.monotonic() < deadline:
            sink = self._streams.video_sink
            if sink is not None:
                sample = sink.try_pull_sample(50_000_000)
                if sample is not None:
                    return sample
                self._drain_sound()
            self._check()
            if sink is not None and sink.is_eos():
                raise self._faults.unreadable("It holds no decodable picture", -1)
            if sink is None and self._streams.all_told.wait(0.02) and self._streams.video_sink is None:
                self._check()
                raise self._faults.no_video()
        raise self._faults.never_began(_OPEN_TIMEOUT_S, -1)

    def _learn(self, sample: Any) -> StreamFormat:
        self._caps = sample.get_caps()
        layout = self._layout = self._layout_in(self._caps)
        rate = self._rate_in(self._caps)
        self._times.period_ns = round(_NS / rate) if rate else _UNKNOWN_PERIOD_NS  # the average one when it varies
        total = 0
        if not self._live and rate:
            known, duration_ns = self._pipeline.query_duration(Gst.Format.TIME)
            total = round(duration_ns * rate / _NS) if known and duration_ns > 0 else 0
        has_sound = self._streams.sound_sink is not None
        self._last_seen = time.monotonic()
        self._streams.began = self._faults.opened = True
        return StreamFormat(
            layout.width, layout.height, Fraction(0) if self._varies() else rate, self._live,
            sound_rate_hz=SOUND_RATE_HZ if has_sound else 0, sound_channels=self._streams.channels if has_sound else 0,
            total_frames=total,
        )

    def _layout_in(self, caps: Any) -> Layout:
        info = GstVideo.VideoInfo.new_from_caps(caps)
        colorimetry = caps.get_structure(0).get_string("colorimetry")
        return layout_of(info.finfo.name, colorimetry, self._streams.lines, info.width, info.height, info.offset,
                         info.stride)

    def _rate_in(self, caps: Any) -> Fraction:
        """The nominal rate, 0 when there is none. A device rounds it (10000000/166833 is 59.94), a file does not."""
        known, num, den = caps.get_structure(0).get_fraction("framerate")
        rate = Fraction(num, den) if known and num > 0 and den > 0 else Fraction(0)
        return exact_rate(float(rate)) if self._live else rate

    # ---- reading -------------------------------------------------------------------------------------

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        sample = self._next_sample(timeout_s)
        if sample is None:
            return None
        self._last_seen = time.monotonic()
        caps = sample.get_caps()
        if not caps.is_equal(self._caps):
            self._accept(caps)
        layout = self._layout
        assert layout is not None
        buffer = sample.get_buffer()
        meta = GstVideo.buffer_get_video_meta(buffer)
        if meta is not None:
            count = len(layout.offsets)
            layout = replace(layout, offsets=tuple(meta.offset[:count]), strides=tuple(meta.stride[:count]))
        with mapped(buffer) as planes:
            stats = ingest(self._kernels, planes, layout, into)
        pts_ns, dropped = self._times.place(self._clock_time(sample, buffer.pts))
        duration_ns = buffer.duration if 0 < buffer.duration < 10 * _NS else self._times.period_ns
        return FrameTime(pts_ns, duration_ns, dropped, stats)

    def _next_sample(self, timeout_s: float) -> Any:
        if self._pending is not None:
            sample, self._pending = self._pending, None
            return sample
        if self._ended:
            raise EndOfStream
        sink = self._streams.video_sink
        deadline = time.monotonic() + timeout_s
        while True:
            self._drain_sound()
            asked = time.monotonic()
            left = deadline - asked
            sample = sink.try_pull_sample(int(min(max(left, 0.0), 0.05) * _NS))
            if sample is not None:
                self._waited_s = 0.0
                return sample
            self._waited_s += time.monotonic() - asked
            if sink.is_eos():
                self._end()
            self._check()
            if self._live and time.monotonic() - self._last_seen > self._lost_after_s:
                raise self._faults.silent(self._lost_after_s)
            if not self._live and self._waited_s > _STALL_S:
                self._ended = True
                raise self._unreadable(f"It gave no further picture for {_STALL_S:g} s and did not say that it ended")
            if left <= 0:
                return None

    def _end(self) -> None:
        """The pictures have ended: as they should, or with an error that is told after the last one."""
        self._ended = True
        self._drain_sound()
        if self._streams.more_video:
            raise FormatChanged(f"The picture format of {self._name} changed in mid-stream")
        self._check()
        why = self._why_cut()
        if why:
            raise self._unreadable(why)
        raise EndOfStream

    def _accept(self, caps: Any) -> None:
        """Changed caps are fine as long as the pixels lie as before; another rate shows in the times (RateWatch)."""
        layout, old = self._layout_in(caps), self._layout
        assert old is not None
        if replace(layout, range=old.range, matrix=old.matrix) != old:
            raise FormatChanged(
                f"The picture of {self._name} changed from {old.width}x{old.height} {old.format} "
                f"to {layout.width}x{layout.height} {layout.format}",
                meaning="The recording ends here; everything before is kept", todo="start a new recording",
            )
        rate = self._rate_in(caps)
        if rate:
            self._times.period_ns = round(_NS / rate)  # frames that nobody promised any more are not lost ones
        self._caps, self._layout = caps, layout

    def _clock_time(self, sample: Any, pts: int) -> int | None:
        if pts == Gst.CLOCK_TIME_NONE:
            return None
        segment = sample.get_segment()
        if self._live:
            running = segment.to_running_time(Gst.Format.TIME, pts)
            return None if running == Gst.CLOCK_TIME_NONE else int(self._pipeline.get_base_time() + running)
        stream = segment.to_stream_time(Gst.Format.TIME, pts)
        return None if stream == Gst.CLOCK_TIME_NONE else int(stream)

    # ---- sound ---------------------------------------------------------------------------------------

    def read_sound(self) -> Sequence[SoundChunk]:
        self._drain_sound()
        chunks, self._chunks = self._chunks, []
        return chunks

    def _drain_sound(self) -> None:
        sink = self._streams.sound_sink
        while sink is not None:
            sample = sink.try_pull_sample(0)
            if sample is None:
                return
            buffer = sample.get_buffer()
            pts_ns = self._clock_time(sample, buffer.pts)
            if pts_ns is None:
                continue
            channels = sample.get_caps().get_structure(0).get_int("channels")[1]
            with mapped(buffer) as data:
                samples = data.view(np.int16).reshape(-1, channels).copy()
            self._chunks.append(SoundChunk(pts_ns, samples))
            if len(self._chunks) > _MAX_SOUND_CHUNKS:
                raise self._unreadable("Its sound lies minutes before its picture")

    # ---- ending and faults ---------------------------------------------------------------------------

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None

    def _check(self) -> None:
        if self._streams.error is not None:
            raise self._streams.error
        self._faults.has_video = self._streams.video_sink is not None
        self._faults.check(self._pipeline.get_bus(), self._times.last_ns)

    def _unreadable(self, why: str) -> Exception:
        return self._faults.unreadable(why, self._times.last_ns)
