"""Regions to fill, and their exact integer form on the grid of 2x2 cells, rounded outwards. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_SHAPES = 1024
_BOX, _HALF_PLANES, _ELLIPSE = 0, 1, 2  # the enum in cuda/args.h
_PACKED = struct.Struct("<6i8i4q4q4i")  # ScrubcamShape
_FAR = 1 << 40
_FAR_PX, _HUGE_PX = 1e9, float(1 << 24)
"""What has half planes, and an ellipse, is taken as its box when it reaches beyond these: more is covered, not less."""
_NOTHING = (0, 0, 0, 0)
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """`x`, `y`, `w`, `h` in pixels is the box before it is turned by `angle_deg`, clockwise, about its centre."""

    x: float
    y: float
    w: float
    h: float
    angle_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Ellipse:
    """The ellipse that touches the four sides of that same rectangle."""

    x: float
    y: float
    w: float
    h: float
    angle_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Quad:
    """Four corners in pixels, in any order: the convex area they span is covered."""

    corners: tuple[Point, Point, Point, Point]


Shape = Rectangle | Ellipse | Quad


@dataclass(frozen=True, slots=True)
class Plan:
    """Shapes that touch the picture, ready for the kernels: `packed` holds `count` ScrubcamShape.

    `rows` is the sum of the heights of their boxes, `highest` the greatest of them, in cells.
    """

    packed: bytes
    count: int
    rows: int
    highest: int


def plan(shapes: Iterable[Shape], width: int, height: int) -> Plan:
    """The shapes in a picture of `width` x `height` pixels. A cell is covered when the shape touches it.

    Raises ValueError for what is not a region (NaN, infinity, negative size) and for more than MOST_SHAPES.
    """
    packed, count, rows, highest = bytearray(), 0, 0, 0
    for shape in shapes:
        kind, edges, rest = _exact(shape, width + height)
        if not all(map(math.isfinite, edges)):
            raise ValueError(f"not a region: {shape}")
        left, right = max(math.floor(edges[0] / 2), 0), min(math.ceil(edges[2] / 2), (width + 1) // 2)
        top, bottom = max(math.floor(edges[1] / 2), 0), min(math.ceil(edges[3] / 2), (height + 1) // 2)
        if left >= right or top >= bottom:
            continue
        packed += _PACKED.pack(kind, left, top, right, bottom, rows, *rest)
        count, rows, highest = count + 1, rows + bottom - top, max(highest, bottom - top)
    if count > MOST_SHAPES:
        raise ValueError(f"{count} regions in one picture: at most {MOST_SHAPES} can be filled")
    return Plan(bytes(packed), count, rows, highest)


Exact = tuple[int, tuple[float, float, float, float], tuple[int, ...]]
"""Kind, box (left, top, right, bottom) in pixels, and the fields of ScrubcamShape after `spans_at`."""
_PLAIN = (0,) * 20


def _exact(shape: Shape, size: int) -> Exact:
    if isinstance(shape, Quad):
        numbers = [number for corner in shape.corners for number in corner]
        if len(numbers) != 8 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"not a region: {shape}")
        return _hull(list(shape.corners), size)
    if not _is_region(shape.x, shape.y, shape.w, shape.h, shape.angle_deg):
        raise ValueError(f"not a region: {shape}")
    if isinstance(shape, Ellipse):
        return _ellipse(shape, size)
    if shape.angle_deg % 90 == 0:
        w, h = (shape.w, shape.h) if shape.angle_deg % 180 == 0 else (shape.h, shape.w)
        x, y = shape.x + (shape.w - w) / 2, shape.y + (shape.h - h) / 2
        return _BOX, (x, y, x + w, y + h), _PLAIN
    angle = math.radians(shape.angle_deg)
    c, s = math.cos(angle), math.sin(angle)
    x, y = shape.x + shape.w / 2, shape.y + shape.h / 2
    along, across = (c * shape.w / 2, s * shape.w / 2), (-s * shape.h / 2, c * shape.h / 2)
    corners = [(x + i * along[0] + j * across[0], y + i * along[1] + j * across[1])
               for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return _half_planes(corners, [(c, s), (-c, -s), (-s, c), (s, -c)], size)


def _is_region(x: float, y: float, w: float, h: float, angle_deg: float) -> bool:
    """Finite, also where its edges lie, and of no negative size."""
    return math.isfinite(x + w) and math.isfinite(y + h) and math.isfinite(angle_deg) and w >= 0 and h >= 0


def _hull(points: list[Point], size: int) -> Exact:
    """The convex area of four points (Andrew's monotone chain)."""
    points = sorted(set(points))
    sides: list[list[Point]] = []
    for order in (points, points[::-1]):
        side: list[Point] = []
        for point in order:
            while len(side) >= 2 and _turn(side[-2], side[-1], point) <= 0:
                side.pop()
            side.append(point)
        sides.append(side[:-1])
    corners = sides[0] + sides[1]
    normals = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        if 1e-9 < length < math.inf:  # without its half plane a side that short is still cut by the box
            normals.append(((y1 - y0) / length, -(x1 - x0) / length))
    return _half_planes(points, normals, size)


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _half_planes(points: Sequence[Point], normals: Sequence[Point], size: int) -> Exact:
    """Each half plane n p <= d holds all `points`, with what rounding may take away added to d."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    far = max(map(abs, xs)) + max(map(abs, ys))
    slack = 1e-14 * far
    edges = (min(xs) - slack, min(ys) - slack, max(xs) + slack, max(ys) + slack)
    if far > _FAR_PX:
        return _BOX, edges, _PLAIN
    nx, ny, d = [0] * 4, [0] * 4, [0] * 4
    for i, (x, y) in enumerate(normals[:4]):  # rounding may double a corner; each half plane alone holds all points
        nx[i], ny[i] = round(x * 65536), round(y * 65536)
        # A normal rounded by half a step is off by half its coordinates' sum, at most that of the picture's far corner.
        reach = (max(x * px + y * py for px, py in points) + slack) * 65536 + size / 2 + 3
        d[i] = math.ceil(min(max(reach, -_FAR), _FAR))
    return _HALF_PLANES, edges, (*nx, *ny, *d, *_NOTHING, *_NOTHING)


def _ellipse(shape: Ellipse, size: int) -> Exact:
    a, b = max(shape.w / 2, 1 / 16), max(shape.h / 2, 1 / 16)
    x, y = shape.x + shape.w / 2, shape.y + shape.h / 2
    quarter = shape.angle_deg % 90 == 0
    angle = math.radians(shape.angle_deg % 360)
    c, s = math.cos(angle), math.sin(angle)
    if quarter:
        c, s = round(c), round(s)
    half_width = math.hypot(c * shape.w / 2, s * shape.h / 2)
    half_height = math.hypot(s * shape.w / 2, c * shape.h / 2)
    slack = 0.0 if quarter else 1e-14 * (abs(x) + abs(y) + half_width + half_height)
    edges = (x - half_width - slack, y - half_height - slack, x + half_width + slack, y + half_height + slack)
    if max(abs(x), abs(y), a, b) > _HUGE_PX:
        return _BOX, edges, _PLAIN
    # Rounding: centre half a step, the shift one, a turned axis half of 2^-14 of the distance in each coordinate.
    astray = 0 if quarter else (abs(x) + abs(y) + size) / (1 << 15) * 16
    reach = math.ceil(16 * (abs(c) + abs(s)) + astray) + 2
    rest = (round(16 * x), round(16 * y), int((1 << 27) / a), int((1 << 27) / b),
            round(c * (1 << 14)), round(s * (1 << 14)), reach, 0)
    return _ELLIPSE, edges, (*_NOTHING, *_NOTHING, *_NOTHING, *rest)
