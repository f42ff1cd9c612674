"""The `scrubcam` command as a person meets it: from a file to an MP4, and one clear line for every bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording

CASE = """
state = "given"
video = true
by = "the patient"
evidence = "form 12, signed"
purpose = "To teach one technique."
purpose_class = "education"
audience = "residents"
destination = "the teaching archive"
retention_days = 365
medical_record = "no"
"""
SCENE = "scene://?width=640&height=360&rate=15&seed=3&seconds=2&paced=0&sound=0"


def scrubcam(*words: object, home: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command with its state below `home`; it must end with `code` and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "firmware.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "XDG_STATE_HOME": str(home / "state"), "TERM": "dumb", "COLUMNS": "200"},
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    if code > 2:
        (_, told) = done.stderr.split("scrubcam: ")
        assert ". " in told, "what happened must be followed by what it means or what to do"
    return done


def record(desk: Path, source: Path, out: object, *, to: str = "archive.pub", code: int = 0
           ) -> subprocess.CompletedProcess[str]:
    """Record with a whole case, with the keys and the state of `desk`."""
    return scrubcam("record", source, "--case", desk / "case.toml", "-o", out, "--to", desk / to, home=desk, code=code)


def ffmpeg(*words: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True, timeout=60, stdin=subprocess.DEVNULL)


def turn(source: Path, target: Path) -> None:
    """The same video with a phone's rotation tag, whichever way this ffmpeg writes one."""
    try:
        ffmpeg("-display_rotation", 90, "-i", source, "-c", "copy", target)
    except subprocess.CalledProcessError:
        ffmpeg("-i", source, "-c", "copy", "-metadata:s:v", "rotate=90", target)


def frame_times(path: Path) -> list[float]:
    done = subprocess.run(
        ["ffprobe", "-v", "warning", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0",
         path],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    return [float(line.split(",")[0]) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with archive keys, another archive's keys, a source file and its sealed recording."""
    folder = tmp_path_factory.mktemp("desk")
    scrubcam("keys", "new", "archive", "--dir", folder, home=folder)
    scrubcam("keys", "new", "other", "--dir", folder, home=folder)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30000/1001:duration=2", "-c:v", "libx264", "-pix_fmt",
           "yuv420p", folder / "source.mp4")  # fmt: skip
    (folder / "case.toml").write_text(CASE)
    record(folder, folder / "source.mp4", folder / "kept")
    (sealed,) = (folder / "kept").glob("*.scrub")
    sealed.rename(folder / "sealed.scrub")
    return folder


def test_without_a_whole_case_nothing_is_recorded(desk: Path, tmp_path: Path) -> None:
    words = ("record", desk / "source.mp4", "-o", tmp_path / "out", "--to", desk / "archive.pub")
    assert "consent: none" in scrubcam(*words, home=desk, code=12).stderr
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace('medical_record = "no"', "").replace("residents", ""))
    told = " ".join(scrubcam(*words, "--case", case, home=desk, code=12).stderr.split())
    assert "consent: for which audience is not said (audience)" in told
    assert "consent: whether it becomes part of the medical record is not said (medical_record)" in told
    case.write_text(CASE.replace("given", "perhaps"))
    assert "Invalid enum value" in scrubcam(*words, "--case", case, home=desk, code=3).stderr
    assert not (tmp_path / "out").exists()


def test_the_private_key_says_that_it_never_goes_on_a_device(tmp_path: Path) -> None:
    told = scrubcam("keys", "new", "archive", "--dir", tmp_path, home=tmp_path).stdout
    assert "never goes on a device" in told
    assert (tmp_path / "archive.key").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "archive.key").read_bytes()
    scrubcam("keys", "new", "archive", "--dir", tmp_path, home=tmp_path, code=9)
    assert (tmp_path / "archive.key").read_bytes() == before


def test_a_file_becomes_a_sealed_recording_and_an_mp4_with_the_same_frames(desk: Path, tmp_path: Path) -> None:
    sealed = desk / "sealed.scrub"
    assert "60: " in scrubcam("info", sealed, home=desk).stdout
    assert "Intact, complete and signed." in scrubcam("verify", sealed, home=desk).stdout
    scrubcam("export", sealed, "--key", desk / "archive.key", "-o", tmp_path / "out.mp4", home=desk)
    times, source = frame_times(tmp_path / "out.mp4"), frame_times(desk / "source.mp4")
    assert len(times) == 60
    assert times == pytest.approx(source, abs=1e-5)


