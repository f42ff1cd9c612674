"""The text detectors' own rules: smear, lines and labels, agreement, tiles that were not looked at again."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.config import Detect
from firmware.pipeline.detect import models
from firmware.pipeline.detect.letters import Word
from firmware.pipeline.detect.merge import around
from firmware.pipeline.detect.picture import Picture, tiles
from firmware.pipeline.detect.text import open_text
from firmware.pipeline.detect.text_labels import label_around, labels, lines
from firmware.pipeline.detect.text_live import LiveTextDetector, differs
from firmware.pipeline.detect.text_reader import LetterReader, holds_letters
from firmware.pipeline.detect.text_rules import kept
from firmware.pipeline.detect.text_smear import is_smeared
from firmware.pipeline.detect.tiling import STALE_LOOKS, Waiting, choose, due
from hw.ports import U8
from tests.detect_helpers import MODELS_DIR, backdrop, nv12, share_covered, write


def scene(width: int = 1280, height: int = 720) -> U8:
    """A picture with edges and detail in all directions."""
    rng = np.random.default_rng(3)
    picture = backdrop(width, height)
    for _ in range(160):
        x, y, w, h = rng.integers(0, width), rng.integers(0, height), rng.integers(8, 120), rng.integers(8, 120)
        colour = [int(v) for v in rng.integers(0, 255, 3)]
        turned = ((float(x), float(y)), (float(w), float(h)), float(rng.integers(0, 90)))
        cv2.fillPoly(picture, [np.asarray(cv2.boxPoints(turned), np.int32)], colour)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1), np.uint8)


def smeared(picture: U8, way: int, turned_deg: float) -> U8:
    """As a steady camera movement of `way` pixels smears it."""
    core = np.zeros((way, way), np.float32)
    core[way // 2] = 1
    turn = cv2.getRotationMatrix2D(((way - 1) / 2, (way - 1) / 2), turned_deg, 1.0)
    core = np.asarray(cv2.warpAffine(core, turn, (way, way)), np.float32)
    return np.asarray(cv2.filter2D(picture, -1, core / core.sum()), np.uint8)


# ---- smear ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [25, 31, 45])
@pytest.mark.parametrize("turned_deg", [0, 30, 90])
def test_a_smeared_picture_is_known_whichever_way_it_was_moved(way: int, turned_deg: float) -> None:
    assert is_smeared(*nv12(smeared(scene(), way, turned_deg)))


def test_a_sharp_an_unsharp_and_a_striped_picture_are_not_smeared() -> None:
    picture = scene()
    assert not is_smeared(*nv12(picture))
    assert not is_smeared(*nv12(np.asarray(cv2.blur(picture, (15, 15)), np.uint8)))
    assert not is_smeared(*nv12(np.asarray(cv2.GaussianBlur(picture, (0, 0), 6), np.uint8)))
    assert not is_smeared(*nv12(backdrop(1280, 720)))
    blinds = backdrop(1280, 720)
    for top in range(0, 720, 24):
        blinds[top : top + 12] = 200
    assert not is_smeared(*nv12(blinds))


def test_a_smeared_picture_is_covered_whole_by_both_profiles() -> None:
    picture = smeared(scene(), 31, 0)
    profiles: tuple[Literal["live", "thorough"], ...] = ("live", "thorough")
    for profile in profiles:
        detector = open_text(MODELS_DIR, Detect(profile=profile))
        (region,) = detector.detect(detector.prepare(*nv12(picture)))
        assert (region.x, region.y, region.w, region.h) == (0, 0, 1280, 720)


# ---- lines and labels ----------------------------------------------------------------------------


def test_the_words_of_a_line_become_one_and_those_of_two_lines_stay_two() -> None:
    first, second, below = Word(100, 50, 80, 20, 0, 0.9), Word(200, 52, 90, 22, 1, 0.8), Word(110, 90, 80, 20, 0, 0.9)
    far = Word(600, 50, 80, 20, 0, 0.9)
    joined = lines([second, far, below, first])
    assert len(joined) == 3
    assert any(abs(word.w - 185) < 6 and abs(word.h - 22) < 6 for word in joined)


@given(st.lists(st.tuples(st.floats(0, 800), st.floats(0, 600), st.floats(8, 200), st.floats(6, 40),
                          st.floats(-44, 45)), max_size=12))  # fmt: skip
@settings(deadline=None)
def test_joining_never_uncovers_a_word(numbers: list[tuple[float, float, float, float, float]]) -> None:
    words = [Word(*five, 0.9) for five in numbers]
    joined = lines(words)
    assert len(joined) <= len(words)
    for word in words:
        assert any(all(holds(other, point, 1.5) for point in word.exact_corners()) for other in joined)


def holds(word: Word, point: np.ndarray[tuple[int, ...], np.dtype[np.float32]], slack: float) -> bool:
    turn = math.radians(word.angle_deg)
    dx, dy = float(point[0]) - word.x, float(point[1]) - word.y
    along, aside = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    # Rectangles that differ by two in a hundred count as one.
    return abs(along) <= word.w / 2 * 1.05 + slack and abs(aside) <= word.h / 2 * 1.05 + slack


def picture_of(rgb: U8) -> Picture:
    y, uv = nv12(rgb)
    return Picture(y, uv, rgb.shape[1], rgb.shape[0])


@pytest.mark.parametrize("turned_deg", [0, 25])
def test_a_band_is_covered_as_a_whole(turned_deg: float) -> None:
    rgb = scene()
    band = np.asarray(np.round(cv2.boxPoints(((600.0, 300.0), (330.0, 60.0), turned_deg))), np.int32)
    cv2.fillPoly(rgb, [band], (235, 235, 230))
    cv2.polylines(rgb, [band], True, (90, 90, 90), 1)
    label = label_around(Word(600, 300, 200, 24, turned_deg, 0.9), picture_of(rgb))
    assert label is not None
    assert label.w == pytest.approx(330, abs=8)
    assert label.h == pytest.approx(60, abs=8)
    assert label.angle_deg == pytest.approx(turned_deg, abs=2)


def test_a_word_on_a_wall_or_a_large_screen_takes_nothing_with_it() -> None:
    assert label_around(Word(600, 300, 200, 24, 0, 0.9), picture_of(backdrop(1280, 720))) is None
    rgb = backdrop(1280, 720)
    rgb[100:600, 200:1100] = 20
    assert label_around(Word(600, 300, 200, 24, 0, 0.9), picture_of(rgb)) is None


def test_words_on_one_label_become_the_label() -> None:
    rgb = scene()
    rgb[280:380, 480:760] = 230
    found = labels([Word(600, 310, 150, 20, 0, 0.9), Word(590, 345, 120, 20, 0, 0.9)], picture_of(rgb))
    assert len(found) == 1
    assert found[0].w == pytest.approx(280, abs=8)


# ---- agreement -----------------------------------------------------------------------------------


def test_a_faint_word_needs_a_second_pass_where_there_is_one() -> None:
    picture = picture_of(backdrop(1280, 720))
    faint, sure = Word(200, 100, 100, 20, 0, 0.7), Word(600, 100, 100, 20, 0, 0.95)
    assert kept([[faint, sure], []], picture, False) == [sure]
    assert faint in kept([[faint], [Word(202, 101, 100, 20, 0, 0.65)]], picture, False)
    assert kept([[faint]], picture, False) == [faint]


# ---- reading as a judge --------------------------------------------------------------------------


def steps(*best: tuple[int, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The reading network's answer with these characters (0: none) and probabilities, one a step."""
    answer = np.zeros((len(best), 9), np.float32)
    for step, (character, chance) in enumerate(best):
        answer[step, character] = chance
    return answer


