"""The self-test: its film passes with the real detectors, and what is not covered is told by kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware.config import Config, Paths
from firmware.paths import default_models_dir
from firmware.selftest_path import FRAMES, SCENE, Finding, whole_path
from hw.sim.scene import SceneSource

PLANTED = ("face", "text", "code")


def settings(tmp_path: Path) -> Config:
    return Config(paths=Paths(state_dir=str(tmp_path / "state"), recordings_dir=str(tmp_path / "recordings"),
                              models_dir=str(default_models_dir())))


def detections(path: Path, blind_to: str) -> Path:
    """What perfect detectors would say of every frame, but for one kind of thing."""
    scene = SceneSource(SCENE)
    with path.open("w") as file:
        for index in range(FRAMES):
            boxes = scene.truth_at(index)
            for kind in PLANTED:
                regions = [[box.x, box.y, box.w, box.h, 0.0, 1.0] for box in boxes
                           if box.kind == kind and kind != blind_to]
                file.write(json.dumps({"kind": kind, "pts_ns": scene.pts_at(index), "regions": regions}) + "\n")
    return path


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in found}


def test_the_whole_path_holds_and_leaves_nothing_of_the_device_behind(tmp_path: Path) -> None:
    found = by_name(list(whole_path(settings(tmp_path))))
    assert set(found) == {"sealed recording", "face covered", "name covered", "code covered", "picture else untouched",
                          "sound in step"}
    assert all(one.held for one in found.values()), found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("blind_to", "name"), [("face", "face covered"), ("code", "code covered")])
def test_a_detector_that_is_blind_is_found_out_by_the_pictures(tmp_path: Path, blind_to: str, name: str) -> None:
    found = by_name(list(whole_path(settings(tmp_path), str(detections(tmp_path / "seen.jsonl", blind_to)))))
    assert not found[name].held
    assert found[name].privacy
    assert found["sealed recording"].held
    other = {"face covered", "code covered"} - {name}
    assert not any(found[one].privacy for one in other)
