"""Shapes on the grid: every cell the true shape touches is covered, and hardly any other; threads do not mix."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.kernels.shapes import MOST_SHAPES, Ellipse, Point, Quad, Rectangle, Shape, plan
from firmware.kernels.types import SourcePicture
from tests.kernel_backends import backend, unpacked
from tests.kernel_oracle import coverage

WIDTH, HEIGHT = 120, 80
STEP = 0.25
spots, extents = st.floats(-60, 160), st.one_of(st.floats(0, 20), st.floats(0, 150))
angles = st.one_of(st.sampled_from([0.0, 90.0, 45.0, 180.0]), st.floats(-400, 400))
boxes = st.one_of(st.builds(Rectangle, spots, spots, extents, extents, angles),
                  st.builds(Ellipse, spots, spots, extents, extents, angles))
quads = st.builds(Quad, st.tuples(*[st.tuples(spots, spots)] * 4))
Points = NDArray[np.float64]


def covered(shape: Shape) -> NDArray[np.bool_]:
    """The cells it covers, by its integer form, which the oracle's tests hold the kernels to."""
    found = unpacked([shape], WIDTH, HEIGHT)
    return coverage(found[0], HEIGHT // 2, WIDTH // 2) if found else np.zeros((HEIGHT // 2, WIDTH // 2), bool)


def inside(shape: Shape, x: Points, y: Points, margin: float = 0.0) -> NDArray[np.bool_]:
    """Whether points lie in the shape grown by `margin`: the plain definition in real numbers."""
    if isinstance(shape, Quad):
        return in_hull(shape.corners, x, y, margin)
    angle = math.radians(shape.angle_deg)
    dx, dy = x - (shape.x + shape.w / 2), y - (shape.y + shape.h / 2)
    along = np.abs(dx * math.cos(angle) + dy * math.sin(angle))
    across = np.abs(dy * math.cos(angle) - dx * math.sin(angle))
    a, b = shape.w / 2 + margin, shape.h / 2 + margin
    if isinstance(shape, Rectangle):
        return (along <= a) & (across <= b)
    if min(a, b) < 1e-6:
        return (along <= a) & (across <= b)
    return (along / a) ** 2 + (across / b) ** 2 <= 1


def in_hull(corners: tuple[Point, ...], x: Points, y: Points, margin: float) -> NDArray[np.bool_]:
    """In one of the four triangles that four points make, or near enough to one of the six lines between them."""
    found = np.zeros(x.shape, bool)
    for skipped in range(4):
        (ax, ay), (bx, by), (cx, cy) = (corner for i, corner in enumerate(corners) if i != skipped)
        sides = [(x - px) * (qy - py) - (y - py) * (qx - px)
                 for px, py, qx, qy in ((ax, ay, bx, by), (bx, by, cx, cy), (cx, cy, ax, ay))]
        if abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) > 1e-6:
            found |= np.all([side > 0 for side in sides], 0) | np.all([side < 0 for side in sides], 0)
    if margin:
        for i in range(4):
            for j in range(i):
                (ax, ay), (bx, by) = corners[i], corners[j]
                length = (bx - ax) ** 2 + (by - ay) ** 2
                t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1) if length else 0 * x
                found |= np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)) <= margin
    return found


@settings(max_examples=250, deadline=None)
@given(st.one_of(boxes, quads))
def test_every_cell_that_is_touched_is_covered_and_none_far_away(shape: Shape) -> None:
    y, x = np.mgrid[0:HEIGHT:STEP, 0:WIDTH:STEP] + STEP / 2
    per_cell = round(2 / STEP)
    grid = (HEIGHT // 2, per_cell, WIDTH // 2, per_cell)
    touched = inside(shape, x, y).reshape(grid).any((1, 3))
    near = inside(shape, x, y, 5.0).reshape(grid).any((1, 3))
    found = covered(shape)
    assert not (touched & ~found).any()
    if not (isinstance(shape, Ellipse) and min(shape.w, shape.h) < 8):  # grown by its axes it is no parallel curve
        assert not (found & ~near).any()


def test_turned_by_a_right_angle_is_exact() -> None:
    for angle in (0, 180, -360):
        assert np.array_equal(covered(Rectangle(20, 30, 40, 10, angle)), covered(Rectangle(20, 30, 40, 10)))
    for angle in (90, -90, 270):
        assert np.array_equal(covered(Rectangle(20, 30, 40, 10, angle)), covered(Rectangle(35, 15, 10, 40)))


def test_an_ellipse_leaves_the_corners_and_fills_the_sides() -> None:
    found = covered(Ellipse(20, 20, 60, 40))
    assert found[10 + 10, 10:40].all()
    assert found[10:30, 10 + 15].all()
    assert not found[10, 10]
    assert found.sum() == pytest.approx(math.pi * 15 * 10, rel=0.12)


def test_the_order_of_a_quads_corners_does_not_matter() -> None:
    a, b, c, d = (10.0, 10.0), (70.0, 20.0), (60.0, 60.0), (15.0, 50.0)
    found = covered(Quad((a, b, c, d)))
    for order in ((d, c, b, a), (a, c, b, d), (b, d, a, c)):
        assert np.array_equal(covered(Quad(order)), found)


def test_more_shapes_than_can_be_filled_are_refused() -> None:
    assert plan([Rectangle(1, 1, 5, 5)] * MOST_SHAPES, 64, 48).count == MOST_SHAPES
    with pytest.raises(ValueError, match="at most"):
        plan([Rectangle(1, 1, 5, 5)] * (MOST_SHAPES + 1), 64, 48)


def test_many_threads_at_once_do_not_mix_their_work() -> None:
    """The frame path and the detectors call at the same time: each gets its own result, and all end."""
    width, height = 640, 360
    random = np.random.default_rng(3)
    sources = [random.integers(0, 256, width * height * 2, dtype=np.uint8) for _ in range(6)]
    wrong: list[int] = []

    def work(index: int) -> None:
        source = SourcePicture(sources[index], "UYVY", width, height, (0,), (2 * width,), "full", "bt601")
        results = set()
        memory = backend().allocate(width * height * 3 // 2)
        y = memory[: width * height].reshape(height, width)
        uv = memory[width * height :].reshape(height // 2, width // 2, 2)
        out = backend().allocate(3 * 90 * 160 * 4).view(np.float32).reshape(3, 90, 160)
        for _ in range(40):
            check = backend().ingest(source, y, uv).check
            backend().tensor(y, uv, out)
            backend().redact(y, uv, [Rectangle(9 * i, 5 * i, 60, 40, 3 * i) for i in range(20)])
            results.add((check, memory.tobytes(), out.tobytes()))
        if len(results) != 1:
            wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
