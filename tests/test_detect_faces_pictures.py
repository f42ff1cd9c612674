"""The face detector on pictures with one known face: small, cut, lying, hanging, in the dark."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from firmware.config import Detect
from firmware.pipeline.detect.faces import open_faces
from firmware.pipeline.detect.types import Region
from hw.ports import U8
from tests.detect_helpers import MODELS_DIR, backdrop, head, nv12, place, share_covered

Profile = Literal["live", "thorough"]


def found_in(profile: Profile, picture: U8, times: int = 1) -> tuple[Region, ...]:
    """What one detector sees in `times` looks at a picture that is never quite the same. Changes its last rows."""
    detector = open_faces(MODELS_DIR, Detect(profile=profile))
    regions: list[Region] = []
    for count in range(times):
        picture[-2:, :] = 4 + 8 * count
        regions += detector.detect(detector.prepare(*nv12(picture)))
    return tuple(regions)


def turned_face(size: int, turns: int) -> tuple[float, float, float, float]:
    """Where the face is in `head(size)` after so many quarter turns counter-clockwise."""
    x, y, w, h = size * 0.36, size * 0.22, size * 0.30, size * 0.42
    return [(y, size - x - w, h, w), (size - x - w, size - y - h, w, h), (size - y - h, x, h, w)][turns - 1]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_round_of_live_looks_covers_a_patient_who_lies_any_way(turns: int) -> None:
    picture = backdrop(1280, 720)
    place(picture, np.ascontiguousarray(np.rot90(head(400), turns)), 400, 150)
    turned = turned_face(400, turns)
    face = (400 + turned[0], 150 + turned[1], turned[2], turned[3])
    assert share_covered(found_in("live", picture, times=3), face) > 0.9


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_picture_that_stands_still_is_looked_at_every_way_and_then_no_more(turns: int) -> None:
    picture = backdrop(1280, 720)
    place(picture, np.ascontiguousarray(np.rot90(head(400), turns)), 400, 150)
    detector = open_faces(MODELS_DIR, Detect(profile="live"))
    answers = [set(detector.detect(detector.prepare(*nv12(picture)))) for _ in range(4)]
    assert answers[0] <= answers[1] <= answers[2] == answers[3]
    turned = turned_face(400, turns)
    assert share_covered(tuple(answers[3]), (400 + turned[0], 150 + turned[1], turned[2], turned[3])) > 0.9


@pytest.mark.parametrize("profile", ["live", "thorough"])
def test_a_small_face_in_a_large_picture_is_covered(profile: Profile) -> None:
    picture = backdrop(1920, 1080)
    place(picture, head(72), 1200, 700)  # the face is 30 pixels high
    assert share_covered(found_in(profile, picture), (1200 + 26, 700 + 16, 21, 30)) > 0.9


@pytest.mark.parametrize("profile", ["live", "thorough"])
def test_a_face_in_a_room_that_is_nearly_dark_is_covered(profile: Profile) -> None:
    """Between black and 10 of 255, in as much noise as a camera adds then; not found before it is lightened."""
    picture = backdrop(640, 480)
    place(picture, head(130), 200, 100)
    noise = np.random.default_rng(4).normal(0, 3, picture.shape)
    dark = np.asarray(np.clip(picture / 24 + noise, 0, 255), np.uint8)
    assert share_covered(found_in(profile, dark), (200 + 47, 100 + 29, 39, 54)) > 0.9


@pytest.mark.parametrize("profile", ["live", "thorough"])
@pytest.mark.parametrize("side", ["left", "right", "bottom"])
def test_a_face_half_out_of_the_picture_is_covered(profile: Profile, side: str) -> None:
    picture = backdrop(1280, 720)
    size, middle_x, middle_y = 500, 255, 218
    if side == "left":
        place(picture, head(size)[:, middle_x:], 0, 100)
        face = (0.0, 100 + size * 0.22, size * 0.15, size * 0.42)
    elif side == "right":
        place(picture, head(size)[:, :middle_x], 1280 - middle_x, 100)
        face = (1280 - size * 0.15, 100 + size * 0.22, size * 0.15, size * 0.42)
    else:
        place(picture, head(size)[:middle_y], 400, 720 - middle_y)
        face = (400 + size * 0.36, 720 - size * 0.21, size * 0.30, size * 0.21)
    assert share_covered(found_in(profile, picture), face) > 0.9
