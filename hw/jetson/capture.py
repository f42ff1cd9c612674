"""A camera or grabber through jetson-utils on a Jetson: raw NV12 frames, taken in by the kernels. It must not scrub."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from firmware.errors import FormatChanged, SourceLost, SourceMissing
from firmware.pipeline.picture import Layout, ingest
from hw.jetson.vendor_video import load_jetson_utils
from hw.ports import U8, FrameTime, Kernels, SoundChunk, StreamFormat

OPEN_TIMEOUT_S = 5.0


class JetsonCapture:
    """FrameSource over `videoSource`. Raises PartMissing when jetson-utils is absent. Sound does not come this way."""

    def __init__(self, uri: str, kernels: Kernels, *, width: int = 0, height: int = 0, rate_hz: float = 0.0) -> None:
        self._utils = load_jetson_utils()
        self._uri, self._kernels = uri, kernels
        asked = {"width": width, "height": height, "framerate": rate_hz}
        self._options = {name: value for name, value in asked.items() if value}
        self._rate = Fraction(rate_hz).limit_denominator(1001)
        self._source: Any = None
        self._format: StreamFormat | None = None
        self._layout = Layout("NV12", 0, 0, (0, 0), (0, 0))
        self._last_ns = 0

    def open(self) -> StreamFormat:
        try:
            self._source = self._utils.videoSource(self._uri, argv=["--headless"], options=self._options)
            image = self._capture(OPEN_TIMEOUT_S)  # never Open(): on failure it sets an error without the GIL
        except Exception as error:  # the library raises bare Exceptions
            raise SourceMissing(f"{self._uri} does not open: {error}", todo="check the cable and source.uri") from None
        if image is None or image.format != "nv12" or image.width % 2 or image.height % 2:
            got = "nothing" if image is None else f"{image.width}x{image.height} {image.format}"
            raise SourceMissing(f"{self._uri} delivers {got}", todo="set the grabber to NV12 and an even size")
        if not image.mapped:
            raise SourceMissing(f"{self._uri} delivers frames that only the GPU can read", todo="use a V4L2 source")
        self._format = StreamFormat(image.width, image.height, self._rate, live=True)
        width, height = image.width, image.height
        self._layout = Layout("NV12", width, height, (0, width * height), (width, width))
        return self._format

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        assert self._format is not None, "open() first"
        try:
            image = self._capture(timeout_s)
        except Exception as error:
            raise SourceLost(f"{self._uri} stopped: {error}", todo="check the cable") from None
        if image is None:
            return None
        if (image.width, image.height, image.format) != (self._format.width, self._format.height, "nv12"):
            raise FormatChanged(f"{self._uri} now delivers {image.width}x{image.height} {image.format}")
        self._utils.cudaDeviceSynchronize()
        # The library's own array view claims three bytes a pixel where NV12 has one and a half, so: the pointer.
        slot = (ctypes.c_uint8 * self._format.frame_bytes).from_address(image.ptr)
        stats = ingest(self._kernels, np.ctypeslib.as_array(slot), self._layout, into)  # the library reuses the slot
        pts_ns = time.monotonic_ns()  # of arrival: its own timestamps' clock differs by source
        frame_ns = round(1e9 / self._rate) if self._rate else 0
        step_ns, self._last_ns = (pts_ns - self._last_ns if self._last_ns else frame_ns), pts_ns
        lost = max(0, round(step_ns / frame_ns) - 1) if frame_ns else 0  # it drops without a count
        return FrameTime(pts_ns, frame_ns, lost, stats)

    def read_sound(self) -> Sequence[SoundChunk]:
        return ()

    def close(self) -> None:
        self._source = None

    def _capture(self, timeout_s: float) -> Any:
        return self._source.Capture(format="raw", timeout=max(1, int(timeout_s * 1000)))