def test_one_doubtful_letter_is_none_and_a_repeat_is_no_second_one() -> None:
    assert not holds_letters(steps((0, 0.9), (0, 0.9)))
    assert not holds_letters(steps((0, 0.9), (3, 0.4), (3, 0.5), (0, 0.9)))
    assert holds_letters(steps((0, 0.9), (3, 0.8), (0, 0.9)))
    assert holds_letters(steps((3, 0.3), (0, 0.9), (3, 0.3)))
    assert holds_letters(steps((3, 0.3), (4, 0.3)))


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_word_is_readable_however_it_lies_and_a_row_of_highlights_is_not(quarter_turns: int) -> None:
    reader = LetterReader(models.load(MODELS_DIR, models.READ), Detect())
    rgb = np.full((400, 400, 3), (150, 60, 50), np.uint8)
    write(rgb, "DOE 4711", 130, 150, 20)
    for x in range(140, 260, 20):
        cv2.ellipse(rgb, (x, 280), (5, 3), x, 0, 360, (255, 255, 255), -1)
    rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1.5), np.uint8)
    word, highlights = Word(190, 141, 120, 14, 0, 0.8), Word(190, 280, 110, 12, 0, 0.8)
    for _ in range(quarter_turns):
        rgb = np.ascontiguousarray(np.rot90(rgb))
        word, highlights = (Word(w.y, 400 - w.x, w.h, w.w, 0, w.score) for w in (word, highlights))
    assert reader.finds_letters(picture_of(rgb), rgb, word)
    assert not reader.finds_letters(picture_of(rgb), rgb, highlights)


# ---- the edge of the picture ---------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["live", "thorough"])
def test_a_line_cut_by_the_edge_is_covered_to_the_last_row(profile: Literal["live", "thorough"]) -> None:
    picture = backdrop(1280, 720)
    write(picture, "DOE JANE 4711", 500, 728, 28)
    write(picture, "DOE JANE 4711", -20, 300, 28)
    detector = open_text(MODELS_DIR, Detect(profile=profile))
    regions = detector.detect(detector.prepare(*nv12(picture)))
    assert share_covered(regions, (505, 704, 240, 16)) > 0.95
    assert share_covered(regions, (0, 276, 220, 20)) > 0.95


# ---- tiles ---------------------------------------------------------------------------------------

part = st.builds(Waiting, st.integers(0, 9), st.booleans(), st.booleans())


