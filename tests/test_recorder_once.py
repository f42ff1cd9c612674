"""`record` and `scrub` without a pedal: real pipeline, sealed file, plain MP4, and every way to end early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from firmware.config import Config, Detect, Encode, Paths, Recorder
from firmware.config_file import load
from firmware.errors import ConfigError, DiskFault, KeyFault, Refused, ScrubcamError, SourceMissing
from firmware.messages import Consent, Fragment, Progress
from firmware.recorder.record_once import RecordResult, close_left_open, record
from firmware.recorder.scrub_once import Stopped, scrub
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from hw.sim.disk import SimDisk
from tests.recorder_helpers import CONSENT, SCENE, until

FRAMES = 45


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short film."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=15", "-frames:v", str(FRAMES),
         "-c:v", "ffv1", str(path)], check=True, timeout=60,
    )
    return path


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    new_archive_key(str(tmp_path / "archive.key"), str(tmp_path / "archive.pub"))
    return Config(
        paths=Paths(state_dir=str(tmp_path / "state"), models_dir="models"), encode=Encode(preset="ultrafast"),
        detect=Detect(faces=False, text=False, codes=False), recorder=Recorder(floor_bytes=1_000_000),
    )


def run(cfg: Config, source: str, root: Path, *, seconds: float = 0, consent: Consent = CONSENT,
        stop_when_durable: bool = False, disk: SimDisk | None = None) -> RecordResult:
    stop = threading.Event()

    def on_progress(_: Progress, durable_bytes: int) -> None:
        if stop_when_durable and durable_bytes > 0:
            stop.set()

    return record(cfg, source, root / "out", [("archive", root / "archive.pub")], seconds, consent, on_progress, stop,
                  disk=disk)


def check(result_path: str | Path, root: Path, state: str = "sealed") -> list[Fragment]:
    with Recording.open(str(result_path)) as recording:
        report = recording.verify()
        assert report.ok, report
        assert report.state == state
        return list(recording.fragments(PrivateKey.load(str(root / "archive.key"))))


def test_a_file_is_recorded_whole(cfg: Config, clip: Path, tmp_path: Path) -> None:
    result = run(cfg, str(clip), tmp_path)
    assert result.frames == FRAMES == result.blanked  # without detectors every frame is filled
    assert result.seconds == pytest.approx(3.0, abs=0.01)
    assert result.size_bytes == Path(result.path).stat().st_size
    assert sum(len(f.verdicts) for f in check(result.path, tmp_path)) == FRAMES


def test_a_live_source_stops_after_its_seconds(cfg: Config, tmp_path: Path) -> None:
    result = run(cfg, SCENE, tmp_path, seconds=1.0)
    assert 10 <= result.frames <= 20
    check(result.path, tmp_path)


def test_a_stop_seals(cfg: Config, tmp_path: Path) -> None:
    result = run(cfg, SCENE, tmp_path, stop_when_durable=True)
    assert result.frames > 0
    check(result.path, tmp_path)


def test_what_a_kill_left_open_is_closed_and_gets_its_keys(cfg: Config, tmp_path: Path) -> None:
    (tmp_path / "scrubcam.toml").write_text(
        f'[paths]\nstate_dir = "{tmp_path}/state"\nrecordings_dir = "{tmp_path}/own"\n'
        '[encode]\npreset = "ultrafast"\n[detect]\nfaces = false\ntext = false\ncodes = false\n')
    scrubcam = [sys.executable, "-m", "firmware.cli.main"]
    config = ["--config", str(tmp_path / "scrubcam.toml")]
    process = subprocess.Popen([*scrubcam, "record", SCENE, "-o", str(tmp_path / "out"), "--to",
                                str(tmp_path / "archive.pub"), *config], start_new_session=True)
    path = until(lambda: next((p for p in tmp_path.glob("out/*.scrub") if p.stat().st_size > 60_000), None), 60)
    again = subprocess.run([*scrubcam, "recover", str(path), *config], capture_output=True, text=True, timeout=60)
    assert again.returncode == Refused.exit_code
    assert "still being recorded" in again.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert close_left_open(load(tmp_path / "scrubcam.toml"), str(path)).outcome == "closed"
    kept = path.read_bytes()
    again = subprocess.run([*scrubcam, "recover", str(path), *config], capture_output=True, text=True, timeout=60)
    assert again.returncode == 0
    assert "Was closed" in again.stdout
    assert path.read_bytes() == kept
    assert check(path, tmp_path, "interrupted")
    assert not Keystore.of_device(str(tmp_path / "state")).ids()


def test_the_devices_own_recordings_are_left_to_its_recorder(cfg: Config, clip: Path, tmp_path: Path) -> None:
    result = run(cfg, str(clip), tmp_path)
    own = msgspec.structs.replace(cfg, paths=msgspec.structs.replace(cfg.paths, recordings_dir=str(tmp_path / "out")))
    with pytest.raises(Refused, match="belongs to this device's recorder"):
        close_left_open(own, result.path)


def test_without_consent_or_key_nothing_is_recorded(cfg: Config, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="consent: none"):
        run(cfg, str(clip), tmp_path, consent=Consent())
    (tmp_path / "archive.pub").write_text("nonsense")
    with pytest.raises(KeyFault):
        run(cfg, str(clip), tmp_path)
    assert not list(tmp_path.rglob("*.scrub"))


def test_a_missing_source_makes_no_file(cfg: Config, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        run(cfg, str(tmp_path / "missing.mp4"), tmp_path)
    assert not list(tmp_path.rglob("*.scrub"))


def test_a_truncated_source_seals_what_there_was(cfg: Config, clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    content = clip.read_bytes()
    cut.write_bytes(content[: len(content) * 2 // 3])
    said = ""
    try:
        said = run(cfg, str(cut), tmp_path).path
    except ScrubcamError as error:
        said = str(error)
    (path,) = map(str, tmp_path.rglob("*.scrub"))
    assert path in said
    assert check(path, tmp_path)


def test_a_disk_that_fails_is_named_and_keeps_what_was_whole(cfg: Config, tmp_path: Path) -> None:
    disk = SimDisk(str(tmp_path / "words"))
    timer = threading.Timer(2.5, lambda: (tmp_path / "words").write_text("fail-sync"))
    timer.start()
    with pytest.raises(DiskFault, match="input/output error") as caught:
        run(cfg, SCENE, tmp_path, disk=disk)
    timer.join()
    (path,) = tmp_path.rglob("*.scrub")
    assert str(path) in str(caught.value)
    check(path, tmp_path, "interrupted")


def test_a_full_disk_stops_and_seals(cfg: Config, tmp_path: Path) -> None:
    disk = SimDisk()
    (tmp_path / "out").mkdir()
    small = Config(paths=cfg.paths, encode=cfg.encode, detect=cfg.detect,
                   recorder=Recorder(floor_bytes=disk.free_bytes(str(tmp_path)) // 2))

    def fill() -> None:
        disk.fill(small.recorder.floor_bytes - 1)

    timer = threading.Timer(2.5, fill)
    timer.start()
    with pytest.raises(DiskFault, match="full") as caught:
        run(small, SCENE, tmp_path, disk=disk)
    timer.join()
    (path,) = tmp_path.rglob("*.scrub")
    assert str(path) in str(caught.value)
    check(path, tmp_path)
    with pytest.raises(DiskFault, match="must stay free"):
        run(small, SCENE, tmp_path, disk=disk)


# ---- scrub ---------------------------------------------------------------------------------------


def probe(path: Path) -> dict[str, str]:
    out = subprocess.run(
        ["ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v:0", "-show_entries",
         "stream=width,height,nb_read_frames,r_frame_rate", "-of", "json", str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert out.stderr == ""
    return dict(json.loads(out.stdout)["streams"][0])


def test_scrub_keeps_size_count_and_timing(cfg: Config, clip: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "clean.mp4", tmp_path / "report.json"
    result = scrub(cfg, clip, out, report, False, lambda progress, size: None, threading.Event())
    shown = probe(out)
    assert (shown["width"], shown["height"], shown["nb_read_frames"]) == (160, 90, str(FRAMES))
    assert shown["r_frame_rate"] == "15/1"
    said = json.loads(report.read_text())
    assert said["summary"]["frames"] == result.frames == FRAMES == len(said["verdicts"])
    assert [v["frame"] for v in said["verdicts"]] == list(range(FRAMES))
    assert {v["verdict"] for v in said["verdicts"]} == {"blanked"}
    assert said["source"] == "clip.mkv"
    with pytest.raises(DiskFault, match="exists already"):
        scrub(cfg, clip, out, None, False, lambda progress, size: None, threading.Event())
    scrub(cfg, clip, out, None, False, lambda progress, size: None, threading.Event(), force=True)


def test_scrub_never_leaves_half_a_film(cfg: Config, clip: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        scrub(cfg, clip, tmp_path / "o.mp4", None, False, lambda progress, size: None, stop)
    with pytest.raises(SourceMissing):
        scrub(cfg, tmp_path / "no.mp4", tmp_path / "o.mp4", None, False, lambda progress, size: None,
              threading.Event())
    with pytest.raises(ConfigError):
        scrub(cfg, clip, clip, None, False, lambda progress, size: None, threading.Event(), force=True)
    assert clip.stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir() if "o.mp4" in p.name] == []
