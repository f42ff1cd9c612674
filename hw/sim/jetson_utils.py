"""A stand-in for NVIDIA's module jetson_utils (its C++ source at fae4b42 read line by line), bad manners included.

It is not a frame source: the real adapter hw/jetson/capture.py runs over it. The camera behind it is SimCamera, which a
test drives from outside. What it has of the real one's manners:
- Capture() gives the latest frame; those between two calls are gone, and no counter tells.
- Frames lie in a ring of numBuffers slots that the source owns and writes again; after a change of size the old ring's
  memory is somebody else's.
- None on timeout, a bare Exception on an error, and also when two frames came within one wait.
- An unplugged camera is no error: the library logs it and gives None for ever.
- It asks a V4L2 camera for a whole frame rate: one that has only 59.94 never gives a picture. A CSI camera is slowed.
- Width and height are those of the newest frame, the format for ever that of the first.
- `shape` and `__cuda_array_interface__` claim three bytes a pixel. Importing it replaces logging's class.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from hw.ports import U8

NAME = "jetson_utils"
_HALVES_A_PIXEL = {"nv12": 3, "i420": 3, "uyvy": 4, "yuyv": 4, "rgb8": 6}
_SCRIBBLE = 0xA5
_START_S = 0.1  # Open() sleeps so long
_STRAY_EVERY = 40

Paint = Callable[[int, int, int], U8]


class SimCamera:
    """The camera at the other end of the cable. `paint(index, width, height)` gives the bytes of a frame."""

    def __init__(self, paint: Paint, *, width: int = 320, height: int = 180, rate: Fraction = Fraction(30),
                 pixel_format: str = "nv12", csi: bool = False) -> None:
        self.paint, self.pixel_format, self.csi = paint, pixel_format, csi
        self.width, self.height, self.rate = width, height, rate
        self.plugged = True
        self.frozen = False
        self.skip = 0
        """So many frames are taken but get lost on the way."""
        self._index = 0

    def next_frame(self) -> tuple[int, int, U8] | None:
        """Width, height and bytes of the frame that is due; None when it does not arrive."""
        if not self.frozen:
            self._index += 1
        if not self.plugged:
            return None
        if self.skip:
            self.skip -= 1
            return None
        return self.width, self.height, self.paint(self._index, self.width, self.height)


class CudaImage:
    """What Capture() returns: a view of a slot, valid until the library writes it again."""

    mapped = True

    def __init__(self, slot: Any, width: int, height: int, pixel_format: str, stamp_ns: int) -> None:
        self._slot = slot  # the real one keeps nothing alive; a crash here would only prove that
        self.ptr = ctypes.addressof(slot)
        self.width, self.height, self.format, self.timestamp = width, height, pixel_format, stamp_ns
        self.shape = (height, width, 3)  # also where a pixel has one and a half bytes

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        return {"shape": self.shape, "typestr": "|u1", "data": (self.ptr, False), "version": 3}


class _Feed:
    """The library's side that runs by itself: takes the camera's frames and writes them into the ring."""

    def __init__(self, camera: SimCamera, slots: int, whole_rate: int) -> None:
        self._camera, self._slots, self._whole_rate = camera, slots, whole_rate
        self.wake, self.stop = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._ring: list[Any] = []
        self._stamps = [0] * slots
        self._latest = -1
        self._fresh = False
        self._size = (0, 0)
        self._format = ""

    def latest(self) -> CudaImage | None:
        """The newest frame, once."""
        with self._lock:
            if not self._fresh:
                return None
            self._fresh = False
            return CudaImage(self._ring[self._latest], *self._size, self._format, self._stamps[self._latest])

    def run(self) -> None:
        camera, count, began_ns = self._camera, 0, time.monotonic_ns()
        if not camera.csi and camera.rate != self._whole_rate:
            return  # the caps do not fit: no picture ever comes, and nobody says so
        due_ns = began_ns
        while not self.stop.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9)):
            stamp_ns = due_ns - began_ns + 1  # since the pipeline's start, not the clock's
            due_ns += round(1_000_000_000 / (self._whole_rate if camera.csi else camera.rate))
            taken = camera.next_frame()
            if taken is None:
                continue
            count += 1
            self._write(*taken, stamp_ns)
            self.wake.set()
            if count % _STRAY_EVERY == 0:  # the wake-up that comes after its frame was already taken
                self.stop.wait(0.001)
                self.wake.set()

    def _write(self, width: int, height: int, data: U8, stamp_ns: int) -> None:
        size = width * height * _HALVES_A_PIXEL[self._camera.pixel_format] // 2
        with self._lock:
            if not self._ring or len(self._ring[0]) != size:
                for slot in self._ring:
                    ctypes.memset(slot, _SCRIBBLE, len(slot))
                self._ring = [(ctypes.c_uint8 * size)() for _ in range(self._slots)]
            self._size, self._format = (width, height), self._format or self._camera.pixel_format
            at = (self._latest + 1) % self._slots
            slot = self._ring[at]
        np.ctypeslib.as_array(slot)[:] = data  # not under the lock: who still reads this slot reads both frames
        with self._lock:
            self._latest, self._stamps[at], self._fresh = at, stamp_ns, True


class VideoSource:
    """videoSource over `camera`. Its destructor stops it; there is nothing to close."""

    def __init__(self, camera: SimCamera, uri: str, options: dict[str, Any]) -> None:
        if not camera.plugged or not uri.startswith(("/dev/video", "v4l2://", "csi://")):
            raise Exception("[python] videoSource failed to create")
        self._whole_rate = int(options.get("framerate", 30))
        self._feed = _Feed(camera, int(options.get("numBuffers", 4)), self._whole_rate)
        self._thread: threading.Thread | None = None

    def Capture(self, format: str = "rgb8", timeout: int = 1000, stream: int = 0) -> CudaImage | None:
        assert format == "raw", "only the raw path is imitated"
        if self._thread is None:
            self._thread = threading.Thread(target=self._feed.run, daemon=True)
            self._thread.start()
            time.sleep(_START_S)
        if not self._feed.wake.wait(timeout / 1000):
            return None
        self._feed.wake.clear()
        image = self._feed.latest()
        if image is None:
            raise Exception("[python] videoSource failed to capture image")
        return image

    def GetFrameRate(self) -> int:
        return self._whole_rate

    def __del__(self) -> None:
        if hasattr(self, "_feed"):
            self._feed.stop.set()


class _VendorLogger(logging.Logger):
    """What importing the library makes of every logger that comes after it."""


class _Installed(MetaPathFinder, Loader):
    """Answers `import jetson_utils`."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == NAME else None

    def exec_module(self, module: ModuleType) -> None:
        def video_source(uri: str, argv: Sequence[str] = (), options: dict[str, Any] | None = None) -> VideoSource:
            assert "--headless" in argv, "without it the library looks for a display"
            return VideoSource(self._camera, uri, options or {})

        module.__dict__.update(HAS_JETSON_UTILS_EXT=True, videoSource=video_source, cudaDeviceSynchronize=lambda: None)
        logging.setLoggerClass(_VendorLogger)


@contextmanager
def installed(camera: SimCamera) -> Iterator[None]:
    """Inside the `with`, `import jetson_utils` finds this stand-in, with `camera` plugged in."""
    finder = _Installed(camera)
    sys.modules.pop(NAME, None)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.pop(NAME, None)
