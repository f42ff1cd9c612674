"""A scene's address: every parameter checked, every error names the key and what is allowed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Source
from firmware.errors import ConfigError
from hw.sim.scene import SceneSource
from hw.sim.scene_uri import SceneSettings, parse_scene_uri


def test_the_bare_address_is_a_live_full_hd_scene() -> None:
    s = parse_scene_uri("scene://")
    assert (s.width, s.height, s.rate, s.seed, s.seconds, s.paced) == (1920, 1080, Fraction(30), 1, 0.0, True)


@given(
    st.integers(64, 4096), st.integers(64, 2304), st.sampled_from(["24", "25", "29.97", "30000/1001", "60"]),
    st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 2**63 - 1),
)
def test_what_is_asked_for_is_what_is_set(w: int, h: int, rate: str, seed: int, paced: bool, epoch: int) -> None:
    uri = f"scene://?width={w}&height={h}&rate={rate}&seed={seed}&paced={int(paced)}&epoch_ns={epoch}"
    assert parse_scene_uri(uri) == SceneSettings(
        width=w, height=h, rate=Fraction(rate), seed=seed, paced=paced, epoch_ns=epoch
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("width=63", "64 to 4096"), ("width=wide", "width"), ("height=99999", "64 to 2304"), ("rate=0", "rate"),
        ("rate=30/0", "rate"), ("rate=nan", "rate"), ("seed=-1", "seed"), ("paced=yes", "0 or 1"), ("sound=", "0 or 1"),
        ("seconds=-1", "seconds"), ("seconds=inf", "seconds"), ("black_at=1e9", "black_at"), ("slots=0", "1 to 16"),
        ("colour=red", "colour is not known"), ("seed=1&seed=2", "twice"), ("width=%D9%A3%D9%A0%D9%A0", "width"),
        ("show=nothing", "operation, enter"), ("light=", "normal, dim"), ("shutter=1.5", "0 to 1"),
    ],
)
def test_an_impossible_value_names_its_key_and_what_is_allowed(query: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_scene_uri(f"scene://?{query}")


@pytest.mark.parametrize("uri", ["scene:/x", "scene://host", "scene:///path", "file://?width=1920", "scene://#a"])
def test_another_kind_of_address_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="scene://"):
        parse_scene_uri(uri)


def test_a_moving_scene_has_its_light_and_its_shutter() -> None:
    s = parse_scene_uri("scene://?show=enter&light=dim&shutter=0.25")
    assert (s.show, s.light, s.shutter) == ("enter", "dim", 0.25)


def test_the_configuration_fills_in_what_the_address_leaves_out() -> None:
    source = SceneSource.from_config(Source(uri="scene://?width=640", width=1280, height=360, rate_hz=25, seed=9))
    s = source.settings
    assert (s.width, s.height, s.rate, s.seed) == (640, 360, Fraction(25), 9)


def test_the_number_of_frames_is_those_before_the_end() -> None:
    assert parse_scene_uri("scene://?seconds=2&rate=30").total_frames == 60
    assert parse_scene_uri("scene://?seconds=1&rate=30000/1001").total_frames == 30
    assert parse_scene_uri("scene://").total_frames == 0
