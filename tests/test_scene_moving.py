"""The moving scenes: the same for a seed, exact in their truth, and showing what they were made to show."""

from __future__ import annotations

import itertools
import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.ports import U8
from hw.sim import moving
from hw.sim.moving_picture import MovingPicture
from hw.sim.moving_script import LEAST_FACE_PX, SHOW_S, SHOWS, Show
from hw.sim.scene import SceneSource
from hw.sim.scene_truth import TruthBox
from hw.sim.scene_uri import SceneSettings

MOVING = SHOWS[1:]
FRAMES = round(SHOW_S * 30)
pictures: dict[tuple[Show, int], MovingPicture] = {}


def picture_of(show: Show, height: int = 540) -> MovingPicture:
    if (show, height) not in pictures:
        pictures[show, height] = MovingPicture(SceneSettings(width=height * 16 // 9, height=height, show=show))
    return pictures[show, height]


def drawn(picture: MovingPicture, index: int) -> U8:
    frame = np.zeros(picture.width * picture.height * 3 // 2, np.uint8)
    picture.draw(index, frame)
    return frame


def luma(picture: MovingPicture, index: int) -> U8:
    return drawn(picture, index)[: picture.width * picture.height].reshape(picture.height, picture.width)


@pytest.mark.parametrize("show", MOVING)
def test_a_frame_depends_on_nothing_but_settings_and_index(show: Show) -> None:
    again = MovingPicture(SceneSettings(width=960, height=540, show=show))
    for index in (200, 3):
        assert np.array_equal(drawn(picture_of(show), index), drawn(again, index))
        assert picture_of(show).truth_at(index) == again.truth_at(index)


@pytest.mark.parametrize("show", MOVING)
def test_no_frame_repeats_the_one_before_and_levels_are_limited_range(show: Show) -> None:
    frames = [luma(picture_of(show), index) for index in range(60, 70)]
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(frames))
    assert all(frame.min() >= 16 and frame.max() <= 235 for frame in frames)


@given(st.sampled_from(MOVING), st.integers(0, 5 * FRAMES))
@settings(max_examples=60, deadline=None)
def test_truth_lies_inside_the_picture(show: Show, index: int) -> None:
    for box in picture_of(show).truth_at(index):
        assert 0 <= box.x < box.x + box.w <= 960
        assert 0 <= box.y < box.y + box.h <= 540
        assert 0 < box.visible_fraction <= 1
        assert box.size_px > 0


@pytest.mark.parametrize(("show", "borders"), [("enter", "left right"), ("rise", "top bottom")])
def test_faces_come_in_and_leave_row_by_row(show: Show, borders: str) -> None:
    """From one frame to the next a face shows more and more, or less and less: it never jumps in or out whole."""
    seen: dict[str, list[TruthBox]] = {}
    for index in range(FRAMES):
        for box in picture_of(show).truth_at(index):
            seen.setdefault(box.label, []).append(box)
    assert len(seen) >= 8
    partly = [boxes for boxes in seen.values() if any(box.visible_fraction < 0.5 for box in boxes)]
    assert len(partly) >= 6
    touched = {
        side for boxes in seen.values() for box in boxes
        for side, there in (("left", box.x == 0), ("right", box.x + box.w == 960), ("top", box.y == 0),
                            ("bottom", box.y + box.h == 540)) if there
    }
    assert set(borders.split()) <= touched


def test_a_head_turns_away_until_no_face_is_left_and_comes_back() -> None:
    def seen(name: str) -> list[int]:
        boxes = [[b.w for b in picture_of("turn").truth_at(n) if b.label == name] for n in range(0, 300, 5)]
        return [widths[0] if widths else 0 for widths in boxes]

    for name in ("from behind", "behind the door"):
        assert min(seen(name)) == 0
        assert max(seen(name)) > 30


def test_faces_shrink_to_the_smallest_size_and_grow_again() -> None:
    for height in (540, 1080):
        sizes = [b.size_px for n in range(0, FRAMES, 3) for b in picture_of("shrink", height).truth_at(n)]
        assert LEAST_FACE_PX <= min(sizes) < LEAST_FACE_PX + 1
        assert max(sizes) > 0.18 * height


def test_letters_have_the_planned_heights_at_any_size_of_the_picture() -> None:
    for height in (540, 1080):
        sizes = {b.size_px for b in picture_of("bands", height).truth_at(30) if b.kind == "text"}
        assert {14, 16, 20} <= sizes <= {14, 16, 20, 24, 32, 40}
    whole = [b for b in picture_of("overlays", 1080).truth_at(100) if b.visible_fraction == 1]
    assert whole
    for box in whole:
        assert box.size_px - 2 <= box.h <= 1.35 * box.size_px + 2  # capitals, or with a comma below the line


def test_truth_is_where_the_ink_is() -> None:
    picture = picture_of("overlays", 1080)
    y = luma(picture, 100).astype(int)
    boxes = [b for b in picture.truth_at(100) if b.visible_fraction == 1 and b.size_px >= 20]
    assert len(boxes) >= 3
    for box in boxes:
        ink = (y[box.y : box.y + box.h, box.x : box.x + box.w] > 150).astype(np.uint8)
        columns, rows = ink.max(axis=0), ink.max(axis=1)
        assert columns[:6].any(), box
        assert columns[-6:].any(), box
        assert rows[:4].any(), box
        assert rows[-4:].any(), box


def test_the_codes_can_be_read_where_the_truth_says() -> None:
    picture, read, shown = picture_of("codes", 1080), set(), set()
    for index in range(0, 90, 10):
        y = luma(picture, index)
        boxes = [b for b in picture.truth_at(index) if b.kind == "code"]
        shown |= {b.label for b in boxes}
        for code in zxingcpp.read_barcodes(y):
            at = code.position.top_left
            near = [b for b in boxes if b.x - 4 <= at.x <= b.x + b.w + 4 and b.y - 4 <= at.y <= b.y + b.h + 4]
            assert near, (index, code.text, at)
            read.add(near[0].label)
    assert {name.split()[0] for name in shown} == {"QRCode", "DataMatrix", "Code128"}
    assert len(read) >= 4


def test_light_and_shutter_change_the_picture_and_not_the_truth() -> None:
    plain = MovingPicture(SceneSettings(width=960, height=540, show="enter"))
    dim = MovingPicture(SceneSettings(width=960, height=540, show="enter", light="dim"))
    bright = MovingPicture(SceneSettings(width=960, height=540, show="enter", light="bright"))
    index = 100
    assert plain.truth_at(index) == dim.truth_at(index)
    assert luma(dim, index).mean() < 0.5 * luma(plain, index).mean() < 0.5 * luma(bright, index).mean()
    sharp = MovingPicture(SceneSettings(width=960, height=540, show="pan", shutter=0.0))
    smeared = picture_of("pan")
    index = max(range(90), key=lambda n: abs(smeared.truth_at(n)[0].x - smeared.truth_at(n + 1)[0].x))
    assert sharp.truth_at(index) == smeared.truth_at(index)
    edges = [np.abs(np.diff(luma(one, index).astype(int), axis=1)).mean() for one in (sharp, smeared)]
    assert edges[0] > 1.02 * edges[1]


def test_a_moving_scene_is_a_source_like_any_other() -> None:
    source = SceneSource("scene://?show=turn&width=480&height=270&paced=0&seconds=0.1")
    fmt = source.open()
    frame = np.zeros(fmt.frame_bytes, np.uint8)
    assert source.read(frame, 1.0) is not None
    assert source.truth_at(0) == source.picture.truth_at(0)
    source.close()


def test_clips_are_written_with_an_entry_of_truth_for_every_frame(tmp_path: Path) -> None:
    small = SceneSettings(320, 180, Fraction(30), 1, 0.125, paced=False, show="enter")
    told: list[str] = []
    target = moving.write_set(tmp_path, {"moving/one.mp4": small}, told.append)
    known = json.loads(target.read_text())["moving/one.mp4"]
    assert [entry["frame"] for entry in known] == list(range(4))
    for entry in known:
        assert len({len(entry[key]) for key in ("boxes", "labels", "heights_px", "visible", "things")}) == 1
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=width,height,nb_read_frames", "-of",
               "csv=p=0", str(tmp_path / "moving/one.mp4")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "320,180,4"
    assert len(told) == 1


@pytest.mark.parametrize("size", sorted(moving.SIZES))
def test_the_set_has_every_show_in_every_light(size: str) -> None:
    scenes = moving.clips(size, 10, 1).values()
    assert {scene.show for scene in scenes} == set(MOVING)
    assert {scene.light for scene in scenes} == {"normal", "dim", "bright", "switching"}
    assert {(scene.width, scene.height) for scene in scenes} == {moving.SIZES[size]}
