"""Whether a V4L2 camera delivers whole pictures or woven fields, asked of its driver (VIDIOC_G_FMT, videodev2.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Literal

_VIDIOC_G_FMT = 0xC0D05604  # _IOWR('V', 4, struct v4l2_format), 208 bytes on every 64-bit Linux
_SIZE = 208
_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
_FIELD_AT = 20  # type, padding, then v4l2_pix_format: width, height, pixelformat, field
_WHOLE = (0, 1)  # V4L2_FIELD_ANY, V4L2_FIELD_NONE

Field = Literal["whole", "interlaced", "unknown"]


def field_in(fmt: bytes) -> Field:
    """What a filled struct v4l2_format says."""
    (field,) = struct.unpack_from("=I", fmt, _FIELD_AT)
    return "whole" if field in _WHOLE else "interlaced"


def field_of(device: str) -> Field:
    """What the driver of `device` says; "unknown" when it cannot be asked. The device is left as it is."""
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return "unknown"  # absent or refused: whoever opens it to read says so
    try:
        asked = bytearray(struct.pack("=I", _CAPTURE).ljust(_SIZE, b"\0"))
        fcntl.ioctl(handle, _VIDIOC_G_FMT, asked)
        return field_in(bytes(asked))
    except OSError:
        return "unknown"
    finally:
        os.close(handle)
