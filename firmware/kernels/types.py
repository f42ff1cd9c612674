"""What goes into the kernels and what comes out: plain types with checks, no arithmetic on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

PixelFormat = Literal["NV12", "I420", "UYVY", "YUYV", "RGB8"]
Range = Literal["limited", "full"]
Matrix = Literal["bt601", "bt709", "bt2020"]
Triple = tuple[float, float, float]

FORMATS: tuple[PixelFormat, ...] = ("NV12", "I420", "UYVY", "YUYV", "RGB8")
"""In the order of the enum in cuda/args.h."""
MOST_COLUMNS = 4096
"""Widest crop that `tensor` scales, in pixels."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture as a source delivers it: `data` is flat; per plane its first byte and the bytes from row to row.

    `width` and `height` are in pixels and may be odd. Packed 4:2:2 has whole pairs of pixels in a row, planar formats
    whole chroma samples (both rounded up). `matrix` is not used for RGB8.
    """

    data: U8
    format: PixelFormat
    width: int
    height: int
    offsets: tuple[int, ...]
    pitches: tuple[int, ...]
    range: Range = "limited"
    matrix: Matrix = "bt709"


@dataclass(frozen=True, slots=True)
class PictureStats:
    """Counted over every second row of the luma that `ingest` wrote (limited range). Exact on every backend.

    `lit`: samples at or above 40; `clipped`: at or above 235 (nominal white). `check`: a 64-bit sum over the content:
    two equal ones in a row mean a frozen picture.
    """

    samples: int
    sum: int
    lit: int
    clipped: int
    check: int

    @property
    def mean(self) -> float:
        """Of the luma, 16 (black) to 235 (white)."""
        return self.sum / self.samples


def planes_of(source: SourcePicture) -> list[tuple[int, int]]:
    """(rows, bytes in a row) of each plane."""
    width, height = source.width, source.height
    columns, rows = (width + 1) // 2, (height + 1) // 2
    if source.format == "NV12":
        return [(height, width), (rows, 2 * columns)]
    if source.format == "I420":
        return [(height, width), (rows, columns), (rows, columns)]
    return [(height, 3 * width if source.format == "RGB8" else 4 * columns)]


def check_source(source: SourcePicture) -> None:
    """Raises ValueError when a plane would be read past the end of the data."""
    planes = planes_of(source)
    if source.width < 1 or source.height < 1 or len(source.offsets) < len(planes) or len(source.pitches) < len(planes):
        raise ValueError(f"not a {source.format} picture of {source.width}x{source.height}")
    if source.data.dtype != np.uint8 or source.data.ndim != 1 or not source.data.flags.c_contiguous:
        raise ValueError("a source's data must be flat bytes")
    for (rows, row_bytes), offset, pitch in zip(planes, source.offsets, source.pitches, strict=False):
        if pitch < row_bytes or offset < 0 or offset + pitch * (rows - 1) + row_bytes > source.data.size:
            raise ValueError(
                f"a {source.format} picture of {source.width}x{source.height} is shorter than its size says"
            )


def check_nv12(y: U8, uv: U8, *, written: bool) -> tuple[int, int]:
    """(width, height) of the planes `y` (H, W) and `uv` (H/2, W/2, 2), halves rounded up.

    Rows may lie apart (pitch), pixels in a row not. Raises ValueError for anything else.
    """
    if y.ndim != 2 or uv.ndim != 3 or not y.size or y.dtype != np.uint8 or uv.dtype != np.uint8:
        raise ValueError("NV12 planes are bytes, (H, W) and (H/2, W/2, 2)")
    height, width = y.shape
    if uv.shape != ((height + 1) // 2, (width + 1) // 2, 2):
        raise ValueError(f"chroma {uv.shape} does not belong to luma {y.shape}")
    if y.strides[1] != 1 or uv.strides[2] != 1 or uv.strides[1] != 2:
        raise ValueError("pixels of a row must lie side by side")
    if (height > 1 and y.strides[0] < width) or (len(uv) > 1 and uv.strides[0] < 2 * uv.shape[1]):
        raise ValueError("rows must follow one another without overlap")
    if written and not (y.flags.writeable and uv.flags.writeable):
        raise ValueError("the planes are read-only")
    return width, height
