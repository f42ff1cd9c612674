"""The GStreamer chain all encoders share: appsrc -> encoder -> parser -> appsink. Which encoder is data (EncoderSpec).

It never sees a source, a detector or a file: scrubbed frames go in, access units come out. No GLib main loop:
the bus and the appsink are polled by whoever calls.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from firmware.errors import MediaUnreadable, PipelineDied
from firmware.media.nal import has_idr, without_parameter_sets
from firmware.pipeline.encoder_spec import PARSER_PARTS, EncoderSpec, launch_text, require_elements
from firmware.pipeline.gst import Gst, GstVideo, error_of, init
from firmware.pipeline.gst_buffer import push_nv12
from firmware.pipeline.idr import IdrPlan
from hw.ports import U8, AccessUnit, StreamFormat

PUSH_TIMEOUT_S = 5.0
# Software encoders move their times to 1000 h so that none is negative; until the first frame is out, GStreamer 1.22
# then applies keyframe requests to the wrong frame. Times that are later already are left alone.
_STREAM_START_NS = 1001 * 3600 * 1_000_000_000
_ROUNDING_NS = 500_000  # an encoder may keep its times in microseconds or coarser; ours are kept exactly
_STUCK = {
    "meaning": "The pipeline is restarted and the gap is marked",
    "todo": "if it comes back, lower the bitrate, the preset or the picture size",
}


FILE_INSIDE = 2
LIVE_INSIDE = 8
"""Frames that may be inside the encoder beyond those it holds back: live, a moment's lag must not stop the capture."""
_LIVE_NICE = 5


def _give_way(*_: object) -> Any:
    """Let detectors and capture go first on a busy machine: their answers have a deadline, the encoder's have slack.

    Runs in the encoder's own thread, before it starts others, which inherit it (on Linux a nice value is a thread's).
    """
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _LIVE_NICE))
    return Gst.PadProbeReturn.REMOVE


