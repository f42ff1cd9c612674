"""The planner on things that move: seen only now and then, they are covered in every frame, right up to the border.

The looks are perfect but sparse, as the live schedule has them: every 0.2 s for faces. What is promised up to which
speed stands in the constants below.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.detect.types import Detections, DetectorKind, Region
from hw.sim.moving_picture import MovingPicture
from hw.sim.moving_script import Show
from hw.sim.scene_truth import TruthBox
from hw.sim.scene_uri import SceneSettings

WIDTH, HEIGHT, RATE = 1920, 1080, 30
FASTEST_PX_S = 0.5 * WIDTH
HARDEST_PX_S2 = 0.25 * WIDTH
"""How fast a thing may be, and how hard it may speed up or turn."""
DELAY_NS = 500_000_000
LOOK_FRAMES = {"face": 6, "text": 9}
FOUND_FROM = 0.4
"""The detectors of these tests see a thing when this part of it lies in the picture."""
untimed = settings(deadline=None, max_examples=25)

Box = tuple[float, float, float, float]
INNER = 0.15 + 0.7 * (np.arange(8) + 0.5) / 8


def time_ns(frame: int) -> int:
    return round(frame * 1e9 / RATE)


def cut(box: Box) -> Box | None:
    """What of a box lies in the picture."""
    x, y, w, h = box
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, WIDTH), min(y + h, HEIGHT)
    return (left, top, right - left, bottom - top) if right - left >= 1 and bottom - top >= 1 else None


def seen(kind: DetectorKind, box: Box) -> Region | None:
    """What a perfect detector says about a box: cut at the border; nothing while too little of it is there."""
    shown = cut(box)
    if shown is None or shown[2] * shown[3] < FOUND_FROM * box[2] * box[3]:
        return None
    return Region(kind, *shown)


def covered(box: Box, regions: list[Region]) -> float:
    """The share of the inner 70 % of a box, which identifies, that the regions cover."""
    x, y, w, h = box
    spots = np.stack(np.meshgrid(x + w * INNER, y + h * INNER), axis=-1).reshape(-1, 2)
    hidden: NDArray[np.bool_] = np.zeros(len(spots), np.bool_)
    for r in regions:
        turn = math.radians(r.angle_deg)
        dx, dy = spots[:, 0] - r.x - r.w / 2, spots[:, 1] - r.y - r.h / 2
        along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
        hidden |= (np.abs(along) <= r.w / 2) & (np.abs(across) <= r.h / 2)
    return float(hidden.mean())


def exposed(kind: DetectorKind, boxes: list[Box], first_look: int = 0) -> list[tuple[int, float]]:
    """Frames, from the delay before the first look that found it, in which a thing at `boxes` is not covered whole.

    The first and the last frame are looked at too, as the frame path does.
    """
    planner = Planner(WIDTH, HEIGHT, DELAY_NS)
    found = []
    for frame in sorted({*range(first_look, len(boxes), LOOK_FRAMES[kind]), 0, len(boxes) - 1}):
        region = seen(kind, boxes[frame])
        found += [frame] if region is not None else []
        planner.add(Detections(kind, time_ns(frame), () if region is None else (region,)))
    if not found:
        return []
    out = []
    for frame in range(max(0, found[0] - 15), len(boxes)):
        shown = cut(boxes[frame])
        if shown is not None and (share := covered(shown, planner.regions_at(time_ns(frame)))) < 1:
            out.append((frame, share))
    return out


@untimed
@given(st.floats(40, 300), st.floats(0.6, 1.0), st.floats(0.15, 0.85), st.floats(-60, 60),
       st.floats(0.15, 1.0), st.sampled_from(["left", "right", "top", "bottom"]), st.integers(0, 5))
def test_a_face_that_crosses_the_picture_is_covered_from_its_first_row_to_its_last(
    high: float, slim: float, lane: float, slant_deg: float, pace: float, border: str, first_look: int
) -> None:
    """At up to half a picture width a second; slower than 0.15 of that, the delay line is too short for the first."""
    wide, speed = slim * high, pace * FASTEST_PX_S
    across = math.tan(math.radians(slant_deg / 4))
    boxes: list[Box] = []
    length = WIDTH + 2 * high if border in ("left", "right") else HEIGHT + 2 * high
    for frame in range(round(length / speed * RATE)):
        way = speed * frame / RATE - high
        if border in ("left", "right"):
            x = way if border == "left" else WIDTH - wide - way
            boxes.append((x, lane * (HEIGHT - high) + across * way / 4, wide, high))
        else:
            y = way if border == "top" else HEIGHT - high - way
            boxes.append((lane * (WIDTH - wide) + across * way / 4, y, wide, high))
    assert exposed("face", boxes, first_look) == []


@untimed
@given(st.floats(40, 300), st.floats(0, 2 * math.pi), st.floats(0.1, 1), st.floats(0.5, 0.9), st.integers(0, 5))
def test_a_face_on_a_curve_is_covered_between_the_looks(
    high: float, phase: float, pace: float, slim: float, first_look: int
) -> None:
    speed = pace * FASTEST_PX_S
    radius = min(max(speed**2 / HARDEST_PX_S2, 30), 350)
    speed = min(speed, math.sqrt(HARDEST_PX_S2 * radius))
    boxes: list[Box] = []
    for frame in range(90):
        angle = phase + speed / radius * frame / RATE
        x, y = WIDTH / 2 + radius * math.cos(angle), HEIGHT / 2 + radius * math.sin(angle)
        boxes.append((x - slim * high / 2, y - high / 2, slim * high, high))
    out = exposed("face", boxes, first_look)
    assert out == []


@untimed
@given(st.floats(60, 300), st.floats(24, 60), st.floats(1.0, 4.0), st.booleans(), st.integers(0, 5))
def test_a_face_that_comes_near_or_goes_away_is_covered(
    near: float, far: float, seconds: float, comes: bool, first_look: int
) -> None:
    boxes: list[Box] = []
    for frame in range(round(seconds * RATE)):
        share = frame / (seconds * RATE)
        high = near * (far / near) ** (1 - share if comes else share)
        boxes.append((900 - 0.4 * high, 500 - high / 2, 0.8 * high, high))
    assert exposed("face", boxes, first_look) == []


@untimed
@given(st.floats(80, 500), st.floats(16, 40), st.floats(-60, 60), st.floats(0, 180), st.integers(0, 8))
def test_a_band_that_turns_is_covered_whatever_its_rectangle_is_called(
    length: float, high: float, spin_deg_s: float, start_deg: float, first_look: int
) -> None:
    """A detector names an angle between -45 and 45 degrees, so that sides change places while a band turns."""
    planner = Planner(WIDTH, HEIGHT, DELAY_NS)
    for frame in sorted({*range(first_look, 91, 9), 0, 90}):
        angle = (start_deg + spin_deg_s * frame / RATE) % 180
        w, h = length, high
        if 45 < angle <= 135:
            w, h, angle = h, w, angle - 90
        elif angle > 135:
            angle -= 180
        planner.add(Detections("text", time_ns(frame), (Region("text", 900 - w / 2, 500 - h / 2, w, h, angle),)))
    for frame in range(91):
        turn = math.radians(start_deg + spin_deg_s * frame / RATE)
        regions = planner.regions_at(time_ns(frame))
        for part in np.linspace(-0.4, 0.4, 5):
            x, y = 900 + part * length * math.cos(turn), 500 + part * length * math.sin(turn)
            assert covered((x - high / 4, y - high / 4, high / 2, high / 2), regions) == 1, (frame, part)


@untimed
@given(st.integers(3, 9), st.floats(0.1, 1.0), st.sampled_from([-1, 1]), st.integers(1, 2), st.randoms())
def test_a_row_of_words_that_the_camera_pans_over_is_covered_though_words_are_missed(
    count: int, pace: float, way: int, missed: int, random: object
) -> None:
    """Words look alike, and one is where another was a moment ago: what most of them did tells them apart."""
    widths = [60 + 37 * (n * 5 % 7) for n in range(count)]
    starts = [800 * (way < 0) + sum(widths[:n]) + 14 * n for n in range(count)]
    planner = Planner(WIDTH, HEIGHT, DELAY_NS)
    step = way * pace * FASTEST_PX_S / RATE
    first = {n: next((f for f in range(0, 82, 9) if seen("text", (x + step * f, 500.0, w, 24.0))), 999)
             for n, (x, w) in enumerate(zip(starts, widths, strict=True))}
    lost = {(random.randrange(3, 6) * 9, random.randrange(count)) for _ in range(missed)}  # type: ignore[attr-defined]
    for frame in range(0, 82, 9):
        boxes = [(x + step * frame, 500.0, float(w), 24.0) for x, w in zip(starts, widths, strict=True)]
        found = [seen("text", box) for n, box in enumerate(boxes) if (frame, n) not in lost]
        planner.add(Detections("text", time_ns(frame), tuple(one for one in found if one is not None)))
    for frame in range(82):
        regions = planner.regions_at(time_ns(frame))
        for n, (x, w) in enumerate(zip(starts, widths, strict=True)):
            shown = cut((x + step * frame, 500.0, float(w), 24.0))
            if shown is not None and frame >= first[n] - 15 + 9 * (missed if first[n] else 0):
                assert covered(shown, regions) >= 0.8, (frame, n, shown)


def test_what_turns_up_inside_the_picture_is_covered_back_over_the_delay() -> None:
    face = Region("face", 700, 300, 120, 160)
    planner = Planner(WIDTH, HEIGHT, DELAY_NS)
    for frame in range(0, 60, 6):
        planner.add(Detections("face", time_ns(frame), (face,) if frame >= 30 else ()))
    for frame in range(15, 60):
        assert covered((700, 300, 120, 160), planner.regions_at(time_ns(frame))) == 1
    assert planner.regions_at(time_ns(14)) == []


def test_what_was_seen_once_near_the_border_has_come_in_over_it() -> None:
    """A face that comes up quickly is whole at its first sighting, which is all that the first frames can know."""
    planner = Planner(WIDTH, HEIGHT, DELAY_NS)
    planner.add(Detections("face", time_ns(0), ()))
    planner.add(Detections("face", time_ns(15), (Region("face", 700, HEIGHT - 190, 120, 160),)))
    regions = planner.regions_at(time_ns(3))
    assert covered((700, HEIGHT - 30, 120, 30), regions) == 1
    assert covered((500, HEIGHT - 30, 120, 30), regions) == 0


def test_what_was_seen_twice_is_held_twice_as_long() -> None:
    face = Region("face", 700, 300, 120, 160)
    for sightings, held_frames in ((1, 15), (2, 30)):
        planner = Planner(WIDTH, HEIGHT, DELAY_NS)
        for frame in range(0, 90, 6):
            planner.add(Detections("face", time_ns(frame), (face,) if frame < 6 * sightings else ()))
        last = 6 * (sightings - 1)
        assert covered((700, 300, 120, 160), planner.regions_at(time_ns(last + held_frames))) == 1
        assert planner.regions_at(time_ns(last + held_frames + 1)) == []


@pytest.mark.parametrize("show", ["enter", "rise", "pan", "overlays"])
def test_in_the_moving_scenes_sparse_looks_cover_every_frame(show: Show) -> None:
    """The scenes' own truth, looked at every 0.2 s and 0.3 s: faces, words and all, for four seconds."""
    picture = MovingPicture(SceneSettings(WIDTH, HEIGHT, show=show, seed=3))
    planner, frames = Planner(WIDTH, HEIGHT, DELAY_NS), 127
    truth = [picture.truth_at(frame) for frame in range(frames)]
    known: set[str] = set()
    since: dict[str, int] = {}
    kinds: tuple[DetectorKind, ...] = ("face", "text")
    for kind in kinds:
        for frame in range(0, frames, LOOK_FRAMES[kind]):
            boxes = [box for box in truth[frame] if box.kind == kind and box.visible_fraction >= FOUND_FROM]
            known |= {box.label for box in boxes}
            for box in boxes:
                since.setdefault(box.label, frame)
            planner.add(Detections(kind, time_ns(frame), tuple(as_seen(box) for box in boxes)))
    total = misses = 0
    for frame in range(frames):
        regions = planner.regions_at(time_ns(frame))
        for box in truth[frame]:
            if box.label in known and frame >= since[box.label] - 15:
                total += 1
                misses += covered((box.x, box.y, box.w, box.h), regions) < 0.8
    assert total > 100
    assert misses == 0


def as_seen(box: TruthBox) -> Region:
    """A little larger than the truth, as the detectors' own regions are."""
    by = 0.15 * min(box.w, box.h)
    shown = cut((box.x - by, box.y - by, box.w + 2 * by, box.h + 2 * by))
    assert shown is not None
    return Region("face" if box.kind == "face" else "text", *shown)
