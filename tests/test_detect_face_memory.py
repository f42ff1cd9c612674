"""Live looks between their passes: the memory of where faces were, the thirds of the picture, and closer looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Detect
from firmware.pipeline.detect import faces as faces_module
from firmware.pipeline.detect.boxes import overlaps
from firmware.pipeline.detect.face_looks import CLOSE_SIDE, PART_OVERLAP, TURNS, Look, Looker, lightened, looks, third
from firmware.pipeline.detect.face_memory import LONGEST_LOOKS, MOST_PLACES, Place, missed, remembered
from firmware.pipeline.detect.face_networks import Boxes
from firmware.pipeline.detect.face_votes import on_one
from firmware.pipeline.detect.faces import MOST_CLOSE, MOST_MISSED, FaceDetector
from hw.ports import U8
from tests.detect_helpers import nv12

NONE = np.zeros((0, 5), np.float32)
scored = st.tuples(
    st.integers(0, 1800), st.integers(0, 1000), st.integers(8, 120), st.integers(8, 120), st.floats(0.5, 2.0, width=32)
)
boxes = st.lists(scored, max_size=8).map(lambda rows: np.array(rows, np.float32).reshape(-1, 5))
looks_seen = st.lists(boxes, min_size=1, max_size=2 * LONGEST_LOOKS)


def after(seen: list[Boxes], most: int = MOST_MISSED) -> list[Place]:
    """The memory after looks that saw these faces and looked closer at `most` places each time."""
    places: list[Place] = []
    for found in seen:
        places = remembered(places, found, missed(places, found, most))
    return places


def apart_in_a_row(count: int) -> Boxes:
    return np.array([(200 * number, 100, 50, 60, 1.0) for number in range(count)], np.float32)


# ---- memory --------------------------------------------------------------------------------------


@given(looks_seen)
def test_every_face_of_the_last_look_is_remembered_and_no_place_is_older_than_two_seconds(seen: list[Boxes]) -> None:
    places = after(seen)
    assert len(places) <= MOST_PLACES
    assert all(place.unseen <= LONGEST_LOOKS for place in places)
    fresh = np.array([(*place.box, 1.0) for place in places if place.unseen == 0], np.float32).reshape(-1, 5)
    for face in seen[-1]:
        assert overlaps(face[None], fresh).max() >= 0.35 or on_one(face.tolist(), fresh)


@given(looks_seen, boxes, st.integers(0, 4))
def test_what_is_missed_was_there_and_has_no_face_on_it_and_has_waited_longest(
    seen: list[Boxes], now: Boxes, most: int
) -> None:
    places = after(seen)
    lost = missed(places, now, most)
    assert len(lost) <= most
    assert all(place in places and not on_one(place.box, now) for place in lost)
    left_out = [place for place in places if place not in lost and not on_one(place.box, now)]
    assert len(lost) == most or not left_out
    assert min((p.waiting for p in lost), default=0) >= max((p.waiting for p in left_out), default=0) or not lost


@given(boxes)
def test_a_face_that_is_found_again_is_not_missed(found: Boxes) -> None:
    assert missed(after([found]), found, MOST_MISSED) == []


@given(st.integers(1, 8))
def test_each_lost_face_gets_its_turn(count: int) -> None:
    places, turns = after([apart_in_a_row(count)]), set[float]()
    for _ in range(math.ceil(count / MOST_MISSED)):
        lost = missed(places, NONE, MOST_MISSED)
        turns |= {place.box[0] for place in lost}
        places = remembered(places, NONE, lost)
    assert len(turns) == count


def test_a_face_that_is_not_found_for_two_seconds_is_forgotten() -> None:
    seen = apart_in_a_row(1)
    assert len(after([seen, *[NONE] * LONGEST_LOOKS])) == 1
    assert after([seen, *[NONE] * (LONGEST_LOOKS + 1)]) == []


# ---- thirds of the picture -----------------------------------------------------------------------


@given(st.integers(1, 4096), st.integers(1, 4096), st.data())
def test_a_small_thing_anywhere_is_whole_in_one_of_three_parts(width: int, height: int, data: st.DataObject) -> None:
    w, h = (data.draw(st.integers(1, min(PART_OVERLAP, side))) for side in (width, height))
    x, y = data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))
    parts = [third(width, height, part) for part in range(len(TURNS))]
    assert any(
        rows.start <= y and y + h <= rows.stop and columns.start <= x and x + w <= columns.stop
        for rows, columns in parts
    )
    assert all(0 <= rows.start < rows.stop <= height for rows, _ in parts)
    assert all(0 <= columns.start < columns.stop <= width for _, columns in parts)


class OneBright:
    """Stands in for a network where only the way back is tried: it sees the one bright rectangle, exactly."""

    def boxes(self, rgb: U8) -> Boxes:
        rows, columns = np.nonzero(rgb[:, :, 0] > 128)
        if not len(rows):
            return NONE.copy()
        x, y = columns.min(), rows.min()
        return np.array([[x, y, columns.max() + 1 - x, rows.max() + 1 - y, 0.5]], np.float32)


@given(st.sampled_from([(640, 360), (360, 640), (333, 333)]), st.data())
def test_what_a_part_shows_is_brought_back_to_the_pixel(size: tuple[int, int], data: st.DataObject) -> None:
    width, height = size
    w, h = data.draw(st.integers(1, PART_OVERLAP)), data.draw(st.integers(1, PART_OVERLAP))
    x, y = data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y : y + h, x : x + w] = 255
    looker = Looker(picture, {"yunet": OneBright()})
    found = [looker.see(Look("yunet", max(size), part=part)).tolist() for part in range(len(TURNS))]
    assert [[x, y, w, h, 0.5]] in found


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1080, 1920), (3840, 2160)])
def test_three_live_looks_see_all_of_a_large_picture_at_full_size_and_one_sees_all_of_it_coarsely(
    size: tuple[int, int]
) -> None:
    rounds = [looks("live", *size, turn) for turn in range(len(TURNS))]
    assert {look.part for one in rounds for look in one if look.long_side == min(max(size), 1920)} == {0, 1, 2}
    for one in rounds:
        assert {look.network for look in one if look.part is None and not look.quarter} == {"centerface", "yunet"}
        assert sum(look.part is not None for look in one) == 1


# ---- closer looks --------------------------------------------------------------------------------


class Passing:
    """Stands in for both networks: what the passes see, what closer looks see, and how often those were made."""

    def __init__(self) -> None:
        self.passes, self.closer, self.close_looks = 0.0, 0.0, 0

    def boxes(self, rgb: U8) -> Boxes:
        close = rgb.shape[:2] == (CLOSE_SIDE, CLOSE_SIDE)
        self.close_looks += close
        score, side = (self.closer, CLOSE_SIDE) if close else (self.passes, 0)
        if not score:
            return NONE.copy()
        if close:  # what is looked at stands in the middle, 48 pixels large
            return np.array([[side / 2 - 24, side / 2 - 24, 48, 48, score]], np.float32)
        scale = rgb.shape[1] / 640
        return np.array([[100 * scale, 120 * scale, 40 * scale, 40 * scale, score]], np.float32)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    stand_in = Passing()
    for name in ("CenterFace", "YuNet"):
        monkeypatch.setattr(faces_module, name, lambda _model, _settings: stand_in)
    return stand_in


def look_on(detector: FaceDetector, count: int) -> int:
    """One more look, at another picture than the one before; how many regions it gives."""
    picture = np.full((360, 640, 3), 100 + 40 * (count % 2), np.uint8)
    return len(detector.detect(detector.prepare(*nv12(picture))))


def test_a_face_that_no_pass_sees_any_more_is_found_where_it_was_and_only_there(passing: Passing) -> None:
    """Sure of it in a closer look: covered. Nothing was ever there: no closer look is made, nothing is covered."""
    detector = FaceDetector(b"", b"", Detect(profile="live"))
    passing.closer = 0.9
    assert look_on(detector, 0) == 0
    assert passing.close_looks == 0
    passing.passes = 0.9
    assert look_on(detector, 1) > 0
    passing.passes = 0.0
    assert all(look_on(detector, 2 + count) > 0 for count in range(2 * LONGEST_LOOKS))


def test_memory_tells_where_to_look_and_not_what_to_believe(passing: Passing) -> None:
    """A face that has gone is not covered because it was there; after two seconds nobody looks there any more."""
    detector = FaceDetector(b"", b"", Detect(profile="live"))
    passing.passes = 0.9
    look_on(detector, 0)
    passing.passes = 0.0
    made = []
    for count in range(1, LONGEST_LOOKS + 4):
        before = passing.close_looks
        assert look_on(detector, count) == 0
        made.append(passing.close_looks - before)
    assert all(0 < looked <= 2 * MOST_CLOSE for looked in made[:LONGEST_LOOKS])
    assert made[-2:] == [0, 0]


# ---- pictures without light ----------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(5, 60))
def test_a_dim_picture_becomes_brighter_and_if_asked_less_noisy_and_others_stay(seed: int, light: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 2, (96, 96, 3))
    dim = np.asarray(np.clip(light + noise, 0, 255), np.uint8)
    noisy, smooth = (lightened(dim, smooth=wanted) for wanted in (False, True))
    gain = noisy.mean() / dim.mean()
    assert gain > 1.5
    assert smooth.mean() == pytest.approx(noisy.mean(), rel=0.02)
    assert smooth.std() < 0.6 * noisy.std()
    lit = np.asarray(np.clip(150 + noise, 0, 255), np.uint8)
    assert lightened(lit, smooth=True) is lit
