"""Zones: what the plan fills and leaves, painted and counted in the frame path."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware import config
from firmware.config import Zone, Zones
from firmware.messages import Configure, Fragment, StreamInfo
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.merge import around, at_most
from firmware.pipeline.detect.types import Detections, Region
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import FramePool
from firmware.pipeline.lookout import Lookout
from firmware.pipeline.output import Output
from firmware.pipeline.path import FramePath
from firmware.pipeline.zones import SLIVER_PX, Box, ZonePlan, without
from hw.ports import U8, StreamFormat
from hw.sim.scene import SceneSource
from tests.fill_helpers import KERNELS, fill_regions

WIDTH, HEIGHT = 192, 108
PROFILE: Literal["eye"] = "eye"

share = st.floats(0, 0.9)
pixels = st.floats(-20, 200)
sizes = st.floats(1, 120)
regions = st.lists(
    st.builds(Region, st.sampled_from(["face", "text"]), pixels, pixels, sizes, sizes,
              st.sampled_from([0.0, 30.0, 90.0, -45.0])), max_size=5,
)


@st.composite
def zones(draw: st.DrawFn, most: int = 3) -> list[Zone]:
    made = []
    for number in range(draw(st.integers(0, most))):
        x, y = draw(share), draw(share)
        w, h = draw(st.floats(0.02, 1 - x)), draw(st.floats(0.02, 1 - y))
        made.append(Zone(f"z{number}", x, y, w, h))
    return made


def inside(box: Box, x: U8, y: U8) -> np.ndarray:
    return (x >= box.left) & (x < box.right) & (y >= box.top) & (y < box.bottom)


def upright(region: Region) -> Box:
    box = around(region)
    return Box(box.x, box.y, box.x + box.w, box.y + box.h)


# Points off every edge that rounding could move.
POINTS_X, POINTS_Y = np.meshgrid(np.arange(WIDTH) + 0.37, np.arange(HEIGHT) + 0.61)


def within(boxes: list[Box]) -> np.ndarray:
    found = np.zeros(POINTS_X.shape, bool)
    for box in boxes:
        found |= inside(box, POINTS_X, POINTS_Y)
    return found


@settings(max_examples=150, deadline=None)
@given(regions, zones(), zones())
def test_filled_is_detections_less_faces_in_a_field_zone_plus_site_zones(
    seen: list[Region], always: list[Zone], field: list[Zone]
) -> None:
    plan = ZonePlan(Zones(profile=PROFILE if field else "", always=always, field=field), WIDTH, HEIGHT)
    planned = plan.planned(seen)
    others = [region for region in seen if region.kind != "face"]
    faces = [region for region in seen if region.kind == "face"]
    site = [region for region in planned if region.kind == "zone"]
    assert [region for region in planned if region.kind == "text"] == others, "text is filled wherever it is"
    assert len(site) == len(always)
    assert planned[len(planned) - len(site) :] == site, "nothing comes after the site zones"
    for zone, box in zip(always, map(upright, site), strict=True):
        assert box.left <= zone.x * WIDTH + 1e-6
        assert box.top <= zone.y * HEIGHT + 1e-6
        assert box.right >= min((zone.x + zone.w) * WIDTH, WIDTH) - 1e-6
        assert box.bottom >= min((zone.y + zone.h) * HEIGHT, HEIGHT) - 1e-6
    exact = [Box(z.x * WIDTH, z.y * HEIGHT, (z.x + z.w) * WIDTH, (z.y + z.h) * HEIGHT) for z in field]
    shrunk = within([Box(z.left + 2, z.top + 2, z.right - 2, z.bottom - 2) for z in exact])
    painted = [region for region in planned if region.kind == "face"]
    touched = within([upright(region) for region in painted])
    for region in faces:
        assert not (within([upright(region)]) & ~within(exact) & ~touched).any(), "a face outside a field is filled"
    assert not (touched & shrunk).any(), "a face in a field zone is left"
    if not field:
        assert painted == faces


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.floats(0, 50)] * 4), st.tuples(*[st.floats(0, 50)] * 4))
def test_a_box_without_a_hole_is_what_is_left_once(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    box = Box(one[0], one[1], one[0] + one[2], one[1] + one[3])
    hole = Box(other[0], other[1], other[0] + other[2], other[1] + other[3])
    rests = without(box, hole)
    assert len(rests) <= 4

    def area(of: Box) -> float:
        return max(of.right - of.left, 0) * max(of.bottom - of.top, 0)

    shared = area(Box(max(box.left, hole.left), max(box.top, hole.top), min(box.right, hole.right),
                      min(box.bottom, hole.bottom)))
    assert sum(map(area, rests)) == pytest.approx(area(box) - shared, abs=4 * SLIVER_PX * 100)
    assert all(not rest.meets(hole) for rest in rests)


def test_a_face_across_the_edge_is_painted_outside_to_the_last_pixel_and_not_inside() -> None:
    plan = ZonePlan(Zones(profile=PROFILE, field=[Zone("eye", 0.25, 0.25, 0.5, 0.5)]), WIDTH, HEIGHT)
    rng = np.random.default_rng(3)
    y, uv = rng.integers(20, 230, (HEIGHT, WIDTH), np.uint8), rng.integers(20, 230, (54, 96, 2), np.uint8)
    before, colours_before = y.copy(), uv.copy()
    planned = plan.planned([Region("face", 30, 20, 60, 40, 12.0), Region("text", 100, 50, 20, 9)])
    assert fill_regions(y, uv, planned) == len(planned)
    zone = (slice(28, 80), slice(48, 144))  # inwards: 27 rounds up, 81 down
    text = (slice(50, 60), slice(100, 120))
    changed = y != before
    assert changed[text].mean() > 0.9
    changed[text] = False
    assert not changed[zone].any()
    assert changed[22:27, 40:60].mean() > 0.9
    colour_changed = (uv != colours_before).any(axis=2)
    colour_changed[25:30, 50:60] = False
    assert not colour_changed[14:40, 24:72].any()


def test_a_region_that_is_not_a_number_still_fails_the_fill() -> None:
    """So that the frame path fills the whole frame, field zone or not."""
    plan = ZonePlan(Zones(profile=PROFILE, field=[Zone("eye", 0, 0, 1, 0.6)]), WIDTH, HEIGHT)
    planned = plan.planned([Region("face", float("nan"), 0, 5, 5)])
    with pytest.raises(ValueError, match="not a region"):
        fill_regions(np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((54, 96, 2), np.uint8), planned)


def test_a_face_merged_with_a_word_is_no_longer_a_face() -> None:
    """Too many regions are merged before zones are looked at: a word must not vanish with a face."""
    mixed = [Region("face", 10 * n, 0, 9, 9) for n in range(40)] + [Region("text", 10 * n, 4, 9, 9) for n in range(3)]
    merged = at_most(2, mixed)
    plan = ZonePlan(Zones(profile=PROFILE, field=[Zone("all", 0, 0, 1, 0.5)]), 400, 40)
    boxes = [upright(region) for region in plan.planned(merged)]
    for word in mixed[40:]:
        middle = (word.x + 4.5, word.y + 4.5)
        assert any(box.left <= middle[0] <= box.right and box.top <= middle[1] <= box.bottom for box in boxes)


# ---- in the frame path -----------------------------------------------------------------------------------


class Path1:
    """A frame path without a source: frames leave with or without evidence; `seen` is what detectors answered."""

    FORMAT = StreamFormat(64, 64, Fraction(10), live=False)

    def __init__(self, set_up: Zones, seen: tuple[Region, ...]) -> None:
        cfg = Configure(config.Source(uri="scene://?width=64&height=64"), config.Encode(preset="ultrafast"),
                        config.Sound(), config.Detect(), "", zones=set_up)
        gate, planner = EvidenceGate(["face"], 10**9), _Planner(seen)
        lookout = Lookout([], gate, planner, live=False, delay_ns=1, hang_timeout_ns=10**10, alert=lambda _: None)
        sent: list[StreamInfo | Fragment] = []
        output = Output(self.FORMAT, cfg.encode, cfg.sound, [], Fraction(10), sent.append)
        self.path = FramePath(cfg, SceneSource(cfg.source.uri), self.FORMAT, DelayLine(gate, 10**9, live=False),
                              lookout, output, lambda _: None, None, KERNELS)
        self._pool = FramePool(self.FORMAT, 2, KERNELS.allocate)

    def scrubbed(self, reason: str = "") -> tuple[U8, tuple[str, int]]:
        frame = self._pool.acquire(5.0)
        assert frame is not None
        frame.data[:] = np.random.default_rng(1).integers(20, 230, frame.data.size, np.uint8)
        before = frame.y.copy()
        self.path._scrub(frame, reason)  # type: ignore[arg-type]
        assert frame.verdict is not None
        return frame.y != before, (frame.verdict.kind, frame.verdict.regions)


class _Planner:
    def __init__(self, seen: tuple[Region, ...]) -> None:
        self._seen = seen

    def add(self, detections: Detections) -> None: ...

    def regions_at(self, pts_ns: int) -> list[Region]:
        return list(self._seen)

    def forget_before(self, pts_ns: int) -> None: ...


BOTH = Zones(profile=PROFILE, always=[Zone("corner", 0, 0, 0.25, 0.25)], field=[Zone("eye", 0, 0, 1, 0.5)])
FACE = Region("face", 20, 4, 20, 20)


def test_a_site_zone_is_filled_when_the_detectors_see_nothing_and_counts_in_the_verdict() -> None:
    changed, verdict = Path1(BOTH, ()).scrubbed()
    assert verdict == ("masked", 1)
    assert changed[:16, :16].mean() > 0.95
    assert not changed[16:].any()
    assert not changed[:, 16:].any()


def test_a_face_in_the_field_zone_is_left_and_a_site_zone_in_it_is_filled() -> None:
    changed, verdict = Path1(BOTH, (FACE,)).scrubbed()
    assert verdict == ("masked", 1)
    assert changed[:16, :16].mean() > 0.95
    assert not changed[:, 16:].any()
    without_zone, counted = Path1(replace(BOTH, profile="", field=[]), (FACE,)).scrubbed()
    assert counted == ("masked", 2)
    assert without_zone[4:24, 20:40].mean() > 0.95


@pytest.mark.parametrize("reason", ["no-evidence-after", "detector-hung", "privacy-pause"])
def test_a_whole_frame_fill_wins_over_a_field_zone(reason: str) -> None:
    bench = Path1(BOTH, (FACE,))
    if reason == "privacy-pause":
        bench.path.pause(True)
    changed, verdict = bench.scrubbed("" if reason == "privacy-pause" else reason)
    assert verdict == ("blanked", 0)
    assert changed.mean() > 0.98
