"""The few GStreamer things that PyGObject does slowly or not at all: start-up, reading a buffer without a copy of it.

Nothing here knows what is recorded.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gi
import numpy as np

# GStreamer uses libunwind, and its plugins, which are opened for all to see, put that library's `_Unwind_Resume` in the
# place of libgcc's. A C++ exception that libgcc has begun to unwind then ends the process with a segmentation fault: in
# the barcode reader, in ONNX Runtime, in OpenCV. Whoever comes first is found first.
ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstApp, GstVideo  # noqa: E402

from firmware.errors import PartMissing  # noqa: E402
from hw.ports import U8  # noqa: E402

__all__ = ["NOT_AGREED", "Gst", "GstApp", "GstVideo", "error_of", "init", "make", "mapped"]

NOT_AGREED = "not-negotiated"
_MAP_READ = 1


class _MapInfo(ctypes.Structure):
    """GstMapInfo of gstmemory.h; its layout is part of the 1.x ABI."""

    _fields_ = [
        ("memory", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("maxsize", ctypes.c_size_t),
        ("user_data", ctypes.c_void_p * 4),
        ("_gst_reserved", ctypes.c_void_p * 4),
    ]


_lib = ctypes.CDLL("libgstreamer-1.0.so.0")
_lib.gst_buffer_map.argtypes = [ctypes.c_void_p, ctypes.POINTER(_MapInfo), ctypes.c_int]
_lib.gst_buffer_map.restype = ctypes.c_int
_lib.gst_buffer_unmap.argtypes = [ctypes.c_void_p, ctypes.POINTER(_MapInfo)]
_lib.gst_buffer_unmap.restype = None


def init() -> None:
    """Start GStreamer; may be called often."""
    if not Gst.is_initialized():
        Gst.init(None)


def make(factory: str, **properties: Any) -> Any:
    """A new element. Raises PartMissing naming it; never another one instead."""
    init()
    element = Gst.ElementFactory.make(factory, None)
    if element is None:
        raise PartMissing(
            f"The GStreamer element {factory} is not installed",
            meaning="Nothing is recorded; no other element is taken instead",
            todo="install the GStreamer plugin package that holds it",
        )
    for name, value in properties.items():
        element.set_property(name.rstrip("_").replace("_", "-"), value)
    return element


@contextmanager
def mapped(buffer: Any) -> Iterator[U8]:
    """The bytes of a Gst.Buffer, read-only in meaning, valid inside the `with` only. No copy is made."""
    pointer = hash(buffer)  # PyGObject's hash of a boxed value is its address
    info = _MapInfo()
    if not _lib.gst_buffer_map(pointer, ctypes.byref(info), _MAP_READ):
        raise MemoryError("a GStreamer buffer could not be mapped")
    try:
        yield np.frombuffer((ctypes.c_uint8 * info.size).from_address(info.data), dtype=np.uint8)
    finally:
        _lib.gst_buffer_unmap(pointer, ctypes.byref(info))


def error_of(message: Any) -> tuple[str, int, str]:
    """Domain, code and text of an ERROR or WARNING message; NOT_AGREED in the text when no format suited both sides."""
    error, debug = message.parse_error() if message.type == Gst.MessageType.ERROR else message.parse_warning()
    why = f" ({NOT_AGREED})" if NOT_AGREED in (debug or "") else ""
    return str(error.domain), int(error.code), str(error.message) + why
