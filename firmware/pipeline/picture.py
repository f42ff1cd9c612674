"""From a decoded picture to NV12 in a caller's buffer: which pictures the kernels take, and the one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firmware.errors import FormatChanged, MediaUnreadable
from firmware.kernels.types import Matrix, PictureStats, PixelFormat, Range, SourcePicture
from hw.ports import U8, Kernels

SD_LINES = 576  # up to here untagged video is BT.601, above it BT.709 (ITU-R BT.601-7, BT.709-6)
_FORMATS: dict[str, PixelFormat] = {"I420": "I420", "NV12": "NV12", "UYVY": "UYVY", "YUY2": "YUYV", "RGB": "RGB8"}
_MATRICES: dict[str, Matrix] = {"3": "bt709", "4": "bt601", "6": "bt2020"}  # GstVideoColorMatrix
_NAMED: dict[str, tuple[Range, Matrix]] = {
    "bt709": ("limited", "bt709"), "bt601": ("limited", "bt601"), "bt2020": ("limited", "bt2020"),
}
_FULL_RANGE = "1"  # GstVideoColorRange


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the planes of a decoded picture lie, and how its colours are coded.

    `width` and `height` are the visible size; per plane an offset and the bytes from row to row.
    """

    format: PixelFormat
    width: int
    height: int
    offsets: tuple[int, ...]
    strides: tuple[int, ...]
    range: Range = "limited"
    matrix: Matrix = "bt709"


def colour_of(pixel_format: str, colorimetry: str | None, lines: int) -> tuple[Range, Matrix] | None:
    """How a decoded picture's colours are coded; None when the kernels do not take such a picture as it is.

    `pixel_format` is GStreamer's name; `colorimetry` its "range:matrix:transfer:primaries" or a known name, None when
    the stream is untagged. `lines` is the height as it was coded, before it is turned upright.
    """
    if pixel_format not in _FORMATS:
        return None
    if pixel_format == "RGB":
        return ("limited" if (colorimetry or "").startswith("2:") else "full"), "bt709"
    untagged: Matrix = "bt601" if lines <= SD_LINES else "bt709"
    if colorimetry is None:
        return "limited", untagged
    parts = colorimetry.split(":")
    if len(parts) != 4:
        return _NAMED.get(colorimetry)  # None for another name: smpte240m, sRGB, bt2100-pq
    matrix = untagged if parts[1] == "0" else _MATRICES.get(parts[1])
    return None if matrix is None else ("full" if parts[0] == _FULL_RANGE else "limited", matrix)


def ingest(kernels: Kernels, planes: U8, layout: Layout, into: U8) -> PictureStats:
    """Convert a picture of `layout` into `into`: flat NV12, limited BT.709, rounded up to even, edges repeated.

    Raises FormatChanged when the picture does not fill `into`, MediaUnreadable when `planes` is too short.
    """
    width, height = layout.width + (layout.width & 1), layout.height + (layout.height & 1)
    if into.size != width * height * 3 // 2:
        raise FormatChanged(f"The picture is now {layout.width}x{layout.height}")
    y, uv = into[: width * height].reshape(height, width), into[width * height :].reshape(height // 2, width // 2, 2)
    source = SourcePicture(planes, layout.format, layout.width, layout.height, layout.offsets, layout.strides,
                           layout.range, layout.matrix)
    try:
        return kernels.ingest(source, y, uv)
    except ValueError as error:
        raise MediaUnreadable(f"A decoded picture is not what its format says: {error}") from None


def layout_of(pixel_format: str, colorimetry: str | None, lines: int, width: int, height: int, offsets: Sequence[int],
              strides: Sequence[int]) -> Layout:
    """A layout from GStreamer's words and its per-plane lists (which have room for four planes).

    Raises MediaUnreadable for a picture that the kernels do not take.
    """
    colour = colour_of(pixel_format, colorimetry, lines)
    if colour is None:
        raise MediaUnreadable(f"Pictures of format {pixel_format} with colorimetry {colorimetry} cannot be taken in")
    kind = _FORMATS[pixel_format]
    count = {"NV12": 2, "I420": 3}.get(kind, 1)
    return Layout(kind, width, height, tuple(offsets[:count]), tuple(strides[:count]), *colour)


def tight_layout(pixel_format: str, width: int, height: int) -> tuple[Layout, int]:
    """Layout and size in bytes of an untagged picture whose rows and planes lie without gaps; GStreamer's format names.

    Raises MediaUnreadable for a picture that the kernels do not take, or one that has no whole chroma samples.
    """
    if width % 2 or height % 2:
        raise MediaUnreadable(f"A raw picture of {width}x{height} has an odd size")
    size = width * height
    offsets, strides, total = {
        "NV12": ((0, size), (width, width), size * 3 // 2),
        "I420": ((0, size, size * 5 // 4), (width, width // 2, width // 2), size * 3 // 2),
        "RGB": ((0,), (width * 3,), size * 3),
    }.get(pixel_format, ((0,), (width * 2,), size * 2))
    return layout_of(pixel_format, None, height, width, height, offsets, strides), total