def test_an_export_replaces_nothing_unasked(desk: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    words = ("export", desk / "sealed.scrub", "--key", desk / "archive.key", "-o", target)
    scrubcam(*words, home=desk, code=8)
    assert target.read_text() == "precious"
    scrubcam(*words, "--force", home=desk)
    assert len(frame_times(target)) == 60


def test_the_wrong_key_and_no_key_open_nothing(desk: Path, tmp_path: Path) -> None:
    for key in ("other.key", "missing.key", "archive.pub"):
        words = ("export", desk / "sealed.scrub", "--key", desk / key, "-o", tmp_path / "x.mp4")
        told = scrubcam(*words, home=desk, code=9)
        assert told.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named_and_what_is_before_the_damage_can_be_exported(desk: Path, tmp_path: Path) -> None:
    content = bytearray((desk / "sealed.scrub").read_bytes())
    content[len(content) * 3 // 4] ^= 1
    damaged = tmp_path / "damaged.scrub"
    damaged.write_bytes(content)
    assert "record " in scrubcam("verify", damaged, home=desk, code=10).stderr
    key = desk / "archive.key"
    scrubcam("export", damaged, "--key", key, "-o", tmp_path / "a.mp4", home=desk, code=10)
    assert not (tmp_path / "a.mp4").exists()
    scrubcam("export", damaged, "--key", key, "-o", tmp_path / "a.mp4", "--partial", home=desk)
    assert 0 < len(frame_times(tmp_path / "a.mp4")) < 60


def test_a_cut_off_copy_is_intact_but_never_closed_and_has_lost_its_keys(desk: Path, tmp_path: Path) -> None:
    content = (desk / "sealed.scrub").read_bytes()
    cut = tmp_path / "cut.scrub"
    cut.write_bytes(content[: len(content) // 2])
    assert "never closed" in scrubcam("verify", cut, home=desk, code=16).stderr
    words = ("export", cut, "--key", desk / "archive.key", "-o", tmp_path / "cut.mp4")
    assert "--keystore" in scrubcam(*words, home=desk, code=9).stderr
    Keystore(str(tmp_path / "keystore")).put(*envelope_of(desk / "sealed.scrub"))
    scrubcam(*words, "--keystore", tmp_path / "keystore", home=desk)
    assert 0 < len(frame_times(tmp_path / "cut.mp4")) < 60


def envelope_of(sealed: Path) -> tuple[str, bytes]:
    with Recording.open(str(sealed)) as recording:
        return recording.header.recording_id, recording.key_envelope()


def test_what_is_not_a_recording_is_said_to_be_none(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.scrub").touch()
    for path in (desk / "source.mp4", tmp_path / "empty.scrub"):
        export = ("export", path, "--key", desk / "archive.key", "-o", tmp_path / "x.mp4")
        for words in (("info", path), ("verify", path), export):
            scrubcam(*words, home=desk, code=10)
    scrubcam("verify", tmp_path / "missing.scrub", home=desk, code=8)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, 4),
        (lambda path: path.touch(), 5),
        (lambda path: path.write_bytes(os.urandom(50_000)), 5),
        (lambda path: ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path), 6),
    ],
    ids=["missing", "zero length", "rubbish", "no picture"],
)
def test_a_source_that_cannot_be_recorded_is_refused_and_leaves_nothing(
    desk: Path, tmp_path: Path, make: object, code: int
) -> None:
    source = tmp_path / "in.mp4"
    make(source)  # type: ignore[operator]
    record(desk, source, tmp_path / "out", code=code)
    scrubcam("scrub", source, "-o", tmp_path / "out.mp4", home=desk, code=code)
    assert not list(tmp_path.glob("out*/*")) + list(tmp_path.glob("*.mp4.*")) + list(tmp_path.glob("out.mp4"))


def test_a_file_cut_short_keeps_what_can_be_read(desk: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    ffmpeg("-i", desk / "source.mp4", "-c", "copy", whole)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    record(desk, cut, tmp_path / "out", code=5)
    (sealed,) = (tmp_path / "out").glob("*.scrub")
    scrubcam("verify", sealed, home=desk)


def test_a_format_change_in_mid_stream_ends_with_what_was_recorded_sealed(desk: Path, tmp_path: Path) -> None:
    parts = []
    for number, size in enumerate(("640x360", "320x240")):
        parts.append(tmp_path / f"part{number}.ts")
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30:duration=2", "-c:v", "libx264",
               "-pix_fmt", "yuv420p", "-output_ts_offset", 2 * number, parts[-1])  # fmt: skip
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    record(desk, joined, tmp_path / "out", code=7)
    (sealed,) = (tmp_path / "out").glob("*.scrub")
    scrubcam("verify", sealed, home=desk)


def test_odd_sizes_rotation_and_a_variable_rate_are_recorded_as_they_are(desk: Path, tmp_path: Path) -> None:
    odd, turned, varying = tmp_path / "odd.mkv", tmp_path / "turned.mp4", tmp_path / "varying.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15:duration=1,scale=639:359", "-c:v", "ffv1", odd)
    turn(desk / "source.mp4", turned)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=3,select='not(mod(n,3))+not(mod(n,7))'",
           "-fps_mode", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p", varying)  # fmt: skip
    late = tmp_path / "late.mp4"
    ffmpeg("-i", desk / "source.mp4", "-c", "copy", "-output_ts_offset", 0.8, late)
    assert frame_times(late)[0] == pytest.approx(0.8, abs=0.01)
    for source, size in ((odd, "639x359"), (turned, "360x640"), (varying, "640x360"), (late, "640x360")):
        out = tmp_path / source.stem
        record(desk, source, out)
        (sealed,) = out.glob("*.scrub")
        assert size in scrubcam("info", sealed, home=desk).stdout
        scrubcam("export", sealed, "--key", desk / "archive.key", "-o", out / "out.mp4", home=desk)
        assert frame_times(out / "out.mp4") == pytest.approx(frame_times(source), abs=0.0011)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_recorded(desk: Path) -> None:
    record(desk, desk / "source.mp4", "/proc/nowhere", code=8)


