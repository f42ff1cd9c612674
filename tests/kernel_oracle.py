"""What the kernels must compute, in NumPy from the definitions: slow, plain, and sharing no code with them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.ports import U8

I64 = NDArray[np.int64]
LUMA_WEIGHTS = {"bt601": ("0.299", "0.114"), "bt709": ("0.2126", "0.0722"), "bt2020": ("0.2627", "0.0593")}


# ---- ingest ------------------------------------------------------------------------------------------------------


def encoding(matrix: str) -> list[list[Fraction]]:
    """R, G, B (0 to 1) to Y, Cb, Cr."""
    red, blue = (Fraction(text) for text in LUMA_WEIGHTS[matrix])
    luma = [red, 1 - red - blue, blue]
    cb = [(Fraction(i == 2) - w) / (2 - 2 * blue) for i, w in enumerate(luma)]
    cr = [(Fraction(i == 0) - w) / (2 - 2 * red) for i, w in enumerate(luma)]
    return [luma, cb, cr]


def inverse(m: list[list[Fraction]]) -> list[list[Fraction]]:
    """Of a 3x3 matrix, by cofactors."""
    def minor(i: int, j: int) -> Fraction:
        a, b = (k for k in range(3) if k != i)
        c, d = (k for k in range(3) if k != j)
        return (m[a][c] * m[b][d] - m[a][d] * m[b][c]) * (-1) ** (i + j)
    whole = sum(m[0][j] * minor(0, j) for j in range(3))
    return [[minor(j, i) / whole for j in range(3)] for i in range(3)]


def conversion(pixel_format: str, value_range: str, matrix: str) -> tuple[list[list[Fraction]], list[int]]:
    """The matrix from stored samples (less their offsets) to limited BT.709 (less 16, 128, 128), and those offsets."""
    to = encoding("bt709")
    if pixel_format == "RGB8":
        span, low = (219, 16) if value_range == "limited" else (255, 0)
        return [[to[i][j] * (219 if i == 0 else 224) / span for j in range(3)] for i in range(3)], [low] * 3
    back = inverse(encoding(matrix))
    spans, low = ([219, 224, 224], 16) if value_range == "limited" else ([255] * 3, 0)
    whole = [[sum(to[i][k] * back[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    return [[whole[i][j] * (219 if i == 0 else 224) / spans[j] for j in range(3)] for i in range(3)], [low, 128, 128]


def fixed(value: Fraction) -> int:
    return math.floor(value * 16384 + Fraction(1, 2))


def samples(source: Any) -> tuple[I64, I64]:
    """The source's three components for each pixel, (H, W, 3), rounded up to even, edges repeated; and for each of its
    own chroma rows (H or H/2, W/2, 2) the stored chroma (empty for RGB)."""
    w, h = source.width, source.height
    columns = (w + 1) // 2

    def plane(index: int, rows: int, row_bytes: int) -> I64:
        first, pitch = source.offsets[index], source.pitches[index]
        out = [source.data[first + row * pitch : first + row * pitch + row_bytes] for row in range(rows)]
        return np.array(out, np.int64)

    if source.format == "RGB8":
        pixels = plane(0, h, 3 * w).reshape(h, w, 3)
        chroma = np.zeros((0, 0, 2), np.int64)
    elif source.format in ("UYVY", "YUYV"):
        pairs = plane(0, h, 4 * columns).reshape(h, columns, 4)
        luma_at, chroma_at = ([1, 3], [0, 2]) if source.format == "UYVY" else ([0, 2], [1, 3])
        luma, chroma = pairs[:, :, luma_at].reshape(h, -1)[:, :w], pairs[:, :, chroma_at]
        pixels = np.concatenate([luma[:, :, None], chroma.repeat(2, 1)[:, :w]], 2)
    else:
        luma = plane(0, h, w)
        if source.format == "NV12":
            chroma = plane(1, (h + 1) // 2, 2 * columns).reshape(-1, columns, 2)
        else:
            chroma = np.stack([plane(1, (h + 1) // 2, columns), plane(2, (h + 1) // 2, columns)], 2)
        pixels = np.concatenate([luma[:, :, None], chroma.repeat(2, 0).repeat(2, 1)[:h, :w]], 2)
    if chroma.shape[0] == h and h % 2:
        chroma = np.concatenate([chroma, chroma[-1:]])
    return np.pad(pixels, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge"), chroma


def ingest(source: Any) -> tuple[U8, U8, dict[str, int]]:
    """Planes and statistics."""
    pixels, chroma = samples(source)
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    m, low = conversion(source.format, source.range, source.matrix)
    q = [[fixed(m[i][j]) for j in range(3)] for i in range(3)]
    if source.format != "RGB8" and (source.range, source.matrix) == ("limited", "bt709"):
        y = pixels[:, :, 0]
        uv = chroma if len(chroma) == rows else (chroma[::2] + chroma[1::2] + 1) >> 1
    else:
        if source.format == "RGB8":  # grey stays grey: green takes what rounding left over
            q[1][1], q[2][1] = -q[1][0] - q[1][2], -q[2][0] - q[2][2]
        y = (sum(q[0][j] * (pixels[:, :, j] - low[j]) for j in range(3)) + (16 << 14) + (1 << 13)) >> 14
        cells = pixels.reshape(rows, 2, columns, 2, 3).sum((1, 3))  # of four: two chroma rows of two columns each
        uv = np.stack([
            (sum(q[i][j] * (cells[:, :, j] - 4 * low[j]) for j in range(0 if source.format == "RGB8" else 1, 3))
             + (128 << 16) + (1 << 15)) >> 16 for i in (1, 2)
        ], 2)
        y, uv = y.clip(0, 255), uv.clip(0, 255)
    return y.astype(np.uint8), uv.astype(np.uint8), statistics(y[::2].astype(np.uint8))


def ingest_real(source: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same in real numbers, unrounded: what the fixed-point form stays within one level of."""
    pixels, _ = samples(source)
    m, low = conversion(source.format, source.range, source.matrix)
    cells = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 3).mean((1, 3))
    y = sum(float(m[0][j]) * (pixels[:, :, j] - low[j]) for j in range(3)) + 16
    uv = [sum(float(m[i][j]) * (cells[:, :, j] - low[j]) for j in range(3)) + 128 for i in (1, 2)]
    return np.asarray(y).clip(0, 255), np.stack(uv, 2).clip(0, 255)


