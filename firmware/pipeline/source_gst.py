"""Frames and sound from GStreamer: files, V4L2 devices, RTSP. One FrameSource over one decoding pipeline.

Times: a file's are its own stream times (edit lists applied, as a player and ffprobe show them); a live source's are
CLOCK_MONOTONIC. No frame of a file is dropped; of a live one the oldest waiting frame gives way, and is counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from firmware.errors import FormatChanged, MediaUnreadable, NoVideo, PartMissing, ScrubcamError, SourceLost
from firmware.kernels.types import PictureStats
from firmware.pipeline.gst import Gst, GstApp, GstVideo, error_of, init, make, mapped
from firmware.pipeline.picture import Layout, ingest, layout_of
from firmware.pipeline.source_chain import SOUND_RATE_HZ, link_chain, sample_sink, sound_elements, video_elements
from hw.ports import U8, EndOfStream, FrameTime, Kernels, SoundChunk, StreamFormat

_ = GstApp  # imported for its AppSink methods

AHEAD_FRAMES = 6
"""Decoded frames that may wait, so that decoding, our own work and encoding overlap."""
AHEAD_CHUNKS = 200
_OPEN_TIMEOUT_S = 15.0
_PADS_TIMEOUT_S = 3.0
_STALL_S = 15.0
"""A file that gave no picture for this long while one was waited for: some demuxers never say that it has ended."""
_MAX_SOUND_CHUNKS = 20_000  # some minutes: a file whose sound runs further ahead of its picture is not readable
_NS = 1_000_000_000


class GstSource:
    """A FrameSource over a decodebin.

    `make_head` puts source and decodebin into a pipeline and returns the decodebin; `live` says whether time runs by
    itself. `sound_head` describes a separate sound source ("alsasrc device=hw:1"), used when `sound` is asked for.
    `explain` may name a GStreamer error better; `why_cut` tells after the end whether the file was cut short.
    """

    def __init__(self, name: str, make_head: Any, *, live: bool, sound: bool, sound_head: str = "",
                 lost_after_s: float = 1.5, explain: Any = None, why_cut: Any = None,
                 varies: Any = None, kernels: Kernels) -> None:
        self._name, self._make_head, self._live, self._sound = name, make_head, live, sound
        self._sound_head, self._lost_after_s, self._explain = sound_head, lost_after_s, explain
        self._why_cut, self._varies, self._kernels = why_cut, varies, kernels
        self._pipeline: Any = None
        self._video_sink: Any = None
        self._sound_sink: Any = None
        self._lock = threading.Lock()
        self._missing: list[str] = []
        self._no_more_pads = threading.Event()
        self._pad_error: ScrubcamError | None = None
        self._more_video = False
        self._pending: Any = None
        self._format: StreamFormat | None = None
        self._caps: Any = None
        self._layout: Layout | None = None
        self._lines = 0
        self._channels = 2
        self._chunks: list[SoundChunk] = []
        self._last_pts_ns = -1
        self._period_ns = 0
        self._last_seen = 0.0
        self._waited_s = 0.0
        self._ended = False

    # ---- opening -----------------------------------------------------------------------------------

    def open(self) -> StreamFormat:
        init()
        self._pipeline = Gst.Pipeline.new(None)
        self._pipeline.use_clock(Gst.SystemClock.obtain())  # CLOCK_MONOTONIC, never a sound card's
        head = self._make_head(self._pipeline)
        head.connect("pad-added", self._on_pad)
        head.connect("autoplug-continue", self._wants_decoded)
        head.connect("no-more-pads", lambda _head: self._no_more_pads.set())
        if self._sound and self._sound_head:
            self._add_sound_head()
        self._pipeline.set_state(Gst.State.PLAYING)
        self._pending = self._first_sample()
        if self._sound and not self._sound_head:
            self._no_more_pads.wait(_PADS_TIMEOUT_S)  # the picture may be there before the sound is linked
        return self._learn(self._pending)

    def _first_sample(self) -> Any:
        deadline = time.monotonic() + _OPEN_TIMEOUT_S
        while time.monotonic() < deadline:
            sink = self._video_sink
            if sink is not None:
                sample = sink.try_pull_sample(50_000_000)
                if sample is not None:
                    return sample
                self._drain_sound()
            self._check_bus()
            if sink is not None and sink.is_eos():
                raise self._unreadable("It holds no decodable picture")
            if sink is None and self._no_more_pads.wait(0.02) and self._video_sink is None:
                self._check_bus()
                raise self._no_video()
        if self._live:
            raise SourceLost(
                f"{self._name} delivered no picture within {_OPEN_TIMEOUT_S:g} s",
                meaning="Nothing is recorded", todo="check the cable and that the device is switched on",
            )
        raise self._unreadable(f"No picture came out within {_OPEN_TIMEOUT_S:g} s")

    def _learn(self, sample: Any) -> StreamFormat:
        self._caps = sample.get_caps()
        layout = self._read_caps(self._caps)
        self._layout = layout
        structure = self._caps.get_structure(0)
        known, num, den = structure.get_fraction("framerate")
        rate = Fraction(num, den) if known and num > 0 and den > 0 else Fraction(0)
        self._period_ns = int(_NS / rate) if rate else 40_000_000  # the average one when the rate varies
        rate_varies = self._varies is not None and self._varies()
        total = 0
        if not self._live and rate:
            known, duration_ns = self._pipeline.query_duration(Gst.Format.TIME)
            total = round(duration_ns * rate / _NS) if known and duration_ns > 0 else 0
        has_sound = self._sound_sink is not None
        self._last_seen = time.monotonic()
        self._format = StreamFormat(
            layout.width, layout.height, Fraction(0) if rate_varies else rate, self._live,
            sound_rate_hz=SOUND_RATE_HZ if has_sound else 0, sound_channels=self._channels if has_sound else 0,
            total_frames=total,
        )
        return self._format

    def _read_caps(self, caps: Any) -> Layout:
        info = GstVideo.VideoInfo.new_from_caps(caps)
        colorimetry = caps.get_structure(0).get_string("colorimetry")
        return layout_of(info.finfo.name, colorimetry, self._lines, info.width, info.height, info.offset, info.stride)

    # ---- building, on GStreamer's threads -------------------------------------------------------------

    def _on_pad(self, _head: Any, pad: Any) -> None:
        try:
            with self._lock:
                self._link(pad)
        except ScrubcamError as error:
            self._pad_error = error
            self._no_more_pads.set()

    def _link(self, pad: Any) -> None:
        caps = pad.get_current_caps() or pad.query_caps(None)
        structure = caps.get_structure(0)
        kind = structure.get_name()
        if kind.startswith("video/x-raw") and self._video_sink is not None:
            self._more_video = self._format is not None
        if kind.startswith("video/x-raw") and self._video_sink is None:
            self._lines = structure.get_int("height")[1]
            self._video_sink = link_chain(
                self._pipeline, pad, video_elements(structure), sample_sink(AHEAD_FRAMES, drop=self._live)
            )
        elif kind.startswith("audio/x-raw") and self._sound and not self._sound_head and self._sound_sink is None:
            known, channels = structure.get_int("channels")
            self._channels = min(max(channels, 1), 2) if known else 2
            self._sound_sink = link_chain(
                self._pipeline, pad, sound_elements(self._channels), sample_sink(AHEAD_CHUNKS, drop=self._live)
            )
        else:
            # A stream nobody takes would stop the others when it runs out first.
            link_chain(self._pipeline, pad, [], make("fakesink", sync=False, async_=False, enable_last_sample=False))

    def _wants_decoded(self, _head: Any, _pad: Any, caps: Any) -> bool:
        """What is not recorded is not decoded either: neither time nor a missing decoder is spent on it."""
        kind = caps.get_structure(0).get_name() if caps.get_size() else ""
        wanted = self._sound and not self._sound_head
        return not (kind.startswith("text/") or (kind.startswith("audio/") and not wanted))

    def _add_sound_head(self) -> None:
        try:
            head = Gst.parse_bin_from_description(self._sound_head, True)
        except Exception as error:  # GLib.Error: an unknown element or property
            raise PartMissing(f"The sound source {self._sound_head!r} cannot be made: {error}",
                              todo="correct sound.device in the configuration") from None
        self._pipeline.add(head)
        self._sound_sink = link_chain(
            self._pipeline, head.get_static_pad("src"), sound_elements(2), sample_sink(AHEAD_CHUNKS, drop=True)
        )

    # ---- reading -------------------------------------------------------------------------------------

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        sample = self._next_sample(timeout_s)
        if sample is None:
            return None
        self._last_seen = time.monotonic()
        caps = sample.get_caps()
        if not caps.is_equal(self._caps):
            self._accept(caps)
        assert self._layout is not None
        buffer = sample.get_buffer()
        meta = GstVideo.buffer_get_video_meta(buffer)
        layout = self._layout
        if meta is not None:
            count = len(layout.offsets)
            layout = replace(layout, offsets=tuple(meta.offset[:count]), strides=tuple(meta.stride[:count]))
        with mapped(buffer) as planes:
            stats = ingest(self._kernels, planes, layout, into)
        return self._time_of(sample, buffer, stats)

    def _next_sample(self, timeout_s: float) -> Any:
        if self._pending is not None:
            sample, self._pending = self._pending, None
            return sample
        if self._ended:
            raise EndOfStream
        deadline = time.monotonic() + timeout_s
        while True:
            self._drain_sound()
            asked = time.monotonic()
            left = deadline - asked
            sample = self._video_sink.try_pull_sample(int(min(max(left, 0.0), 0.05) * _NS))
            if sample is not None:
                self._waited_s = 0.0
                return sample
            self._waited_s += time.monotonic() - asked
            if self._video_sink.is_eos():
                self._end()
            self._check_bus()
            if self._live and time.monotonic() - self._last_seen > self._lost_after_s:
                raise SourceLost(
                    f"{self._name} has delivered no picture for {self._lost_after_s:g} s",
                    meaning="The recording has a gap from here", todo="check the cable and the device",
                )
            if not self._live and self._waited_s > _STALL_S:
                self._ended = True
                raise self._unreadable(f"It gave no further picture for {_STALL_S:g} s and did not say that it ended")
            if left <= 0:
                return None

    def _end(self) -> None:
        """The pictures have ended: as they should, or with an error that is told after the last one."""
        self._ended = True
        self._drain_sound()
        if self._more_video:
            raise FormatChanged(f"The picture format of {self._name} changed in mid-stream")
        self._check_bus()
        why = self._why_cut() if self._why_cut is not None else ""
        if why:
            raise self._unreadable(why)
        raise EndOfStream

    def _accept(self, caps: Any) -> None:
        """Changed caps are fine as long as the pixels lie as before."""
        layout, old = self._read_caps(caps), self._layout
        assert old is not None
        if replace(layout, range=old.range, matrix=old.matrix) != old:
            raise FormatChanged(
                f"The picture of {self._name} changed from {old.width}x{old.height} {old.format} "
                f"to {layout.width}x{layout.height} {layout.format}",
                meaning="The recording ends here; everything before is kept", todo="start a new recording",
            )
        self._caps, self._layout = caps, layout

    def _time_of(self, sample: Any, buffer: Any, stats: PictureStats) -> FrameTime:
        pts_ns = self._clock_time(sample, buffer.pts)
        if pts_ns is None:
            pts_ns = self._last_pts_ns + self._period_ns if self._last_pts_ns >= 0 else 0
        duration_ns = buffer.duration if 0 < buffer.duration < 10 * _NS else self._period_ns
        dropped = 0
        if self._last_pts_ns >= 0:
            if pts_ns <= self._last_pts_ns:
                pts_ns = self._last_pts_ns + 1000  # a broken file's repeated time: kept in order
            elif self._live:
                dropped = max(0, round((pts_ns - self._last_pts_ns) / self._period_ns) - 1)
        self._last_pts_ns = pts_ns
        return FrameTime(pts_ns, duration_ns, dropped, stats)

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
        sink = self._sound_sink
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

    def _check_bus(self) -> None:
        """Raise what GStreamer reported. Frames already decoded have been read before this is asked."""
        if self._pad_error is not None:
            raise self._pad_error
        bus = self._pipeline.get_bus()
        while (message := bus.pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.ELEMENT)) is not None:
            if message.type == Gst.MessageType.ELEMENT:
                structure = message.get_structure()
                if structure is not None and structure.get_name() == "missing-plugin":
                    self._missing.append(structure.get_string("name") or "a decoder")
                continue
            raise self._named(*error_of(message))

    def _named(self, domain: str, code: int, text: str) -> ScrubcamError:
        if self._explain is not None:
            error = self._explain(domain, code, text)
            if isinstance(error, ScrubcamError):
                return error
        if self._missing and self._video_sink is None:
            return self._no_video()
        if self._live and self._format is not None:
            return SourceLost(f"{self._name} stopped: {text}", meaning="The recording has a gap from here",
                              todo="check the cable and the device")
        return self._unreadable(text)

    def _no_video(self) -> ScrubcamError:
        if self._missing:
            return PartMissing(
                f"Reading {self._name} needs {', '.join(self._missing)}, which is not installed",
                meaning="Nothing is recorded", todo="install the GStreamer plugin package for it",
            )
        return NoVideo(f"{self._name} holds no picture", meaning="There is nothing to record",
                       todo="give a file or device with video")

    def _unreadable(self, why: str) -> MediaUnreadable:
        if self._last_pts_ns >= 0:
            return MediaUnreadable(
                f"{self._name} cannot be read past {self._last_pts_ns / _NS:.3f} s: {why}",
                meaning="Every frame up to there was recorded", todo="check whether the file is complete",
            )
        return MediaUnreadable(f"{self._name} cannot be read: {why}", meaning="Nothing is recorded",
                               todo="check that it is a complete video file that plays elsewhere")

