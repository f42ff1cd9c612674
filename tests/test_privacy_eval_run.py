"""`scrubcam privacy-eval` end to end: a staged set through the product, a planted miss, failures, a stop, going on."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from firmware.config import Config, Detect, Encode, Paths
from firmware.errors import ConfigError, PartMissing
from firmware.evaluate.dataset import load_dataset
from firmware.evaluate.identity import identify
from firmware.evaluate.publish import OUTPUTS, evaluate, private_folder
from firmware.evaluate.run import ClipResult, Plan
from firmware.paths import default_models_dir
from tests.eval_helpers import FRAMES, write_set, write_truth
from tests.test_cli_commands import scrubcam


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def done(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set through the command, with the real detectors."""
    folder = tmp_path_factory.mktemp("done") / "out"
    scrubcam("privacy-eval", labelled, "--out", folder, "--profile", "live", "--jobs", 2, home=folder.parent)
    return folder


def report_of(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return told


def by_name(rows: list[dict[str, Any]], key: str = "category") -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows}


def check_page(folder: Path, *, pictures: int) -> str:
    """The page stands by itself, is for this user only, and holds that many pictures."""
    page = (folder / "report.html").read_text()
    assert not re.search(r"https?://|<script|<link|@import|url\(", page.replace("https://github.com", ""))
    assert page.count('src="data:image/jpeg;base64,') == page.count("src=") == pictures
    for name in ("report.html", "report.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == (folder / OUTPUTS).stat().st_mode & 0o077 == 0
    return page


# ---- the product, judged -------------------------------------------------------------------------


def test_the_product_is_measured(done: Path) -> None:
    told = report_of(done)
    rows = by_name(told["categories"])
    assert (told["partial"], told["failures"], told["counts"]["judged"]) == (False, [], 2)
    assert rows["moving"]["recall"]["boxes"] >= 5 * FRAMES
    assert rows["moving"]["recall"]["value"] > 0.5, "the live detectors find most of the staged faces and names"
    assert rows["negatives"]["false_area"] == 0
    assert rows["moving"]["product_frames"] == FRAMES
    assert rows["moving"]["cpu_s_per_frame"] > 0
    assert {model["as_locked"] for model in told["made_by"]["models"]} == {True}
    assert by_name(told["sizes"], "role")["moving"]["classes"]
    goals = by_name(told["goals"], "name")
    assert goals["Face-like things: covered without need"]["verdict"] == "met"
    assert goals["Text in the wild"]["verdict"] == "not measured"
    page = check_page(done, pictures=len(told["misses"]) + len(told["false_fills"]))
    assert "contains pictures" in page


def test_a_planted_miss_is_found(labelled: Path, done: Path, tmp_path: Path) -> None:
    """The judge is able to fail the product: one output is replaced by its own input."""
    films, folder = tmp_path / "films", tmp_path / "out"
    shutil.copytree(done / OUTPUTS, films)
    shutil.copy(labelled / "moving" / "case.mp4", films / "moving" / "case.mp4")
    scrubcam("privacy-eval", labelled, "--out", folder, "--outputs", films, home=tmp_path)
    told = report_of(folder)
    moving = by_name(told["categories"])["moving"]
    assert moving["recall"]["leaks"] == moving["recall"]["boxes"] > 0
    assert (moving["recall"]["value"], moving["longest_exposure"], moving["false_area"]) == (0, FRAMES, 0)
    assert by_name(told["goals"], "name")["Faces in moving scenes, 40 px and up"]["verdict"] == "missed"
    assert {miss["still_seen"] for miss in told["misses"]} == {1.0}
    assert {miss["frames_in_a_row"] for miss in told["misses"]} == {FRAMES}
    assert told["misses"]
    page = check_page(folder, pictures=len(told["misses"]) + len(told["false_fills"]))
    assert "were given" in page
    assert told["given_outputs"]
    scrubcam("privacy-eval", labelled, "--out", folder, "--outputs", films, "--no-pictures", home=tmp_path)
    assert "contains pictures" not in check_page(folder, pictures=0)


def test_a_clip_that_fails_is_listed_and_in_no_average(labelled: Path, done: Path, tmp_path: Path) -> None:
    bad, films = tmp_path / "bad", tmp_path / "films"
    shutil.copytree(labelled, bad)
    shutil.copytree(done / OUTPUTS, films)
    known = json.loads((bad / "ground_truth.json").read_text())
    for name in ("gone", "broken", "short"):
        known[f"negatives/{name}.mp4"] = known["negatives/pattern.mp4"]
    (bad / "negatives" / "broken.mp4").write_text("not a film")
    shutil.copy(bad / "negatives" / "pattern.mp4", bad / "negatives" / "short.mp4")
    write_truth(bad, known)
    for name in ("gone", "broken"):
        shutil.copy(films / "negatives" / "pattern.mp4", films / "negatives" / f"{name}.mp4")
    shorten(films / "negatives" / "pattern.mp4", films / "negatives" / "short.mp4")
    said = scrubcam("privacy-eval", bad, "--out", tmp_path / "out", "--outputs", films, home=tmp_path, code=17).stderr
    assert "3 of 5 clips could not be judged" in said
    told = report_of(tmp_path / "out")
    problems = by_name(told["failures"], "clip")
    assert sorted(problems) == ["negatives/broken.mp4", "negatives/gone.mp4", "negatives/short.mp4"]
    assert "has 6 frames" in problems["negatives/short.mp4"]["problem"]
    row = by_name(told["categories"])["negatives"]
    assert (row["clips"], row["failed"], row["false_area"]) == (1, 3, 0)
    assert by_name(told["goals"], "name")["Face-like things: covered without need"]["verdict"] == "incomplete"
    assert "negatives/broken.mp4" in (tmp_path / "out" / "report.html").read_text()


def shorten(source: Path, target: Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(source), "-frames:v", "6", "-c:v", "libx264", str(target)],
                   check=True, timeout=60)


