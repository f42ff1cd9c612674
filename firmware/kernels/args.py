"""The kernels' arguments as ctypes structures: the same layout as cuda/args.h, which a test compares."""

from __future__ import annotations

import ctypes
import math

from firmware.kernels import colour
from firmware.kernels.types import FORMATS, MOST_COLUMNS, Matrix, PixelFormat, Range, Triple

_I32, _I64, _U64, _F32 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_float


class Stats(ctypes.Structure):
    """ScrubcamStats."""

    _fields_ = [("sum", _U64), ("lit", _U64), ("clipped", _U64), ("check", _U64)]


class Ingest(ctypes.Structure):
    """ScrubcamIngest."""

    _fields_ = [
        ("plane", _U64 * 3), ("y", _U64), ("uv", _U64), ("stats", _U64),
        ("pitch", _I32 * 3), ("y_pitch", _I32), ("uv_pitch", _I32),
        ("format", _I32), ("width", _I32), ("height", _I32), ("identity", _I32),
        ("luma", _I32 * 3), ("luma_bias", _I32), ("cb", _I32 * 3), ("cb_bias", _I32), ("cr", _I32 * 3),
        ("cr_bias", _I32), ("unused", _I32),
    ]


class Tensor(ctypes.Structure):
    """ScrubcamTensor."""

    _fields_ = [
        ("y", _U64), ("uv", _U64), ("out", _U64), ("out_plane", _I64), ("out_row", _I64),
        ("y_pitch", _I32), ("uv_pitch", _I32), ("width", _I32), ("height", _I32),
        ("out_width", _I32), ("out_height", _I32), ("fit_width", _I32), ("fit_height", _I32),
        ("from_x", _I32), ("to_x", _I32), ("from_y", _I32), ("to_y", _I32),
        ("per_area", _F32), ("luma_gain", _F32), ("red_cr", _F32), ("green_cb", _F32), ("green_cr", _F32),
        ("blue_cb", _F32), ("mean", _F32 * 3), ("scale", _F32 * 3), ("order", _I32 * 3), ("pad", _F32),
        ("unused", _I32),
    ]


class Redact(ctypes.Structure):
    """ScrubcamRedact."""

    _fields_ = [
        ("y", _U64), ("uv", _U64), ("shapes", _U64), ("spans", _U64), ("colours", _U64),
        ("y_pitch", _I32), ("uv_pitch", _I32), ("width", _I32), ("height", _I32), ("count", _I32), ("soft", _I32),
    ]


SHAPE_BYTES, SPAN_BYTES, COLOUR_BYTES = 136, 8, 12


def ingest_args(pixel_format: PixelFormat, value_range: Range, matrix: Matrix) -> Ingest:
    """How a format is converted; addresses and sizes are still to be set."""
    args = Ingest(format=FORMATS.index(pixel_format))
    if pixel_format == "RGB8":
        found = colour.from_rgb(value_range)
    else:
        found = colour.from_yuv(value_range, matrix)
        args.identity = int(value_range == "limited" and matrix == "bt709")
    args.luma, args.luma_bias = found.luma, found.luma_bias
    args.cb, args.cb_bias, args.cr, args.cr_bias = found.cb, found.cb_bias, found.cr, found.cr_bias
    return args


def tensor_args(
    size: tuple[int, int], crop: tuple[int, int, int, int], out: tuple[int, int], fit: tuple[int, int],
    mean: Triple, scale: Triple, order: tuple[int, int, int], pad: float,
) -> Tensor:
    """How a crop (x, y, w, h) of a picture of `size` is scaled to `fit`; addresses and pitches are still to be set.

    Sizes are (width, height). Raises ValueError when the crop is not in the picture or begins at an odd pixel, or `fit`
    is not in `out`.
    """
    x, y, w, h = crop
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > size[0] or y + h > size[1] or x % 2 or y % 2:
        raise ValueError(f"crop {crop} must begin at even pixels and lie in the picture of {size[0]}x{size[1]}")
    if not (1 <= fit[0] <= out[0] and 1 <= fit[1] <= out[1]) or sorted(order) != [0, 1, 2]:
        raise ValueError(f"{fit[0]}x{fit[1]} does not go into {out[0]}x{out[1]}, or {order} is no order of colours")
    across, down = math.gcd(w, fit[0]), math.gcd(h, fit[1])
    from_x, to_x, from_y, to_y = w // across, fit[0] // across, h // down, fit[1] // down
    whole = (from_x, to_x, from_y, to_y) == (1, 1, 1, 1)
    if 255 * from_x * from_y >= 1 << 32 or max(w, h, *out) > 1 << 15 or (w > MOST_COLUMNS and not whole):
        raise ValueError(f"a crop of {w}x{h} is too large to be scaled")
    return Tensor(
        width=w, height=h, out_width=out[0], out_height=out[1], fit_width=fit[0], fit_height=fit[1],
        from_x=from_x, to_x=to_x, from_y=from_y, to_y=to_y, per_area=1 / (from_x * from_y), luma_gain=255 / 219,
        red_cr=255 / 224 * colour.RED_CR, green_cb=255 / 224 * colour.GREEN_CB, green_cr=255 / 224 * colour.GREEN_CR,
        blue_cb=255 / 224 * colour.BLUE_CB, mean=mean, scale=scale, order=order, pad=pad,
    )


def fit_within(width: int, height: int, out_width: int, out_height: int) -> tuple[int, int]:
    """The largest size of the same shape that goes into `out`, never larger than the picture itself."""
    ratio = min(out_width / max(width, 1), out_height / max(height, 1), 1.0)
    return max(1, min(round(width * ratio), out_width)), max(1, min(round(height * ratio), out_height))
