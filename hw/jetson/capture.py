"""A camera or grabber through jetson-utils on a Jetson: frames in the source's own format, taken in by the kernels."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from firmware.errors import FormatChanged, SourceLost, SourceMissing
from firmware.pipeline.frame_times import FrameTimes, StampClock
from firmware.pipeline.picture import ingest, tight_layout
from hw.jetson.vendor_video import load_jetson_utils
from hw.ports import U8, FrameTime, Kernels, SoundChunk, StreamFormat

OPEN_TIMEOUT_S = 5.0
SLOTS = 8  # the library reuses the slot of a frame after so many more
_FORMATS = {"nv12": "NV12", "i420": "I420", "uyvy": "UYVY", "yuyv": "YUY2", "rgb8": "RGB"}  # theirs: GStreamer's


class JetsonCapture:
    """FrameSource over `videoSource`. Raises PartMissing when jetson-utils is absent. Sound does not come this way."""

    def __init__(self, uri: str, kernels: Kernels, *, width: int = 0, height: int = 0, rate: Fraction = Fraction(0),
                 lost_after_s: float = 1.5) -> None:
        self._utils = load_jetson_utils()
        self._uri, self._kernels, self._rate, self._lost_after_s = uri, kernels, rate, lost_after_s
        asked = {"width": width, "height": height, "framerate": float(rate), "numBuffers": SLOTS}
        self._options = {name: value for name, value in asked.items() if value}
        self._clock, self._times = StampClock(), FrameTimes(round(1e9 / rate) if rate else 0, live=True)
        self._source: Any = None
        self._seen, self._why = 0.0, ""

    def open(self) -> StreamFormat:
        try:
            self._source = self._utils.videoSource(self._uri, argv=["--headless"], options=self._options)
        except Exception as error:  # the library raises bare Exceptions
            raise SourceMissing(f"{self._uri} does not open: {error}", todo="check the cable and source.uri") from None
        deadline, image = time.monotonic() + OPEN_TIMEOUT_S, None
        while image is None and time.monotonic() < deadline:
            image = self._capture(0.5)
        if image is None or image.format not in _FORMATS or not image.mapped:
            got = f"no picture {self._why}" if image is None else f"{image.format}, mapped: {image.mapped}"
            raise SourceMissing(f"{self._uri} delivers {got}", todo='check the cable, or source.capture = "gstreamer"')
        self._seen, self._shape = time.monotonic(), (image.width, image.height, image.format)
        self._layout, self._bytes = tight_layout(_FORMATS[image.format], image.width, image.height)
        return StreamFormat(image.width, image.height, self._rate, live=True)  # theirs is cast to int: 59 for 59.94

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        image, now = self._capture(timeout_s), time.monotonic()
        if image is None:
            if now - self._seen > self._lost_after_s:
                raise SourceLost(f"{self._uri} is silent for {self._lost_after_s:g} s {self._why}",
                                 meaning="The recording has a gap from here", todo="check the cable and the device")
            return None
        if (image.width, image.height, image.format) != self._shape:
            raise FormatChanged(f"{self._uri} now delivers {image.width}x{image.height} {image.format}",
                                meaning="The recording ends here; everything before is kept")
        self._seen = now
        self._utils.cudaDeviceSynchronize()
        # The library's own array view claims three bytes a pixel whatever the format, so: the pointer.
        slot = np.ctypeslib.as_array((ctypes.c_uint8 * self._bytes).from_address(image.ptr))
        stats = ingest(self._kernels, slot, self._layout, into)
        pts_ns, lost = self._times.place(self._clock.arrived(image.timestamp, time.monotonic_ns()))  # it has no count
        return FrameTime(pts_ns, self._times.period_ns, lost, stats)

    def read_sound(self) -> Sequence[SoundChunk]:
        return ()

    def close(self) -> None:
        self._source = None

    def _capture(self, timeout_s: float) -> Any:
        """The latest frame or None. Never Open(): on failure it sets an error without the GIL; Capture() opens."""
        try:
            return self._source.Capture(format="raw", timeout=max(1, int(timeout_s * 1000)))
        except Exception as error:  # also when two frames came in one wait: only time tells whether it is lost
            self._why = f"({error})"
            return None