def test_bad_use_is_named_before_anything_is_done(labelled: Path, tmp_path: Path) -> None:
    scrubcam("privacy-eval", tmp_path, "--out", tmp_path / "o", home=tmp_path, code=4)
    scrubcam("privacy-eval", labelled, "--out", tmp_path / "o", "--only", "nothing", home=tmp_path, code=3)
    scrubcam("privacy-eval", labelled, "--out", tmp_path / "o", "--outputs", tmp_path / "no", home=tmp_path, code=3)
    with pytest.raises(ConfigError, match="lies in the data set"):
        private_folder(labelled / "out", labelled)


# ---- going on ------------------------------------------------------------------------------------


@pytest.fixture
def plan(labelled: Path, tmp_path: Path) -> Plan:
    """Without detectors: each frame is filled whole, which is quick."""
    nothing = {name: False for name in ("faces", "text", "codes") if name in Detect.__struct_fields__}
    cfg = Config(detect=Detect(**nothing), encode=Encode(preset="ultrafast"),
                 paths=Paths(models_dir=str(default_models_dir())))
    return Plan(load_dataset(labelled), cfg, identify(cfg), tmp_path / "out" / OUTPUTS, 1)


def measure(plan: Plan, on_clip: Any = lambda result: None, stop: threading.Event | None = None) -> dict[str, Any]:
    folder = plan.outputs.parent
    private_folder(folder, plan.dataset.folder)
    return evaluate(plan, folder, on_clip, lambda name, done, total: None, stop or threading.Event(), pictures=True)


def made_at(plan: Plan) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in plan.outputs.rglob("*.mp4")}


def test_a_filled_film_leaks_nothing_and_is_covered_without_need(plan: Plan) -> None:
    rows = by_name(measure(plan)["categories"])
    assert (rows["moving"]["recall"]["leaks"], rows["moving"]["blanked_frames"]) == (0, FRAMES)
    assert (rows["negatives"]["false_area"], rows["negatives"]["false_frames"]) == (1, 1)


def test_what_is_not_installed_stops_it_rather_than_failing_every_clip(plan: Plan, tmp_path: Path) -> None:
    cfg = Config(paths=Paths(models_dir=str(tmp_path / "nowhere")))
    with pytest.raises(PartMissing):
        measure(Plan(plan.dataset, cfg, identify(cfg), plan.outputs, 2))
    assert not (plan.outputs.parent / "report.html").exists()


def test_outputs_are_made_once_for_the_same_input_settings_and_software(plan: Plan) -> None:
    measure(plan)
    first = made_at(plan)
    assert [clip["reused_output"] for clip in measure(plan)["clips"]] == [True, True]
    assert made_at(plan) == first
    # Something else lies under the output's name now: it is not taken for the product's work.
    shutil.copy(plan.dataset.folder / "moving" / "case.mp4", plan.outputs / "moving" / "case.mp4")
    again = measure(plan)
    assert [clip["reused_output"] for clip in again["clips"]] == [False, True]
    assert by_name(again["categories"])["moving"]["recall"]["leaks"] == 0
    other = Config(detect=plan.cfg.detect, encode=Encode(preset="ultrafast", quality=30), paths=plan.cfg.paths)
    changed = Plan(plan.dataset, other, identify(other), plan.outputs, 1)
    assert [clip["reused_output"] for clip in measure(changed)["clips"]] == [False, False]


def test_a_stop_leaves_a_report_of_what_was_done_and_the_next_run_goes_on(plan: Plan) -> None:
    stop = threading.Event()
    seen: list[ClipResult] = []

    def after_the_first(result: ClipResult) -> None:
        seen.append(result)
        stop.set()

    told = measure(plan, after_the_first, stop)
    assert [result.state for result in seen] == ["judged", "not reached"]
    assert (told["partial"], told["counts"]["judged"], told["not_reached"]) == (True, 1, [seen[1].clip.name])
    lost = "Face-like things: covered without need" if seen[1].clip.category == "negatives" else \
        "Faces in moving scenes, 40 px and up"
    assert by_name(told["goals"], "name")[lost]["verdict"] == "incomplete"
    assert "Unfinished" in (plan.outputs.parent / "report.html").read_text()
    first = made_at(plan)
    whole = measure(plan)
    assert (whole["partial"], whole["counts"]["judged"]) == (False, 2)
    assert first.items() <= made_at(plan).items()


def test_ctrl_c_ends_it_cleanly_and_the_report_says_so(labelled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-m", "firmware.cli.main", "privacy-eval", str(labelled), "--out", str(folder), "--jobs", "1",
         "--profile", "live"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(folder.rglob("*.mp4.json")):  # the first clip is done
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "of 2 clips were not reached" in said
    assert "Traceback" not in said
    told = report_of(folder)
    assert told["partial"]
    assert told["counts"]["not_reached"] + told["counts"]["judged"] == 2
    assert told["counts"]["not_reached"] >= 1
    assert [path.name for path in folder.rglob("*.tmp")] == []
