"""`record` and `scrub` without a pedal: real pipeline, sealed file, plain MP4, and every way to end early."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from firmware.config import Config, Detect, Encode, Paths, Recorder
from firmware.errors import ConfigError, DiskFault, KeyFault, Refused, ScrubcamError, SourceMissing
from firmware.messages import Consent, Fragment, Progress
from firmware.recorder.record_once import RecordResult, record
from firmware.recorder.scrub_once import Stopped, scrub
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.reader import Recording
from hw.sim.disk import SimDisk
from tests.recorder_helpers import CONSENT, SCENE

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
        stop: threading.Event | None = None, disk: SimDisk | None = None) -> RecordResult:
    seen: list[tuple[Progress, int]] = []
    stop = stop or threading.Event()
    return record(cfg, source, root / "out", [("archive", root / "archive.pub")], seconds, consent,
                  lambda progress, size: seen.append((progress, size)), stop, disk=disk)


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
    stop = threading.Event()
    timer = threading.Timer(3.0, stop.set)
    timer.start()
    result = run(cfg, SCENE, tmp_path, stop=stop)
    timer.join()
    assert result.frames > 0
    check(result.path, tmp_path)


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
