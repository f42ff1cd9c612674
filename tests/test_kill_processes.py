"""kill -9 of the pipeline and of the recorder during a recording: what is kept, what is said, what can be played.

SCRUBCAM_KILLS sets how many random moments the recorder is killed at (3 in the suite).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware.export.mp4 import export_mp4
from firmware.messages import Fragment
from firmware.paths import default_models_dir
from firmware.vault.records import Gap
from hw.ports import EndOfStream
from hw.sim.scene import SceneSource
from tests.recorder_helpers import CONSENT, SCENE, Unit, children_of, files_under, runs

KILLS = int(os.environ.get("SCRUBCAM_KILLS", "3"))
LOST_S = 1.5
"""What a kill may cost at most."""
SEED = int(os.environ.get("SCRUBCAM_SEED", str(random.SystemRandom().randrange(10**6))))


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    yield from lent(Unit(tmp_path, preroll_s=5.0))


@pytest.fixture
def seeing_unit(tmp_path: Path) -> Iterator[Unit]:
    """With its real detectors."""
    yield from lent(Unit(tmp_path, preroll_s=5.0, faces=True, models=str(default_models_dir())))


def lent(unit: Unit) -> Iterator[Unit]:
    yield unit
    if unit.process is not None:
        unit.process.kill()
        unit.process.wait(10)
        unit._forget()


def records(unit: Unit, path: Path) -> list[object]:
    with unit.open(path) as recording:
        return [stored.record for stored in recording.records(unit.key())]


def play(unit: Unit, path: Path) -> int:
    """Open, export and decode it whole; the number of frames that came out."""
    out = unit.root / "out.mp4"
    exported = export_mp4(records(unit, path), str(out), force=True)
    probe = subprocess.run(
        [shutil.which("ffprobe") or "ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v:0",
         "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(out)],
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert probe.stderr == "", probe.stderr
    assert int(probe.stdout) == exported.frames
    return exported.frames


def test_killing_the_pipeline_leaves_a_marked_gap_and_nothing_else(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    time.sleep(1.0)
    assert unit.process is not None
    (pipeline,) = children_of(unit.process.pid)
    os.kill(pipeline, signal.SIGKILL)
    listener.state("INTERRUPTED")
    listener.state("RECORDING")
    listener.event("continued")
    unit.light("record", "on")
    time.sleep(1.0)
    assert listener.ask("stop").ok
    listener.event("sealed")
    assert unit.stop() == 0

    (path,) = unit.recordings()
    with unit.open(path) as recording:
        assert recording.verify().ok
    kept = records(unit, path)
    (gap,) = [record for record in kept if isinstance(record, Gap)]
    fragments = [record for record in kept if isinstance(record, Fragment)]
    before = max(f.pts_ns + f.duration_ns for f in fragments if f.pts_ns < gap.pts_ns)
    after = min(f.pts_ns for f in fragments if f.pts_ns >= gap.pts_ns)
    assert gap.pts_ns == before
    assert gap.pts_ns + gap.duration_ns == after
    print(f"the gap is {gap.duration_ns / 1e9:.2f} s long")
    first_after = next(f for f in fragments if f.pts_ns == after)
    assert first_after.keyframe
    play(unit, path)


@pytest.mark.timeout(60 + 30 * KILLS)
def test_killing_the_recorder_loses_at_most_the_last_moment(unit: Unit) -> None:
    rng = random.Random(SEED)
    print(f"SCRUBCAM_SEED={SEED}")
    closed: list[Path] = []
    for round_ in range(KILLS):
        listener = unit.start()
        listener.state("READY")
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").ok
        listener.state("RECORDING")
        time.sleep(rng.uniform(0.0, 2.5))
        assert unit.process is not None
        (pipeline,) = children_of(unit.process.pid)
        killed_s = unit.kill9()
        new = [path for path in unit.recordings() if path not in closed]
        assert len(new) == 1
        closed += new

        # Nothing of it is open to the next one: the pipeline died with its recorder.
        listener = unit.start()
        assert listener.event("recovered", count=round_ + 1).fields["outcome"] == "closed"
        assert not runs(pipeline), "the pipeline outlived its recorder"
        assert unit.stop() == 0
        with unit.open(new[0]) as recording:
            report = recording.verify()
        assert report.ok, report
        assert report.state == "interrupted"
        fragments = [record for record in records(unit, new[0]) if isinstance(record, Fragment)]
        end_s = max(f.pts_ns + f.duration_ns for f in fragments) / 1e9
        assert killed_s - end_s < LOST_S, f"{killed_s - end_s:.2f} s before the kill are missing"
        assert play(unit, new[0]) == sum(len(f.verdicts) for f in fragments)
        print(f"kill {round_}: {killed_s - end_s:.2f} s lost, {len(fragments)} fragments")


def test_no_plaintext_is_on_any_disk(seeing_unit: Unit) -> None:
    unit = seeing_unit
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    time.sleep(1.0)
    during = {path: path.read_bytes() for path in files_under(unit.root)}
    assert unit.process is not None
    for pid in (unit.process.pid, *children_of(unit.process.pid)):
        for path in files_open_for_writing(pid):
            assert path.is_relative_to(unit.root), f"process {pid} writes to {path}"
    unit.kill9()
    after = {path: path.read_bytes() for path in files_under(unit.root)}

    fragments = [r for r in records_unfinished(unit) if isinstance(r, Fragment)]
    assert fragments
    # Long enough that ciphertext does not hold one by chance.
    marks = {b"mfhd\0\0\0\0", b"tfdt\1\0\0\0", b"mvhd\0\0\0\0", b"mvhd\1\0\0\0", b"ftypisom", b"ftypiso5"}
    marks |= {fragment.data[-48:] for fragment in fragments}  # the encoded pictures themselves
    marks |= set(camera_rows())
    assert any(mark in fragment.data for mark in marks for fragment in fragments)
    for files in (during, after):
        assert any(path.suffix == ".scrub" for path in files)
        for path, content in files.items():
            for mark in marks:
                assert mark not in content, f"{mark!r} stands in clear in {path.name}"


def camera_rows() -> list[bytes]:
    """Stretches of the scene's own first pictures, as the camera delivers them: the marker to look for."""
    source = SceneSource(SCENE + "&paced=0&seconds=1")
    fmt = source.open()
    frame = np.empty(fmt.frame_bytes, np.uint8)
    rows = []
    with contextlib.suppress(EndOfStream):
        while True:
            source.read(frame, 5.0)
            picture = frame[: fmt.width * fmt.height].reshape(fmt.height, fmt.width)
            rows += [row[100:148].tobytes() for row in picture[::20] if len(np.unique(row[100:148])) > 8]
    source.close()
    assert len(rows) > 20
    return rows


def files_open_for_writing(pid: int) -> list[Path]:
    """Regular files that a process has open for writing, deleted ones too, but for its two log streams.

    Memory for machine code that a library makes (libffi, ORC) is a deleted file as well: it is mapped executable.
    """
    code = {line.split()[4] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "x" in line.split()[1]}
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if link.name in ("1", "2"):
            continue
        try:
            flags = int((Path(f"/proc/{pid}/fdinfo") / link.name).read_text().split("flags:")[1].split()[0], 8)
            file = link.stat()
            if stat.S_ISREG(file.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY and str(file.st_ino) not in code:
                found.append(link.readlink())
        except FileNotFoundError:
            continue  # closed while we looked
    return found


def records_unfinished(unit: Unit) -> list[object]:
    """What an unclosed file holds, as far as it is whole."""
    with unit.open() as recording:
        return [stored.record for stored in recording.records(unit.key(), tolerant=True)]
