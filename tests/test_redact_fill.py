"""Painting over regions: all of the region and nothing else, in both planes, in the colour of what lies around it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.pipeline.detect.types import Region
from hw.ports import U8
from tests.fill_helpers import MID_GREY, NO_COLOUR, fill_frame, fill_regions

WIDTH, HEIGHT = 96, 64
numbers = st.floats(-40, 140, allow_nan=False)
sizes = st.floats(0.1, 80, allow_nan=False)
upright = st.builds(Region, st.just("face"), numbers, numbers, sizes, sizes)
turned = st.builds(Region, st.just("text"), numbers, numbers, sizes, sizes, st.floats(-180, 180, allow_nan=False))


def noise(seed: int = 1) -> tuple[U8, U8]:
    random = np.random.default_rng(seed)
    y = random.integers(16, 236, (HEIGHT, WIDTH), dtype=np.uint8)
    uv = random.integers(16, 241, (HEIGHT // 2, WIDTH // 2, 2), dtype=np.uint8)
    return y, uv


def inside(region: Region) -> np.ndarray:
    """The pixels whose centre the region covers: the plain definition, pixel by pixel."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    angle = math.radians(region.angle_deg)
    dx, dy = columns - (region.x + region.w / 2), rows - (region.y + region.h / 2)
    along = dx * math.cos(angle) + dy * math.sin(angle)
    across = -dx * math.sin(angle) + dy * math.cos(angle)
    return (np.abs(along) <= region.w / 2) & (np.abs(across) <= region.h / 2)


def grown(r: Region, by: float) -> Region:
    return Region(r.kind, r.x - by, r.y - by, r.w + 2 * by, r.h + 2 * by, r.angle_deg)


@settings(max_examples=100)
@given(st.lists(st.one_of(upright, turned), max_size=6))
def test_nothing_inside_survives_and_nothing_outside_changes(regions: list[Region]) -> None:
    y, uv = noise()
    before_y, before_uv = y.copy(), uv.copy()
    fill_regions(y, uv, regions)
    wanted = np.any([inside(region) for region in regions], axis=0) if regions else np.zeros((HEIGHT, WIDTH), bool)
    # A second picture that differs in every pixel inside gives the same result: nothing of it shines through.
    other_y, other_uv = before_y.copy(), before_uv.copy()
    other_y[wanted] ^= 0x55
    cells = wanted.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any((1, 3))
    other_uv[cells] ^= 0x55
    fill_regions(other_y, other_uv, regions)
    assert np.array_equal(y, other_y)
    assert np.array_equal(uv, other_uv)
    # Rounding to whole 2x2 cells, and a cell more for turned regions, stays within 6 pixels of the region.
    outside = ~np.any([inside(grown(region, 6)) for region in regions], axis=0) if regions else ~wanted
    assert np.array_equal(y[outside], before_y[outside])
    far_cells = outside.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).all((1, 3))
    assert np.array_equal(uv[far_cells], before_uv[far_cells])


@given(st.lists(upright, min_size=1, max_size=4))
def test_both_planes_hide_the_same_cells(regions: list[Region]) -> None:
    y, uv = noise()
    y |= 1  # odd everywhere, so that a changed cell shows
    uv |= 1
    before_y, before_uv = y.copy(), uv.copy()
    fill_regions(y, uv, regions)
    covered = np.zeros((HEIGHT // 2, WIDTH // 2), bool)
    for r in regions:
        left, top = max(math.floor(r.x / 2), 0), max(math.floor(r.y / 2), 0)
        covered[top : max(math.ceil((r.y + r.h) / 2), 0), left : max(math.ceil((r.x + r.w) / 2), 0)] = True
    changed_y = (y != before_y).reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any((1, 3))
    changed_uv = (uv != before_uv).any(2)
    assert not (changed_y & ~covered).any()
    assert not (changed_uv & ~covered).any()
    assert np.unique(y.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).max((1, 3))[covered]
                     - y.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).min((1, 3))[covered]).tolist() in ([], [0])


def test_the_colour_is_that_of_the_surroundings() -> None:
    y, uv = np.full((HEIGHT, WIDTH), 90, np.uint8), np.full((HEIGHT // 2, WIDTH // 2, 2), 77, np.uint8)
    y[20:40, 20:50], uv[10:20, 10:25] = 200, 250
    assert fill_regions(y, uv, [Region("face", 20, 20, 30, 20)]) == 1
    assert (y == 90).all()
    assert (uv == 77).all()


def test_the_colour_is_not_taken_from_another_region() -> None:
    y, uv = np.full((HEIGHT, WIDTH), 90, np.uint8), np.full((HEIGHT // 2, WIDTH // 2, 2), 77, np.uint8)
    y[20:40, 20:50] = 200  # the neighbour's skin
    fill_regions(y, uv, [Region("face", 20, 20, 30, 20), Region("face", 50, 20, 30, 20)])
    assert (y[20:40, 20:80] == 90).all()


@pytest.mark.parametrize("region", [
    Region("face", 0, 0, 5, 5), Region("face", WIDTH - 3, HEIGHT - 3, 3, 3), Region("face", WIDTH - 1, 0, 9, 999),
    Region("face", -50, HEIGHT - 1, 999, 5), Region("text", WIDTH - 20, HEIGHT - 10, 40, 20, 10),
])
def test_regions_at_the_edges_are_filled_to_the_last_row_and_column(region: Region) -> None:
    y, uv = noise()
    assert fill_regions(y, uv, [region]) == 1
    covered = inside(region)
    assert covered.any()
    assert np.unique(y[covered]).size == 1


def test_a_region_over_everything_is_grey() -> None:
    y, uv = noise()
    fill_regions(y, uv, [Region("face", -5, -5, 500, 500)])
    assert (y == MID_GREY).all()
    assert (uv == NO_COLOUR).all()


def test_a_region_beside_the_picture_counts_as_none() -> None:
    y, uv = noise()
    before = y.copy()
    assert fill_regions(y, uv, [Region("face", -50, 5, 20, 20), Region("text", 500, 500, 9, 9, 20)]) == 0
    assert np.array_equal(y, before)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["x", "y", "w", "h", "angle_deg"])
def test_what_is_not_a_region_is_refused_before_anything_is_painted(bad: float, where: str) -> None:
    y, uv = noise()
    before = y.copy()
    region = Region("face", **{"x": 1.0, "y": 1.0, "w": 9.0, "h": 9.0, "angle_deg": 0.0, where: bad})
    with pytest.raises(ValueError, match="not a region"):
        fill_regions(y, uv, [Region("face", 5, 5, 20, 20), region])
    assert np.array_equal(y, before)


def test_a_filled_frame_shows_nothing() -> None:
    y, uv = noise()
    fill_frame(y, uv)
    assert np.unique(y).tolist() == [MID_GREY]
    assert np.unique(uv).tolist() == [NO_COLOUR]
