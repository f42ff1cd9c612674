"""Faults planted into a real pipeline process: each is blanked, named, told, and over when it is over."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from firmware import config
from firmware.messages import Failed, Finished, StreamInfo
from firmware.pipeline.detect.models import PORTRAIT, locked
from firmware.vault.records import Gap, StateChange
from tests.detect_helpers import MODELS_DIR
from tests.pipeline_helpers import Heard, make_clip, run_pipeline
from tests.recorder_helpers import CONSENT, SCENE, Unit
from tests.test_pipeline_process import configure, detector, kinds

BAD_FROM, BAD_TO = 4, 9
"""Which looks of the face detector go wrong."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=3)


def assert_blanked_told_and_over(heard: Heard, reason: str, frames: int = 90) -> None:
    """Frames left covered, then filled whole for `reason`, then covered again; told once, and taken back once."""
    assert heard.last == Finished(frames)
    assert {r for _, r in kinds(heard)} == {"", reason}
    good = [verdict.kind != "blanked" for verdict in heard.verdicts]
    assert [after for before, after in pairwise(good) if before != after] == [False, True]
    assert good[0]
    assert [code for code in heard.alert_codes if "detector" in code[0]] == [
        ("detector-failed:face", False), ("detector-failed:face", True)
    ]


@pytest.mark.parametrize(("answer", "reason"), [
    ("(Region('face', float('nan'), 1, 9, 9),)", "bad-detection"),
    ("(Region('face', 1, 1, float('inf'), 9),)", "bad-detection"),
    ("(Region('face', 1, 1, 9, 9, float('-inf')),)", "bad-detection"),
    ("(Region('face', 5000, 1, 9, 9),)", "bad-detection"),
    ("(Region('face', 1, -900, 9, 9),)", "bad-detection"),
    ("(Region('face', 1, 1, 0, 9),)", "bad-detection"),
    ("(Region('face', -1e6, -1e6, 2e6, 2e6),)", "bad-detection"),
    ("(Region('face', 1, 1, 9, 9),) * 20000", "bad-detection"),
    ("(Region('face', '1', 1, 9, 9),)", "bad-detection"),
    ("(None,)", "bad-detection"),
    ("[[1, 1, 9, 9]]", "bad-detection"),
    ("None", "detector-failed"),
    ("7", "detector-failed"),
], ids=lambda value: value[:40])
def test_nonsense_from_a_detector(clip: Path, answer: str, reason: str) -> None:
    body = f"if self.kind == 'face' and {BAD_FROM} <= n < {BAD_TO}: return {answer}"
    ran = run_pipeline(configure(clip), detector(body))
    assert_blanked_told_and_over(ran.heard, reason)
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("raised", ["RuntimeError('planted')", "MemoryError()", "SystemExit(3)", "KeyboardInterrupt()"])
def test_whatever_a_detector_raises(clip: Path, raised: str) -> None:
    body = f"if self.kind == 'face' and {BAD_FROM} <= n < {BAD_TO}: raise {raised}"
    assert_blanked_told_and_over(run_pipeline(configure(clip), detector(body)).heard, "detector-failed")


def test_a_detector_that_cannot_copy_the_picture(clip: Path) -> None:
    plant = f"""
def cannot(self, y, uv, made=seats._real):
    self.asked = getattr(self, 'asked', -1) + 1
    if self.kind == 'face' and {BAD_FROM} <= self.asked < {BAD_TO}:
        raise MemoryError('planted')
    return y[::8, ::8].copy()
Planted.prepare = cannot
"""
    heard = run_pipeline(configure(clip), detector(), plant).heard
    assert heard.last == Finished(90)
    assert kinds(heard) == {("masked", ""), ("blanked", "detector-failed")}
    assert heard.verdicts[-1].kind == "masked"
    # A late answer to an earlier question may take the alert back before the next copy fails.
    assert heard.alert_codes[0] == ("detector-failed:face", False)
    assert heard.alert_codes[-1] == ("detector-failed:face", True)


def test_a_detector_whose_thread_dies_is_started_anew(clip: Path) -> None:
    plant = f"""
looked = 0
def dies(self, pts_ns, prepared, look=DetectorWorker._look):
    global looked
    looked += self.kind == 'face'
    if self.kind == 'face' and looked == {BAD_FROM}:
        raise SystemExit
    return look(self, pts_ns, prepared)
DetectorWorker._look = dies
"""
    heard = run_pipeline(configure(clip), detector(), plant).heard
    assert heard.last == Finished(90)
    assert heard.verdicts[-1].kind == "masked"
    assert heard.alert_codes == [("detector-failed:face", False), ("detector-failed:face", True)]
    assert any("died" in alert.text for alert in heard.alerts)


