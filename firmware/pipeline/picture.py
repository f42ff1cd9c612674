"""From a decoded picture to NV12 rows in a caller's buffer: what must be converted first, and the one copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from firmware.errors import FormatChanged, MediaUnreadable
from hw.ports import U8

SD_HEIGHT = 576  # up to here untagged video is BT.601, above it BT.709 (ITU-R BT.601-7, BT.709-6)
_DIRECT = ("I420", "NV12")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the planes of a decoded picture lie: format, visible size, and per plane offset and bytes per row."""

    format: str
    width: int
    height: int
    offsets: tuple[int, ...]
    strides: tuple[int, ...]


def needs_conversion(pixel_format: str, colorimetry: str | None, height: int) -> bool:
    """Whether a decoded picture must pass a converter to become limited BT.709.

    `colorimetry` is GStreamer's "range:matrix:transfer:primaries" or a known name, None when the stream is untagged.
    A picture that is already 8-bit 4:2:0, limited, BT.709 is copied bit by bit.
    """
    if pixel_format not in _DIRECT:
        return True
    if colorimetry is None:
        return height <= SD_HEIGHT
    if colorimetry == "bt709":
        return False
    parts = colorimetry.split(":")
    if len(parts) != 4:
        return True  # a name other than bt709: bt601, bt2020, smpte240m, sRGB
    video_range, matrix = parts[0], parts[1]
    if video_range == "1":
        return True
    return not (matrix == "3" or (matrix == "0" and height > SD_HEIGHT))


def copy_nv12(planes: U8, layout: Layout, into: U8) -> None:
    """Copy an I420 or NV12 picture of `layout` into `into`: flat NV12 rounded up to even, edges repeated.

    Raises FormatChanged when the picture does not fill `into`, MediaUnreadable when `planes` is too short.
    """
    width, height = layout.width, layout.height
    coded_width, coded_height = width + (width & 1), height + (height & 1)
    if into.size != coded_width * coded_height * 3 // 2:
        raise FormatChanged(f"The picture is now {width}x{height}")
    rows, columns = coded_height // 2, coded_width // 2
    luma = into[: coded_width * coded_height].reshape(coded_height, coded_width)
    chroma = into[coded_width * coded_height :].reshape(rows, columns, 2)
    source = _plane(planes, layout, 0, height, width)
    if width == coded_width and height == coded_height:
        np.copyto(luma, source)
    else:
        luma[:height, :width] = source
        luma[:height, width:] = luma[:height, width - 1 : width]
        luma[height:] = luma[height - 1]
    if layout.format == "NV12":
        np.copyto(chroma, _plane(planes, layout, 1, rows, 2 * columns).reshape(rows, columns, 2))
    else:
        u, v = _plane(planes, layout, 1, rows, columns), _plane(planes, layout, 2, rows, columns)
        cv2.merge([u, v], chroma)


def _plane(planes: U8, layout: Layout, index: int, rows: int, row_bytes: int) -> U8:
    offset, stride = layout.offsets[index], layout.strides[index]
    if stride < row_bytes or offset + stride * (rows - 1) + row_bytes > planes.size:
        raise MediaUnreadable("A decoded picture is shorter than its size says")
    return np.lib.stride_tricks.as_strided(planes[offset:], (rows, row_bytes), (stride, 1), writeable=False)


def layout_of(pixel_format: str, width: int, height: int, offsets: Sequence[int], strides: Sequence[int]) -> Layout:
    """A layout from GStreamer's per-plane lists (which have room for four planes)."""
    count = 3 if pixel_format == "I420" else 2
    return Layout(pixel_format, width, height, tuple(offsets[:count]), tuple(strides[:count]))
