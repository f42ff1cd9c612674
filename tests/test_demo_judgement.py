"""The demo's judgement: it must see what was left uncovered, and must not be pleased by anything else."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from firmware.demo import compare
from firmware.demo.case import event_problems
from firmware.demo.opened import Opened, at_risk_s, by_second
from firmware.demo.picture_check import COVERED_LEAK, leak, psnr, surroundings
from firmware.demo.sheet import Moment, write_sheet
from firmware.demo.steps import StepFailed, Steps
from firmware.demo.witness import Heard
from firmware.fleet.topics import FleetEvent
from firmware.messages import Verdict
from hw.ports import U8
from hw.sim.scene import SceneSource
from hw.sim.scene_picture import TruthBox
from hw.sim.scene_sound import samples_between

WIDTH, HEIGHT = 960, 540
Fill = Callable[[U8, TruthBox], None]


@pytest.fixture(scope="module")
def scene() -> SceneSource:
    return SceneSource(f"scene://?width={WIDTH}&height={HEIGHT}&paced=0&seed=3")


def drawn(scene: SceneSource, index: int) -> U8:
    frame = np.empty(WIDTH * HEIGHT * 3 // 2, np.uint8)
    scene.picture.draw(index, frame)
    return frame


def luma(frame: U8) -> U8:
    return frame[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)


def flat(y: U8, box: TruthBox) -> None:
    y[box.y : box.y + box.h, box.x : box.x + box.w] = 110


def noise(y: U8, box: TruthBox) -> None:
    y[box.y : box.y + box.h, box.x : box.x + box.w] = np.random.default_rng(1).integers(60, 180, (box.h, box.w))


def nothing(y: U8, box: TruthBox) -> None:
    pass


def right_third_left_out(y: U8, box: TruthBox) -> None:
    y[box.y : box.y + box.h, box.x : box.x + 2 * box.w // 3] = 110


def faint_blur(y: U8, box: TruthBox) -> None:
    area = y[box.y : box.y + box.h, box.x : box.x + box.w]
    area[:] = cv2.GaussianBlur(area, (0, 0), 1.0)


def dimmed(y: U8, box: TruthBox) -> None:
    area = y[box.y : box.y + box.h, box.x : box.x + box.w]
    area[:] = area // 2 + 60


# ---- one box -------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 130, 271])
@pytest.mark.parametrize(
    ("fill", "seen"),
    [(flat, False), (noise, False), (nothing, True), (right_third_left_out, True), (faint_blur, True), (dimmed, True)],
)
def test_only_what_hides_the_content_counts_as_covered(scene: SceneSource, index: int, fill: Fill, seen: bool) -> None:
    before = luma(drawn(scene, index))
    boxes = [box for box in scene.truth_at(index) if box.visible_fraction > 0.5]
    assert {box.kind for box in boxes} == {"face", "text"}
    for box in boxes:
        after = before.copy()
        fill(after, box)
        assert (leak(before, after, box) > COVERED_LEAK) == seen, box


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 90), st.integers(1, 90))
@settings(deadline=None)
def test_a_box_of_any_size_is_judged_between_none_and_all(x: int, y: int, w: int, h: int) -> None:
    picture = np.random.default_rng(2).integers(16, 235, (160, 160)).astype(np.uint8)
    box = TruthBox("text", x, y, w, h, 1.0, "any")
    assert leak(picture, np.full_like(picture, 99), box) == 0
    part = leak(picture, picture, box)
    assert part == 1 or (part == 0 and w * h < 400)


def test_an_empty_wall_hides_nothing_and_so_leaks_nothing() -> None:
    wall = np.full((64, 64), 120, np.uint8)
    assert leak(wall, wall, TruthBox("face", 0, 0, 64, 64, 1.0, "wall")) == 0


# ---- the rest of the picture ---------------------------------------------------------------------


def test_the_surroundings_are_judged_away_from_the_boxes_only(scene: SceneSource) -> None:
    before = luma(drawn(scene, 130))
    boxes = scene.truth_at(130)
    after = before.copy()
    for box in boxes:
        flat(after, box)
    assert surroundings(before, after, boxes).untouched == 1
    after[300:400, 300:400] = 255  # the operating field, wrongly filled
    assert surroundings(before, after, boxes).untouched < 0.99
    assert surroundings(before, np.zeros_like(before), boxes).untouched == 0


def test_psnr_of_equal_pictures_and_of_one_grey_level() -> None:
    picture = np.full((16, 16), 100, np.uint8)
    assert psnr(picture, picture) == 99
    assert psnr(picture, picture + 1) == pytest.approx(48.13, abs=0.01)


# ---- a whole recording ---------------------------------------------------------------------------


def recording(scene: SceneSource, frames: int, spare: str = "") -> tuple[list[tuple[U8, U8]], list[Verdict]]:
    """The scene with every planted box filled but those labelled `spare`; the last ten frames are blanked."""
    shown, verdicts = [], []
    for index in range(frames):
        frame = drawn(scene, index)
        for box in scene.truth_at(index):
            if box.label != spare:
                flat(luma(frame), box)
        blank = index >= frames - 10
        if blank:
            frame[:] = 128
        shown.append((luma(frame), frame))
        verdicts.append(Verdict(scene.pts_at(index), "blanked" if blank else "masked", 5,
                                "privacy-pause" if blank else ""))
    return shown, verdicts


def test_a_well_made_recording_passes_frame_by_frame(scene: SceneSource) -> None:
    shown, verdicts = recording(scene, 40)
    numbers: list[int] = []
    result = compare.compare(shown, verdicts, scene, {}, numbers.append)
    assert numbers == list(range(40))
    assert (result.frames, result.blanked, result.blanked_not_flat) == (40, 10, 0)
    assert result.uncovered == []
    assert result.boxes["name band"] == result.boxes["clock"] == 40
    assert result.quiet_worst_db == 99
    assert result.untouched_median == 1


@pytest.mark.parametrize("spare", ["masked", "far", "name band", "overlay date", "clock"])
def test_one_face_or_word_left_out_is_named_in_every_frame(scene: SceneSource, spare: str) -> None:
    shown, verdicts = recording(scene, 15, spare)
    result = compare.compare(shown, verdicts, scene, {}, lambda number: None)
    assert [(number, label) for number, label, _ in result.uncovered] == [(n, spare) for n in range(5)]


def test_a_blanked_frame_that_shows_something_is_noticed(scene: SceneSource) -> None:
    frame = drawn(scene, 0)
    result = compare.compare([(luma(frame), frame)], [Verdict(0, "blanked", 0, "privacy-pause")], scene, {},
                             lambda number: None)
    assert result.blanked_not_flat == 1
    assert result.uncovered


def test_a_frame_more_or_less_than_verdicts_is_an_error(scene: SceneSource) -> None:
    shown, verdicts = recording(scene, 12)
    with pytest.raises(ValueError, match="zip"):
        compare.compare(shown[:-1], verdicts, scene, {}, lambda number: None)


def test_tones_are_found_where_the_clapper_put_them() -> None:
    rate = SceneSource("scene://?paced=0").settings.rate
    starts = compare.tone_starts_s(samples_between(0, 12 * 48_000, rate)[:, 0])
    assert starts == pytest.approx([5.0, 10.0], abs=0.002)


def test_offsets_pair_each_flash_with_its_own_tone() -> None:
    assert compare.clapper_offsets_s([5.0, 10.0, 15.0], [5.02, 14.97]) == pytest.approx([-0.02, 0.03])


# ---- figures -------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 200), st.sampled_from(["clean", "masked", "blanked"])), min_size=1))
def test_every_verdict_is_in_exactly_one_second(steps: list[tuple[int, str]]) -> None:
    at, verdicts = 7_000_000_000, []
    for step_ms, kind in steps:
        verdicts.append(Verdict(at, kind))  # type: ignore[arg-type]
        at += step_ms * 1_000_000
    seconds = by_second(verdicts)
    for kind in ("clean", "masked", "blanked"):
        assert sum(getattr(second, kind) for second in seconds) == sum(v.kind == kind for v in verdicts)
    assert len(seconds) == (verdicts[-1].pts_ns - verdicts[0].pts_ns) // 1_000_000_000 + 1


def test_what_a_power_cut_costs_counts_only_whole_durable_fragments() -> None:
    content = Opened(fragment_ends=[(1000, 10_000_000_000), (2000, 10_250_000_000), (3000, 10_500_000_000)])
    assert at_risk_s(content, [(110.9, 2999), (111.0, 3000), (111.0, 999)], 100.0) == pytest.approx([0.65, 0.5])


def event(seq: int, ident: str = "") -> Heard:
    return Heard(0, "events", FleetEvent("demo", seq, ident or f"e{seq}", "bookmark", 0.0), False)


def test_events_lost_or_renumbered_are_noticed_and_repeats_are_not() -> None:
    assert event_problems([event(1), event(2), event(2), event(3)]) == []
    assert event_problems([event(1), event(3)]) == ["after event 1 came 3"]
    assert event_problems([event(2)]) == ["after event 0 came 2"]
    assert event_problems([event(1, "a"), event(2, "a")]) == ["id a came with two numbers"]


def test_the_ledger_keeps_every_step_and_stops_where_it_must() -> None:
    told = io.StringIO()
    steps = Steps(Console(file=told, width=100))
    assert steps.tell("one", True, "fine")
    assert not steps.tell("two", False, "[not markup]")
    with pytest.raises(StepFailed):
        steps.need("three", False, "over")
    assert [step.name for step in steps.failed] == ["two", "three"]
    assert [("✓" in line, "✗" in line) for line in told.getvalue().splitlines()] == [
        (True, False), (False, True), (False, True)
    ]
    assert "[not markup]" in told.getvalue()


def test_the_contact_sheet_shows_both_sides_of_each_moment(scene: SceneSource, tmp_path: Path) -> None:
    moments = [Moment(float(n), "masked", scene.truth_at(n)) for n in (0, 60, 120)]
    moments.append(Moment(9.0, "never taken", []))
    for moment, index in zip(moments, (0, 60, 120), strict=False):
        covered = drawn(scene, index)
        covered[:] = 128
        moment.take(drawn(scene, index), covered, WIDTH, HEIGHT)
    write_sheet(tmp_path / "sheet.png", moments)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    height, width = sheet.shape[:2]
    columns = [int(width * (2 * n + 1) / 8) for n in range(4)]
    contrast = [float(sheet[height // 8 : height * 3 // 8, c - 100 : c + 100].std()) for c in columns]
    assert all(left > 10 > right for left, right in list(pairwise(contrast))[::2])