# ---- the networks --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [
    "[out * float('nan') for out in outputs]",
    "[out + float('inf') for out in outputs]",
    "[out[..., :1, :1] for out in outputs]",
    "[out[..., :-1] for out in outputs]",
    "[out[:, :0] for out in outputs]",
    "[out.reshape(-1) for out in outputs]",
    "[]",
    "None",
    "[None for out in outputs]",
    "[out.astype(str) for out in outputs]",
], ids=lambda value: value[:40])
def test_a_network_that_answers_nonsense(clip: Path, wrong: str) -> None:
    """The real detectors on the real models; what their networks give is spoilt for a while."""
    plant = f"""
import threading
from firmware.pipeline.detect import runtime
from firmware.pipeline.detect.worker import DetectorWorker
here, looks = threading.local(), dict()
def looking(self, pts_ns, prepared, look=DetectorWorker._look):
    looks[self.kind] = looks.get(self.kind, -1) + 1
    here.bad = {BAD_FROM} <= looks[self.kind] < {BAD_TO - 2}
    return look(self, pts_ns, prepared)
DetectorWorker._look = looking
def spoilt(self, batch, run=runtime.Session.run):
    outputs = run(self, batch)
    return {wrong} if getattr(here, "bad", False) else outputs
runtime.Session.run = spoilt
"""
    heard = run_pipeline(configure(clip, models_dir=str(MODELS_DIR)), plant).heard
    assert heard.last == Finished(90)
    bad = [verdict for verdict in heard.verdicts if verdict.kind == "blanked"]
    assert len(bad) >= 10, "what the networks gave was believed"
    assert {verdict.reason for verdict in bad} <= {"bad-detection", "detector-failed"}
    assert heard.verdicts[0].kind != "blanked"
    assert heard.verdicts[-1].kind != "blanked"
    assert {("detector-failed:face", False), ("detector-failed:face", True), ("detector-failed:text", False),
            ("detector-failed:text", True)} == set(heard.alert_codes)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Our own copy of the models, to spoil."""
    folder = tmp_path / "models"
    folder.mkdir()
    for model in locked().values():
        shutil.copy(MODELS_DIR / model.file, folder)
    return folder


def spoil(path: Path) -> None:
    """One bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", sorted(set(locked()) - {PORTRAIT}))  # that is a picture for the self-test
def test_a_model_with_one_wrong_bit_is_refused_by_name_and_the_right_one_taken_again(
    clip: Path, models: Path, name: str
) -> None:
    path = models / locked()[name].file
    right = path.read_bytes()
    spoil(path)
    refused = []
    for profile in ("live", "thorough"):
        asked = configure(clip, models_dir=str(models), max_seconds=0.1,
                          detect=config.Detect(profile=profile))  # type: ignore[arg-type]
        ran = run_pipeline(asked)
        if isinstance(ran.heard.last, Finished):
            continue  # this profile does not use that model
        assert isinstance(ran.heard.last, Failed)
        assert (ran.heard.last.code, ran.status) == ("part-missing", 13)
        assert "SHA-256" in ran.heard.last.what
        assert path.name in ran.heard.last.what
        assert ran.heard.fragments == []
        refused.append(asked)
    assert refused, "nobody looked at the file"
    path.write_bytes(right)
    heard = run_pipeline(refused[0]).heard
    assert heard.last == Finished(3)
    assert {kind for kind, _ in kinds(heard)} <= {"clean", "masked"}


def test_a_model_that_was_replaced_meanwhile_is_not_taken_at_a_restart(clip: Path, models: Path) -> None:
    plant = f"""
import time
from pathlib import Path
from firmware.pipeline.detect.faces import FaceDetector
looks = 0
def hangs(self, prepared, look=FaceDetector.detect):
    global looks
    looks += 1
    if looks == 5:
        path = Path({str(models / locked()["centerface"].file)!r})
        path.write_bytes(path.read_bytes()[:-1])
        time.sleep(60)
    return look(self, prepared)
FaceDetector.detect = hangs
"""
    ran = run_pipeline(configure(clip, models_dir=str(models), detect=config.Detect(hang_timeout_s=1)), plant)
    assert isinstance(ran.heard.last, Failed)
    assert ran.heard.last.code == "part-missing"
    assert ("detector-failed:face", False) in ran.heard.alert_codes


# ---- the format ----------------------------------------------------------------------------------


def test_another_picture_size_in_mid_stream_ends_by_name_after_every_frame_before_it(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "a.ts", seconds=1)
    second = make_clip(tmp_path / "b.ts", seconds=1, size="640x360")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    ran = run_pipeline(configure(both), detector())
    assert isinstance(ran.heard.last, Failed)
    assert (ran.heard.last.code, ran.status) == ("format-changed", 7)
    assert len(ran.heard.verdicts) == 30
    assert kinds(ran.heard) == {("masked", "")}, "evidence stands to the last frame of the old size"


def test_a_camera_that_changes_its_size_is_a_marked_gap_and_the_recording_goes_on(tmp_path: Path) -> None:
    """The whole device: the pipeline ends by name, the recorder says so, starts a new one and marks the gap."""
    unit = Unit(tmp_path, faces=True, models=str(MODELS_DIR), uri=SCENE + "&change_at=4")
    try:
        listener = unit.start()
        listener.state("READY")
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").ok
        down = listener.event("pipeline-down")
        assert down.fields["code"] == "format-changed"
        listener.event("continued")
        listener.state("RECORDING")
        assert listener.ask("stop").ok
        listener.event("sealed")
        assert unit.stop() == 0
        (path,) = unit.recordings()
        with unit.open(path) as recording:
            assert recording.verify().ok
            records = [stored.record for stored in recording.records(unit.key())]
    finally:
        if unit.process is not None:
            unit.kill9()
    assert ("INTERRUPTED", "format-changed") in [(r.state, r.reason) for r in records if isinstance(r, StateChange)]
    assert any(isinstance(record, Gap) for record in records)
    assert {(r.width, r.height) for r in records if isinstance(r, StreamInfo)} == {(320, 180)}
