"""The two detectors on pictures with known content: what they must find, and what they must leave alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.config import Detect
from firmware.pipeline.detect.face_networks import decode_centerface
from firmware.pipeline.detect.faces import FaceDetector, open_faces
from firmware.pipeline.detect.letters import has_strokes, words
from firmware.pipeline.detect.picture import TILE, TILE_OVERLAP, tiles
from firmware.pipeline.detect.text import open_text
from firmware.pipeline.detect.types import BadDetection, Detector, Region
from firmware.pipeline.detect.worker import check
from hw.ports import U8
from tests.detect_helpers import MODELS_DIR, backdrop, head, nv12, place, share_covered, write

Profile = Literal["live", "thorough"]
PROFILES: list[Profile] = ["live", "thorough"]


@pytest.fixture(scope="module", params=PROFILES)
def faces(request: pytest.FixtureRequest) -> FaceDetector:
    return open_faces(MODELS_DIR, Detect(profile=request.param))


@pytest.fixture(scope="module", params=PROFILES)
def text(request: pytest.FixtureRequest) -> Detector:
    return open_text(MODELS_DIR, Detect(profile=request.param))


def look(detector: Detector, picture: U8) -> tuple[Region, ...]:
    regions = detector.detect(detector.prepare(*nv12(picture)))
    check(regions, picture.shape[1], picture.shape[0])
    return regions


def face_in(x: int, y: int, size: int) -> tuple[float, float, float, float]:
    """Where the face is in `head(size)` put at x, y."""
    return x + size * 0.36, y + size * 0.22, size * 0.30, size * 0.42


@pytest.mark.parametrize("size", [150, 300, 600])
def test_a_face_is_covered_from_brow_to_chin(faces: FaceDetector, size: int) -> None:
    picture = backdrop(1280, 720)
    place(picture, head(size), 500, 60)
    assert share_covered(look(faces, picture), face_in(500, 60, size)) > 0.95


def test_a_mirrored_and_a_dark_face_are_covered_too(faces: FaceDetector) -> None:
    picture = backdrop(1280, 720)
    place(picture, head(300)[:, ::-1], 100, 200)
    place(picture, head(300) // 3, 800, 200)
    regions = look(faces, picture)
    x, y, w, h = face_in(0, 200, 300)
    assert share_covered(regions, (100 + 300 - x - w, y, w, h)) > 0.95
    assert share_covered(regions, face_in(800, 200, 300)) > 0.95


@pytest.mark.parametrize("turns", [1, 3])
def test_a_patient_lying_on_either_side_is_covered(turns: int) -> None:
    """By the thorough profile only: the live one has no time for turned passes."""
    detector = open_faces(MODELS_DIR, Detect(profile="thorough"))
    picture = backdrop(1280, 720)
    place(picture, np.ascontiguousarray(np.rot90(head(400), turns)), 400, 150)
    x, y, w, h = face_in(0, 0, 400)
    turned = (y, 400 - x - w, h, w) if turns == 1 else (400 - y - h, x, h, w)
    assert share_covered(look(detector, picture), (400 + turned[0], 150 + turned[1], turned[2], turned[3])) > 0.9


def test_a_face_cut_by_the_edge_stays_inside_the_picture(faces: FaceDetector) -> None:
    picture = backdrop(1280, 720)
    place(picture, head(300)[:, 100:], 0, 0)
    for region in look(faces, picture):
        assert region.x >= 0
        assert region.y >= 0
        assert region.x + region.w <= 1280
        assert region.y + region.h <= 720


def test_an_empty_wall_has_neither_faces_nor_words(faces: FaceDetector, text: Detector) -> None:
    picture = backdrop(1280, 720)
    assert look(faces, picture) == ()
    assert look(text, picture) == ()


@pytest.mark.parametrize("shape", [(2, 2), (2, 400), (34, 18), (1080, 34)])
def test_no_size_is_too_odd(faces: FaceDetector, text: Detector, shape: tuple[int, int]) -> None:
    picture = backdrop(shape[1], shape[0])
    look(faces, picture)
    look(text, picture)


def test_names_are_covered(text: Detector) -> None:
    picture = backdrop(1280, 720)
    write(picture, "DOE JANE 1961-04-12", 80, 100, 24)
    write(picture, "Ward 7", 900, 640, 36, (20, 20, 20))
    regions = look(text, picture)
    assert share_covered(regions, (85, 84, 290, 14)) > 0.95
    assert share_covered(regions, (905, 616, 110, 22)) > 0.95
    assert sum(region.w * region.h for region in regions) < 0.06 * 1280 * 720


def test_a_tilted_name_is_covered_by_a_tilted_box(text: Detector) -> None:
    import cv2

    picture = np.full((720, 1280, 3), 90, np.uint8)
    write(picture, "PATIENT 4711", 480, 360, 36)
    turn = cv2.getRotationMatrix2D((640, 360), -30, 1.0)
    picture = np.asarray(cv2.warpAffine(picture, turn, (1280, 720), borderValue=(90, 90, 90)), np.uint8)
    regions = look(text, picture)
    assert any(20 < region.angle_deg < 40 for region in regions)
    assert share_covered(regions, (600, 330, 60, 40)) > 0.9


def test_an_equal_frame_gets_an_equal_answer_and_the_frame_is_left_alone(text: Detector) -> None:
    picture = backdrop(640, 360)
    write(picture, "SMITH", 100, 100, 40)
    y, uv = nv12(picture)
    before = y.copy(), uv.copy()
    prepared = text.prepare(y, uv)
    y[:] = 0  # the frame buffer is used again
    first = text.detect(prepared)
    assert first
    assert text.detect(text.prepare(*before)) == first
    assert text.detect(text.prepare(np.full_like(y, 80), uv)) == ()


def test_numbers_that_are_not_finite_are_a_failure_not_an_empty_picture() -> None:
    good = np.zeros((1, 1, 4, 4), np.float32)
    bad = np.full_like(good, np.nan)
    pair = np.zeros((1, 2, 4, 4), np.float32)
    with pytest.raises(BadDetection):
        decode_centerface(bad, pair, pair, 0.2)
    hit = good.copy()
    hit[0, 0, 1, 1] = 0.9
    with pytest.raises(BadDetection):
        decode_centerface(hit, np.full_like(pair, np.nan), pair, 0.2)
    assert decode_centerface(hit, pair, pair, 0.2).tolist() == [[4.0, 4.0, 4.0, 4.0, pytest.approx(0.9)]]


@settings(deadline=None)
@given(st.integers(1, 9000), st.integers(1, 5000))
def test_tiles_cover_every_pixel_and_overlap(width: int, height: int) -> None:
    windows = list(tiles(width, height))
    columns = sorted({(c.start, c.stop) for _, c in windows})
    rows = sorted({(r.start, r.stop) for r, _ in windows})
    assert len(windows) == len(columns) * len(rows)
    for spans, length, most in ((columns, width, TILE[0]), (rows, height, TILE[1])):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(stop - start <= most for start, stop in spans)
        assert all(one[1] - other[0] >= TILE_OVERLAP for one, other in pairwise(spans))


def test_a_small_face_in_a_large_frame_is_found_across_a_tile_border() -> None:
    picture = backdrop(1940, 640)
    place(picture, head(100), 1780, 300)
    regions = look(open_faces(MODELS_DIR, Detect(profile="thorough")), picture)
    assert share_covered(regions, face_in(1780, 300, 100)) > 0.95


# ---- what speaks against a word ------------------------------------------------------------------


def test_specks_are_dropped_and_rows_of_letters_kept() -> None:
    chance = np.zeros((200, 400), np.float32)
    chance[50:54, 50:54] = 0.95
    chance[100:112, 100:220] = 0.95
    chance[150:162, 100:220] = 0.4
    (word,) = words(chance, 2.0, 0.3, 0.6)
    assert word.x == pytest.approx(320, abs=3)
    assert word.y == pytest.approx(212, abs=3)
    assert word.w == pytest.approx(240, abs=4)
    assert word.h == pytest.approx(24, abs=4)
    assert word.angle_deg == pytest.approx(0)


def test_a_thousand_specks_hide_no_word() -> None:
    chance = np.zeros((400, 640), np.float32)
    chance[::6, ::6] = 0.95
    for top in (30, 350):
        chance[top : top + 20] = 0
        chance[top + 4 : top + 16, 100:220] = 0.95
    assert sorted(round(word.y / 10) for word in words(chance, 1.0, 0.3, 0.6)) == [4, 36]


def test_a_highlight_has_no_strokes_and_large_letters_have() -> None:
    picture = np.full((300, 600, 3), 120, np.uint8)
    write(picture, "STORZ", 60, 200, 100)
    (word,) = words(np.pad(np.ones((100, 360), np.float32), ((110, 90), (55, 185))), 1.0, 0.3, 0.6)
    assert has_strokes(word, np.ascontiguousarray(picture[:, :, 0]), 1.0)
    soft = np.full((300, 600), 120, np.uint8)
    soft[130:180, 100:380] = 220
    assert not has_strokes(word, soft, 1.0)