class GstEncoder:
    """hw.ports.Encoder over GStreamer; `push` and `pull` may be called from different threads.

    IDRs come where IdrPlan puts them, with `idr_interval_s`: the encoder's own choice of IDRs is off.
    """

    def __init__(self, spec_for: Callable[[StreamFormat], EncoderSpec], name: str, idr_interval_s: float) -> None:
        self.name = name
        self._spec_for = spec_for
        self._idr_interval_ns = round(idr_interval_s * 1e9)
        self._lock = threading.Lock()
        self._inside: deque[int] = deque()  # pts_ns of frames not yet out
        self._signal_at: deque[int] = deque()  # stream times of frames before which the encoder is signalled
        self._slots = threading.Semaphore(0)
        self._pipeline: Any = None
        self._codec_config = b""
        self._started = False
        self._first_pts_ns = self._last_pts_ns = 0
        self._idrs = IdrPlan(self._idr_interval_ns)

    @property
    def codec_config(self) -> bytes:
        """avcC or hvcC payload; b"" until the first access unit has come out."""
        return self._codec_config

    def open(self, fmt: StreamFormat) -> None:
        """Start. Raises PartMissing (naming element and package) or PipelineDied (the encoder refuses the format)."""
        init()
        spec = self._spec_for(fmt)
        require_elements(spec.name, (*spec.parts, PARSER_PARTS[spec.codec]))
        self._codec, self._width, self._height = spec.codec, fmt.coded_width, fmt.coded_height
        self._frame_bytes = fmt.frame_bytes
        self._idrs, self._idr_signal = IdrPlan(self._idr_interval_ns, spec.idr_slack), spec.idr_signal
        self._pipeline = Gst.parse_launch(launch_text(spec, fmt))
        self._src = self._pipeline.get_by_name("src")
        self._sink = self._pipeline.get_by_name("sink")
        self._encoder = self._pipeline.get_by_name("encoder")
        if self._idr_signal:
            self._encoder.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._signal_idr)
        self._bus = self._pipeline.get_bus()
        if fmt.live:
            self._src.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, _give_way)
        self._slots = threading.Semaphore(spec.latency_frames + (LIVE_INSIDE if fmt.live else FILE_INSIDE))
        if self._pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self._raise_bus_error(wait_s=1.0)
            raise PipelineDied(f"The encoder {self.name} does not start", **_STUCK)

    def push(self, data: U8, pts_ns: int, *, release: Callable[[], None]) -> None:
        """Give one frame; see hw.ports.Encoder. Raises PipelineDied, or MediaUnreadable when time goes backwards.

        `release` is called exactly once, also when this raises.
        """
        try:
            self._check(data, pts_ns)
            self._wait_for_slot()
        except BaseException:
            release()
            raise
        with self._lock:
            begins = not self._started
            if begins:
                self._started, self._first_pts_ns = True, pts_ns
            self._last_pts_ns = pts_ns
            idr = self._idrs.enters(pts_ns)
            self._inside.append(pts_ns)
        stream_ns = pts_ns - self._first_pts_ns + _STREAM_START_NS
        if idr and self._idr_signal:
            if not begins:  # the first is one by itself, and there is no device to signal before it
                self._signal_at.append(stream_ns)
        elif idr:
            # Sent ahead with the frame's time: the encoder's base class applies it to exactly that frame.
            event = GstVideo.video_event_new_upstream_force_key_unit(stream_ns, False, 0)
            self._encoder.get_static_pad("src").send_event(event)

        def released() -> None:
            self._slots.release()
            release()

        if not push_nv12(self._src, data, self._width, self._height, stream_ns, released):
            self._raise_bus_error(wait_s=0.5)
            raise PipelineDied(f"The encoder {self.name} takes no more pictures", **_STUCK)

    def force_keyframe(self) -> None:
        """Make the next pushed frame an IDR."""
        self._idrs.force()

    def pull(self) -> list[AccessUnit]:
        """What has come out since the last call; never waits. Raises PipelineDied."""
        if self._pipeline is None:
            return []
        units = self._drain(0)
        self._raise_bus_error()
        return units

    def finish(self, timeout_s: float) -> list[AccessUnit]:
        """End of stream: everything still inside. Raises PipelineDied on timeout or if a picture got lost."""
        if self._pipeline is None:
            return []
        deadline = time.monotonic() + timeout_s
        self._src.emit("end-of-stream")
        units: list[AccessUnit] = []
        while not self._sink.is_eos():
            units += self._drain(50_000_000)
            self._raise_bus_error()
            if time.monotonic() > deadline:
                raise PipelineDied(f"The encoder {self.name} does not finish within {timeout_s:g} s", **_STUCK)
        units += self._drain(0)
        if self._inside:
            raise PipelineDied(f"The encoder {self.name} lost {len(self._inside)} pictures", **_STUCK)
        return units

    def close(self) -> None:
        """Stop and let go of every frame; may be called twice."""
        if self._pipeline is not None:
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None

    # ---- inside ----------------------------------------------------------------------------------

    def _check(self, data: U8, pts_ns: int) -> None:
        if self._pipeline is None:
            raise PipelineDied(f"The encoder {self.name} is closed")
        if data.nbytes != self._frame_bytes or not data.flags.c_contiguous:
            raise ValueError(f"a frame has {data.nbytes} bytes, {self._frame_bytes} in one piece are expected")
        if self._started and pts_ns <= self._last_pts_ns:
            raise MediaUnreadable(
                f"A picture's time ({pts_ns} ns) is not after the one before it ({self._last_pts_ns} ns)"
            )

    def _signal_idr(self, _pad: Any, info: Any) -> Any:
        """Runs in the encoder's thread, just before it takes the frame."""
        pts = info.get_buffer().pts
        if self._signal_at and pts >= self._signal_at[0]:
            self._signal_at.popleft()
            self._encoder.emit(self._idr_signal)
        return Gst.PadProbeReturn.OK

    def _wait_for_slot(self) -> None:
        deadline = time.monotonic() + PUSH_TIMEOUT_S
        while not self._slots.acquire(timeout=0.1):
            self._raise_bus_error()
            if time.monotonic() > deadline:
                raise PipelineDied(f"The encoder {self.name} took no picture for {PUSH_TIMEOUT_S:g} s", **_STUCK)

    def _drain(self, wait_ns: int) -> list[AccessUnit]:
        """All units that are out; waits up to `wait_ns` for the first."""
        units: list[AccessUnit] = []
        with self._lock:
            while (sample := self._sink.try_pull_sample(0 if units else wait_ns)) is not None:
                units.append(self._unit(sample))
        return units

    def _unit(self, sample: Any) -> AccessUnit:
        """One access unit under the time its frame was pushed with: order is kept, so times are not recomputed."""
        if not self._codec_config:
            codec_data = sample.get_caps().get_structure(0).get_value("codec_data")
            self._codec_config = codec_data.extract_dup(0, codec_data.get_size())
        buffer = sample.get_buffer()
        if not self._inside:
            raise PipelineDied(f"The encoder {self.name} gave more pictures than it got", **_STUCK)
        pts_ns = self._inside.popleft()
        if abs(buffer.pts - (pts_ns - self._first_pts_ns + _STREAM_START_NS)) > _ROUNDING_NS:
            raise PipelineDied(f"The encoder {self.name} lost or reordered a picture at {pts_ns} ns", **_STUCK)
        data = buffer.extract_dup(0, buffer.get_size())
        keyframe = has_idr(self._codec, data)
        if keyframe:
            data = without_parameter_sets(self._codec, data)
        wrong = self._idrs.leaves(keyframe)
        if wrong:
            raise PipelineDied(f"The encoder {self.name} {wrong} at {pts_ns} ns", **_STUCK)
        return AccessUnit(pts_ns, keyframe, data)

    def _raise_bus_error(self, wait_s: float = 0) -> None:
        message = self._bus.timed_pop_filtered(round(wait_s * 1e9), Gst.MessageType.ERROR)
        if message is not None:
            raise PipelineDied(f"The encoder {self.name} failed: {error_of(message)[2]}", **_STUCK)