def statistics(y: U8) -> dict[str, int]:
    """Over the luma rows given: every second one of a picture."""
    words = np.ascontiguousarray(np.pad(y, ((0, 0), (0, -y.shape[1] % 4)))).view("<u4").astype(np.uint64)
    row, column = np.mgrid[0 : words.shape[0], 0 : words.shape[1]].astype(np.uint64)
    low = np.uint64(0xFFFFFFFF)
    key = (row * np.uint64(0x9E3779B1) + column * np.uint64(0x85EBCA77) + np.uint64(0x27D4EB2F)) & low
    key = ((key ^ key >> np.uint64(15)) * np.uint64(0xC2B2AE3D)) & low | np.uint64(1)
    check = sum((words * key).ravel().tolist())  # each product is below 2^64
    return {
        "samples": y.size, "sum": int(y.sum(dtype=np.int64)), "lit": int((y >= 40).sum()),
        "clipped": int((y >= 235).sum()), "check": check % (1 << 64),
    }


# ---- tensor ------------------------------------------------------------------------------------------------------


def area_weights(length: int, to: int, group: int) -> NDArray[np.float64]:
    """(to, ceil(length / group)): how much of output pixel i each `group` of source pixels fills, as whole numbers."""
    common = math.gcd(length, to)
    source_step, out_step = to // common, length // common
    starts = np.arange(0, length, group)
    begin, end = starts * source_step, np.minimum(starts + group, length) * source_step
    out_begin = np.arange(to)[:, None] * out_step
    return np.maximum(np.minimum(end, out_begin + out_step) - np.maximum(begin, out_begin), 0).astype(np.float64)


