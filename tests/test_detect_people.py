"""Head and shoulders grown from the head: what is covered, for any head in any picture, and by the real detector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Config, Detect, Fill
from firmware.config_rules import broken_rules
from firmware.pipeline.detect.faces import open_faces
from firmware.pipeline.detect.people import HIGH, WIDE, HeadAndShoulders, with_shoulders
from firmware.pipeline.detect.types import Region
from firmware.pipeline.detect.worker import check
from firmware.pipeline.seats import face_detector
from tests.detect_helpers import MODELS_DIR, backdrop, head, nv12, place


@st.composite
def heads(draw: st.DrawFn) -> tuple[Region, int, int]:
    """A head inside a picture, and the picture's size."""
    width, height = draw(st.integers(64, 4096)), draw(st.integers(64, 2304))
    x, y = draw(st.floats(0, width - 8)), draw(st.floats(0, height - 8))
    w, h = draw(st.floats(4, width - x)), draw(st.floats(4, height - y))
    return Region("face", x, y, w, h, 0.0, 0.5), width, height


@given(heads())
def test_the_box_holds_the_head_and_stays_in_the_picture(found: tuple[Region, int, int]) -> None:
    head_box, width, height = found
    grown = with_shoulders(head_box, width, height)
    check((grown,), width, height)
    slack = 1e-6 * (width + height)
    assert -slack <= grown.x <= head_box.x + slack
    assert grown.y == head_box.y
    assert head_box.x + head_box.w - slack <= grown.x + grown.w <= width + slack
    assert head_box.y + head_box.h - slack <= grown.y + grown.h <= height + slack
    assert (grown.kind, grown.score) == (head_box.kind, head_box.score)


def test_away_from_the_edges_it_has_its_full_size() -> None:
    grown = with_shoulders(Region("face", 900, 100, 80, 100), 1920, 1080)
    assert (grown.x, grown.y, grown.w, grown.h) == (940 - WIDE * 40, 100, WIDE * 80, HIGH * 100)


def test_at_the_edge_it_ends_with_the_picture() -> None:
    grown = with_shoulders(Region("face", 0, 900, 80, 100), 1920, 1080)
    assert (grown.x, grown.y, grown.x + grown.w, grown.y + grown.h) == (0, 900, 160, 1080)


def test_each_head_that_the_real_detector_finds_is_grown() -> None:
    picture = backdrop(1280, 720)
    place(picture, head(240), 500, 60)
    plain, grown = (open_faces(MODELS_DIR, Detect(profile="thorough")) for _ in range(2))
    found = plain.detect(plain.prepare(*nv12(picture)))
    detector = HeadAndShoulders(grown)
    people = detector.detect(detector.prepare(*nv12(picture)))
    assert people == tuple(with_shoulders(one, 1280, 720) for one in found)
    assert len(people) >= 1
    assert people[0].y + people[0].h > 60 + 240  # below the portrait's lower edge


@pytest.mark.parametrize("cover", ["head", "head-and-shoulders"])
def test_the_setting_reaches_the_frame_path(cover: str) -> None:
    detector = face_detector(str(MODELS_DIR), Detect(cover=cover))  # type: ignore[arg-type]
    assert isinstance(detector, HeadAndShoulders) == (cover == "head-and-shoulders")
    assert detector.kind == "face"
    assert detector.detect(detector.prepare(*nv12(np.full((72, 128, 3), 90, np.uint8)))) == ()


def test_an_ellipse_around_head_and_shoulders_is_a_wrong_configuration() -> None:
    """At its top an ellipse is narrow: it would leave part of the head visible."""
    both = Config(detect=Detect(cover="head-and-shoulders"), fill=Fill(faces="ellipse"))
    broken = [rule for rule in broken_rules(both) if "detect.cover" in rule.keys]
    assert len(broken) == 1
    assert "fill.faces" in broken[0].keys
    for fine in (Config(detect=Detect(cover="head-and-shoulders")), Config(fill=Fill(faces="ellipse"))):
        assert not [rule for rule in broken_rules(fine) if "detect.cover" in rule.keys]