def test_a_private_key_on_a_device_is_refused(desk: Path, tmp_path: Path) -> None:
    told = record(desk, desk / "source.mp4", tmp_path, to="archive.key", code=9)
    assert "private" in told.stderr


def test_a_wrong_configuration_is_told_line_by_line(tmp_path: Path) -> None:
    wrong = tmp_path / "scrubcam.toml"
    wrong.write_text('[encode]\nbitrate_bps = 5\n\n[sound]\nenabeld = true\n')
    done = scrubcam("run", "--config", wrong, home=tmp_path, code=3)
    assert "scrubcam.toml:2" in done.stderr
    assert "scrubcam.toml:5" in done.stderr
    assert "enabled" in done.stderr, "the nearest known key is suggested"
    scrubcam("run", "--config", tmp_path / "missing.toml", home=tmp_path, code=3)


def test_a_missing_model_is_a_named_fault_and_nothing_is_recorded(desk: Path, tmp_path: Path) -> None:
    settings = tmp_path / "scrubcam.toml"
    settings.write_text(f'[paths]\nmodels_dir = "{tmp_path}"\n')
    scrubcam("record", SCENE, "-o", tmp_path / "out", "--to", desk / "archive.pub", "--config", settings, home=desk,
             code=13)  # fmt: skip
    assert not list(tmp_path.glob("out/*"))


def test_scrub_writes_a_plain_mp4_and_a_verdict_for_each_frame(desk: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    scrubcam("scrub", desk / "source.mp4", "-o", out, "--report", report, home=desk)
    assert frame_times(out) == pytest.approx(frame_times(desk / "source.mp4"), abs=1e-5)
    told = json.loads(report.read_text())
    assert [verdict["frame"] for verdict in told["verdicts"]] == list(range(60))
    assert {verdict["verdict"] for verdict in told["verdicts"]} <= {"clean", "masked", "blanked"}


def test_the_self_test_sends_planted_faces_through_the_whole_path(tmp_path: Path) -> None:
    assert "Fit to record." in scrubcam("selftest", home=tmp_path).stdout


def test_help_and_version_are_there_for_every_command() -> None:
    for command in ("", "run", "record", "scrub", "info", "verify", "export", "keys new", "selftest"):
        assert "Usage" in scrubcam(*command.split(), "--help", home=Path("/nonexistent")).stdout
    assert scrubcam("--version", home=Path("/nonexistent")).stdout.startswith("scrubcam 0.")
    scrubcam("recrod", home=Path("/nonexistent"), code=2)