def tensor(y: U8, uv: U8, out_shape: tuple[int, ...], crop: tuple[int, int, int, int], fit: tuple[int, int],
           mean: Any, scale: Any, order: Any, pad: float) -> NDArray[np.float32]:
    """Area average, then colour, each float operation rounded by itself."""
    x0, y0, w, h = crop
    f = np.float32
    # Whole numbers below 2^53: exact in float64, whose matrix product is the fast one.
    planes = [
        area_weights(h, fit[1], 1) @ y[y0 : y0 + h, x0 : x0 + w].astype(np.float64) @ area_weights(w, fit[0], 1).T,
        *(area_weights(h, fit[1], 2) @ uv[y0 // 2 : (y0 + h + 1) // 2, x0 // 2 : (x0 + w + 1) // 2, c].astype(float)
          @ area_weights(w, fit[0], 2).T for c in (0, 1)),
    ]
    area = (w // math.gcd(w, fit[0])) * (h // math.gcd(h, fit[1]))
    luma, cb, cr = (p.astype(np.float32) * f(1 / area) for p in planes)
    luma, cb, cr = (luma - f(16)) * f(255 / 219), cb - f(128), cr - f(128)
    kr, kb = 0.2126, 0.0722
    kg = 0.7152
    red = luma + cr * f(255 / 224 * (2 * (1 - kr)))
    green = (luma - cb * f(255 / 224 * (2 * (1 - kb) * kb / kg))) - cr * f(255 / 224 * (2 * (1 - kr) * kr / kg))
    blue = luma + cb * f(255 / 224 * (2 * (1 - kb)))
    rgb = [np.minimum(np.maximum(c, f(0)), f(255)) for c in (red, green, blue)]
    out = np.full(out_shape, pad, np.float32)
    for c in range(3):
        out[c, : fit[1], : fit[0]] = (rgb[order[c]] - f(mean[c])) * f(scale[c])
    return out


# ---- redact ------------------------------------------------------------------------------------------------------


def coverage(shape: dict[str, Any], rows: int, columns: int) -> NDArray[np.bool_]:
    """The cells one packed shape covers: its box, less those that its kind leaves out."""
    row, column = np.mgrid[0:rows, 0:columns]
    inside = (row >= shape["top"]) & (row < shape["bottom"]) & (column >= shape["left"]) & (column < shape["right"])
    if shape["kind"] == 1:
        for nx, ny, d in zip(shape["nx"], shape["ny"], shape["d"], strict=True):
            corners = [nx * 2 * (column + i) + ny * 2 * (row + j) for i in (0, 1) for j in (0, 1)]
            inside &= np.minimum.reduce(corners) <= d
    elif shape["kind"] == 2:
        dx, dy = 32 * column + 16 - shape["cx"], 32 * row + 16 - shape["cy"]
        along = np.abs((dx * shape["ax"] + dy * shape["ay"]) >> 14) - shape["reach"]
        across = np.abs((dy * shape["ax"] - dx * shape["ay"]) >> 14) - shape["reach"]
        p, q = (np.maximum(along, 0) * shape["kx"]) >> 16, (np.maximum(across, 0) * shape["ky"]) >> 16
        p, q = np.minimum(p, 1 << 16), np.minimum(q, 1 << 16)
        inside &= p * p + q * q <= 1 << 30
        # A shape's cells in a row are one span: from the first to the last that is inside.
        for line in inside:
            found = np.flatnonzero(line)
            if len(found):
                line[found[0] : found[-1] + 1] = True
    return inside


def redact(y: U8, uv: U8, shapes: list[dict[str, Any]], soft_px: int) -> None:
    """In place. Paints one shape after the other; the soft edge from a copy, cell by cell."""
    rows, columns = uv.shape[:2]
    soft = -(-soft_px // 2)
    masks = [coverage(shape, rows, columns) for shape in shapes]
    covered = np.logical_or.reduce(masks) if masks else np.zeros((rows, columns), bool)
    colours = [colour_of(y, uv, shape, covered) for shape in shapes]
    before_y, before_uv = y.copy(), uv.copy()
    nearest = np.full((rows, columns), soft + 1)
    owner = np.full((rows, columns), -1)
    for index, mask in enumerate(masks):
        away = distances(mask, soft)
        takes = (away <= nearest) & (away <= soft) & ~covered
        nearest[takes], owner[takes] = away[takes], index
        paint(y, uv, mask, np.array(colours[index]))
    for row, column in zip(*np.nonzero(owner >= 0), strict=True):
        colour = colours[owner[row, column]]
        part, whole = soft + 1 - int(nearest[row, column]), soft + 1
        cell = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        y[cell] = (before_y[cell].astype(int) * (whole - part) + colour[0] * part + whole // 2) // whole
        uv[row, column] = (before_uv[row, column].astype(int) * (whole - part) + np.array(colour[1:]) * part
                           + whole // 2) // whole


def paint(y: U8, uv: U8, mask: NDArray[np.bool_], colour: NDArray[np.int_]) -> None:
    y[mask.repeat(2, 0).repeat(2, 1)[: y.shape[0], : y.shape[1]]] = colour[0]
    uv[mask] = colour[1:]


def distances(mask: NDArray[np.bool_], most: int) -> NDArray[np.int_]:
    """Steps (also diagonal ones) to the nearest cell of `mask`; `most` + 1 beyond."""
    away = np.where(mask, 0, most + 1)
    grown = mask
    for step in range(1, most + 1):
        wide = np.pad(grown, 1)
        grown = np.logical_or.reduce([
            wide[i : i + mask.shape[0], j : j + mask.shape[1]] for i in range(3) for j in range(3)
        ])
        away = np.where(grown & (away > step), step, away)
    return away


def colour_of(y: U8, uv: U8, shape: dict[str, Any], covered: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The middle one of the sorted samples in the two cells around the box that nothing covers."""
    rows, columns = covered.shape
    top, bottom, left, right = shape["top"], shape["bottom"], shape["left"], shape["right"]
    outer_top, outer_bottom = max(top - 2, 0), min(bottom + 2, rows)
    outer_left, outer_right = max(left - 2, 0), min(right + 2, columns)
    across, down = max(1, (outer_right - outer_left) // 96), max(1, (outer_bottom - outer_top) // 96)
    places = [(r, c) for r in [*range(outer_top, top), *range(bottom, outer_bottom)]
              for c in range(outer_left, outer_right, across)]
    places += [(r, c) for r in range(top, bottom, down)
               for c in [*range(outer_left, left), *range(right, outer_right)]]
    free = [(r, c) for r, c in places if not covered[r, c]]
    if not free:
        return 126, 128, 128
    middle = len(free) // 2
    luma = sorted(int(y[2 * r, 2 * c]) for r, c in free)
    u, v = (sorted(int(uv[r, c, which]) for r, c in free) for which in (0, 1))
    return luma[middle], u[middle], v[middle]
