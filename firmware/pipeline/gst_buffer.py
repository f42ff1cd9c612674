"""Hands numpy frames to a GStreamer appsrc without copying them. Knows nothing of encoders or of pictures' meaning.

PyGObject can only copy: filling a buffer from Python takes 200 ms and more for a 4K frame. So the three C
functions that wrap foreign memory are called directly; ctypes releases the interpreter lock while they run.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import Any

from hw.ports import U8

_GST_VIDEO_FORMAT_NV12 = 23
_GST_MEMORY_FLAG_READONLY = 1 << 1
_FLOW_OK = 0
_Notify = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_held: dict[int, tuple[Any, Callable[[], None]]] = {}
_tokens = itertools.count(1)
_lock = threading.Lock()


def _released(token: int) -> None:
    """Called by GStreamer, from any thread, when the last reference to a wrapped frame is gone."""
    with _lock:
        _, release = _held.pop(token)
    release()


_on_release = _Notify(_released)


class _GstBuffer(ctypes.Structure):
    """The head of GstBuffer: GstMiniObject (64 bytes on 64-bit), pool, then the times."""

    _fields_ = [
        ("mini_object", ctypes.c_byte * 64),
        ("pool", ctypes.c_void_p),
        ("pts", ctypes.c_uint64),
        ("dts", ctypes.c_uint64),
        ("duration", ctypes.c_uint64),
    ]


def _load() -> tuple[Any, Any, Any]:
    gst = ctypes.CDLL("libgstreamer-1.0.so.0")
    video = ctypes.CDLL("libgstvideo-1.0.so.0")
    app = ctypes.CDLL("libgstapp-1.0.so.0")
    size = ctypes.c_size_t
    gst.gst_buffer_new_wrapped_full.restype = ctypes.POINTER(_GstBuffer)
    gst.gst_buffer_new_wrapped_full.argtypes = [
        ctypes.c_int, ctypes.c_void_p, size, size, size, ctypes.c_void_p, ctypes.c_void_p,
    ]
    video.gst_buffer_add_video_meta_full.restype = ctypes.c_void_p
    video.gst_buffer_add_video_meta_full.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint,
        ctypes.POINTER(size), ctypes.POINTER(ctypes.c_int),
    ]
    app.gst_app_src_push_buffer.restype = ctypes.c_int
    app.gst_app_src_push_buffer.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return gst, video, app


_libs: tuple[Any, Any, Any] | None = None


def push_nv12(appsrc: Any, data: U8, width: int, height: int, pts_ns: int, release: Callable[[], None]) -> bool:
    """Queue one flat NV12 frame (`width` and `height` even, rows tight) on `appsrc`; False when it refuses.

    `release` is called exactly once, from any thread, when nobody reads `data` any more: also on a refusal.
    The memory is marked read-only, so nothing downstream writes into the caller's frame.
    """
    global _libs
    if _libs is None:
        _libs = _load()
    gst, video, app = _libs
    token = next(_tokens)
    with _lock:
        _held[token] = (data, release)
    buffer = gst.gst_buffer_new_wrapped_full(
        _GST_MEMORY_FLAG_READONLY, data.ctypes.data, data.nbytes, 0, data.nbytes, token, _on_release
    )
    buffer.contents.pts = pts_ns
    # GStreamer's own layout rounds rows up to four bytes; ours are tight, so the layout is said, not assumed.
    offsets = (ctypes.c_size_t * 4)(0, width * height)
    strides = (ctypes.c_int * 4)(width, width)
    video.gst_buffer_add_video_meta_full(buffer, 0, _GST_VIDEO_FORMAT_NV12, width, height, 2, offsets, strides)
    # PyGObject's hash of an object is its address. push_buffer takes the reference, whatever it answers.
    return bool(app.gst_app_src_push_buffer(hash(appsrc), buffer) == _FLOW_OK)


def held_frames() -> int:
    """How many frames GStreamer still reads, in the whole process (for tests and diagnosis)."""
    with _lock:
        return len(_held)