@given(st.lists(part, max_size=20), st.integers(0, 6))
def test_no_more_parts_than_there_is_time_for_and_only_due_ones(parts: list[Waiting], most: int) -> None:
    chosen = choose(parts, most)
    wanted = {number for number, one in enumerate(parts) if due(one)}
    assert len(chosen) == len(set(chosen)) == min(most, len(wanted))
    assert set(chosen) <= wanted


@given(st.integers(1, 16), st.integers(1, 5), st.data())
def test_a_part_that_stays_due_has_its_turn_in_time(count: int, most: int, data: st.DataObject) -> None:
    """Whatever changes elsewhere, and wherever there was text."""
    ages = data.draw(st.lists(st.integers(0, STALE_LOOKS), min_size=count, max_size=count))
    one = data.draw(st.integers(0, count - 1))
    for _ in range(-(-count // most)):
        parts = [
            Waiting(age, number == one or data.draw(st.booleans()), data.draw(st.booleans()))
            for number, age in enumerate(ages)
        ]
        chosen = choose(parts, most)
        if one in chosen:
            return
        ages = [1 if number in chosen else age + (age > 0) for number, age in enumerate(ages)]
    raise AssertionError("it never had its turn")


@given(st.integers(1, 5000), st.integers(1, 3000), st.integers(200, 2000), st.integers(200, 1200), st.integers(8, 150))
@settings(deadline=None)
def test_windows_of_any_size_cover_every_pixel(width: int, height: int, wide: int, high: int, overlap: int) -> None:
    windows = list(tiles(width, height, (wide, high), overlap))
    for which, length, most in ((0, height, high), (1, width, wide)):
        spans = sorted({(window[which].start, window[which].stop) for window in windows})
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(stop - start <= most for start, stop in spans)
        assert all(one[1] - other[0] >= overlap for one, other in pairwise(spans))


def test_noise_is_no_change_and_a_small_word_is_one() -> None:
    rng = np.random.default_rng(5)
    wall = np.full((400, 600, 3), 120, np.uint8)
    then = np.clip(wall[:, :, 0] + rng.normal(0, 2.5, (400, 600)), 0, 255).astype(np.uint8)
    now = np.clip(wall[:, :, 0] + rng.normal(0, 2.5, (400, 600)), 0, 255).astype(np.uint8)
    assert not differs(now, then)
    write(wall, "DOE", 300, 200, 8, (170, 170, 170))
    assert differs(np.asarray(np.clip(now.astype(int) + wall[:, :, 0] - 120, 0, 255), np.uint8), then)


def live() -> LiveTextDetector:
    detector = open_text(MODELS_DIR, Detect(profile="live"))
    assert isinstance(detector, LiveTextDetector)
    return detector


@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160)])
def test_names_of_fourteen_pixels_are_found_live_in_every_corner_of_a_large_frame(size: tuple[int, int]) -> None:
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    sheet = Image.fromarray(backdrop(width, height))
    letters = ImageFont.load_default(size=19)  # capitals of 14 pixels
    places = [(x, y) for x in (40, width // 2 - 60, width - 260) for y in (30, height // 2 - 10, height - 60)]
    for x, y in places:
        ImageDraw.Draw(sheet).text((x, y), "DOE JANE 4711093", font=letters, fill=(235, 235, 235))
    picture, detector = np.asarray(sheet).copy(), live()
    regions = detector.detect(detector.prepare(*nv12(picture)))
    for x, y in places:
        assert share_covered(regions, (x + 2, y + 6, 150, 12)) > 0.95


def test_a_word_that_moves_with_everything_is_covered_where_it_is_in_every_look() -> None:
    """Two of the four tiles of a 4K frame are always left over here: the coarse look must speak for them."""
    detector = live()
    for look in range(6):
        picture = np.full((2160, 3840, 3), 60 + 20 * (look % 4), np.uint8)
        for x, y in ((300, 500), (2500, 500), (300, 1700), (2500, 1700)):
            write(picture, "DOE JANE 4711", x + 60 * look, y + 25 * look, 40)
        regions = detector.detect(detector.prepare(*nv12(picture)))
        for x, y in ((300, 500), (2500, 500), (300, 1700), (2500, 1700)):
            assert share_covered(regions, (x + 60 * look + 10, y + 25 * look - 35, 400, 30)) > 0.95


def test_a_word_stays_found_while_only_other_tiles_change_and_is_gone_when_it_is_gone() -> None:
    picture, detector = backdrop(3840, 2160), live()
    write(picture, "DOE JANE", 300, 300, 40)
    changing = picture.copy()
    for look in range(8):
        changing[1200:2100, 2000:3800] = 60 + 15 * (look % 5)
        regions = detector.detect(detector.prepare(*nv12(changing)))
        if look >= 1:
            assert share_covered(regions, (310, 265, 150, 30)) > 0.95
    for _ in range(2):
        regions = detector.detect(detector.prepare(*nv12(backdrop(3840, 2160))))
    assert not any(around(region).y < 400 for region in regions)
