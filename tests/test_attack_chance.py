"""The short form of `make attacks`: after the product, faces match no better than by guessing and codes are not read;
the same attacks on blur and mosaic find most of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.attacks import codes
from tests.attacks.faces import COLOUR, attack, made_faces, scene_faces
from tests.attacks.scores import judge


@pytest.mark.parametrize(("faces", "count"), [(made_faces, 12), (scene_faces, 5)])
def test_filled_faces_are_matched_by_guessing_only(
    tmp_path: Path, faces: Callable[[int], Any], count: int
) -> None:
    results = attack(*faces(count), tmp_path, None)
    assert results["filled: luma"].of >= 12
    for name, result in results.items():
        if name.startswith("filled") and COLOUR not in name:
            assert result.at_chance, f"{name}: {result}"
    assert results["blurred: luma, sharpened"].auc > 0.7, "the attack works where there is something left"
    assert results["mosaic: luma"].auc > 0.8
    assert results["mosaic: learnt reconstruction"].auc > 0.7


def test_filled_codes_are_not_read(tmp_path: Path) -> None:
    found = codes.attack(tmp_path, 12)
    assert found.read_before >= 9
    assert found.read_after == 0


@given(st.integers(2, 40))
def test_a_perfect_attack_is_certain_and_a_flat_one_is_a_guess(count: int) -> None:
    assert judge(np.eye(count)).auc == 1
    assert judge(np.eye(count)).first == count
    flat = judge(np.ones((count, count)))
    assert (flat.auc, flat.error, flat.at_chance) == (0.5, 0, True)
    assert flat.first == pytest.approx(1)
    assert judge(-np.eye(count)).auc == 0


def test_noise_is_at_chance_and_a_little_knowledge_is_not() -> None:
    random = np.random.default_rng(1)
    noise = random.normal(size=(200, 200))
    assert judge(noise).at_chance
    assert not judge(noise + 0.5 * np.eye(200)).at_chance
