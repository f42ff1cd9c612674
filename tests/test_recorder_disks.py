"""The recorder on real and failing disks: a full one ends in a sealed file, a second one takes the recording over."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.messages import Fragment
from tests.recorder_helpers import CONSENT, Listener, Unit, until

MB = 1_000_000
FLOOR = 4 * MB


class SmallDisk:
    """16 MB at `folder`: a file system of its own where this user may mount one, else a simulated disk of that size."""

    def __init__(self, unit: Unit, folder: Path) -> None:
        self._unit, self.folder = unit, folder
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "scrubcam-test", str(folder)], capture_output=True,
        )
        self.real = mounted.returncode == 0
        print(f"small disk: {'tmpfs' if self.real else 'simulated, no right to mount'}")

    def leave(self, free_bytes: int) -> None:
        """Fill it from outside until so much is left."""
        if not self.real:
            self._unit.disk(f"room-{free_bytes}")
            return
        stat = os.statvfs(self.folder)
        with open(self.folder / "ballast", "ab") as file:
            file.write(bytes(stat.f_bavail * stat.f_frsize - free_bytes))

    def empty(self) -> None:
        self._unit.disk("")
        (self.folder / "ballast").unlink(missing_ok=True)

    def remove(self) -> None:
        if self.real:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    yield unit
    if unit.process is not None:
        unit.kill9()


@pytest.fixture
def small(unit: Unit) -> Iterator[SmallDisk]:
    disk = SmallDisk(unit, unit.root / "rec")
    unit.configure("recorder", floor_bytes=FLOOR, reserve_bytes=FLOOR, warn_hours=0.015)
    yield disk
    disk.remove()


@pytest.fixture
def second(unit: Unit) -> Path:
    unit.configure("paths", second_recordings_dir=str(unit.root / "rec2"))
    return unit.root / "rec2"


def start(unit: Unit) -> Listener:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    return listener


def alert(listener: Listener, code: str, kind: str = "alert") -> str:
    def told() -> list[str]:
        listener.read()
        return [str(e.fields["text"]) for e in listener.events if e.kind == kind and e.fields["code"] == code]

    return until(told, what=f"{kind} {code}")[0]


def fragments(path: Path, unit: Unit) -> list[Fragment]:
    with unit.open(path) as recording:
        assert recording.verify().ok
        return list(recording.fragments(unit.key()))


def parts(unit: Unit, listener: Listener) -> tuple[Path, Path]:
    """Both files of a recording that went on on the second disk, checked against the event that tells of it."""
    event = listener.event("continues")
    first = unit.root / "rec" / f"{event.fields['earlier']}.scrub"
    after = unit.root / "rec2" / f"{event.recording_id}.scrub"
    with unit.open(after) as recording:
        assert recording.header.settings["continues"] == event.fields["earlier"]
    return first, after


def test_a_small_disk_warns_ends_in_a_sealed_file_and_refuses_until_there_is_room(unit: Unit, small: SmallDisk) -> None:
    listener = start(unit)
    small.leave(FLOOR + 5 * MB)
    assert "h left at the present rate" in alert(listener, "disk-low")
    assert listener.states[-1].state == "RECORDING"
    small.leave(FLOOR - MB // 2)
    assert listener.event("sealed").fields["reason"] == "disk-full"
    unit.light("record", "off")
    (path,) = unit.recordings()
    with unit.open(path) as recording:
        report = recording.verify()
        assert report.complete
        assert report.fragments
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").reason == "disk: 0.0 h left, 0.1 h needed"
    assert listener.states[-1].hours_left == 0.0
    small.empty()
    alert(listener, "disk-low", "alert-cleared")
    assert listener.ask("start").ok
    listener.state("RECORDING")
    assert unit.stop() == 0


def test_a_full_disk_hands_the_recording_to_the_second(unit: Unit, small: SmallDisk, second: Path) -> None:
    listener = start(unit)
    small.leave(FLOOR - MB // 2)
    listener.event("sealed")
    listener.event("started", count=2)
    unit.light("record", "on")
    assert listener.ask("stop").ok
    listener.event("sealed", count=2)
    first, after = parts(unit, listener)
    assert [e.recording_id for e in listener.events if e.kind == "sealed"] == [first.stem, after.stem]
    with unit.open(first) as recording:
        assert recording.verify().end_reason == "disk-full"
    assert unit.stop() == 0
    earlier, later = fragments(first, unit), fragments(after, unit)
    assert later[0].keyframe
    assert later[0].seq <= earlier[-1].seq + 1, "pictures were lost on the way"
    assert [f.seq for f in later] == list(range(later[0].seq, later[0].seq + len(later)))


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("fail-sync", "input/output error. Do: stop using"), ("gone", "the disk is gone. Do: reconnect"),
     ("read-only", "the disk is read-only. Do: check"), ("hang-sync", "disk: no answer for 2 s. Do: check")],
)
def test_a_disk_that_fails_is_named_and_nothing_is_lost(unit: Unit, second: Path, trouble: str, said: str) -> None:
    listener = start(unit)
    unit.disk(trouble)
    assert said in str(listener.event("continues").fields["cause"])
    if trouble == "hang-sync":
        assert "Do: check the disk" in alert(listener, "disk-stalled")
    alert(listener, "disk-first")
    listener.event("started", count=2)
    unit.light("record", "on")
    assert listener.ask("stop").ok
    listener.event("sealed")
    first, after = parts(unit, listener)
    unit.disk("")
    assert unit.stop() == 0
    listener = unit.start()
    assert listener.event("recovered").recording_id == first.stem
    assert unit.stop() == 0
    earlier, later = fragments(first, unit), fragments(after, unit)
    assert later[0].keyframe
    assert later[0].seq <= earlier[-1].seq + 1, "pictures were lost on the way"
    assert [f.seq for f in later] == list(range(later[0].seq, later[0].seq + len(later)))


def test_an_absent_second_disk_is_told_and_an_absent_first_one_is_replaced(unit: Unit) -> None:
    unit.configure("paths", second_recordings_dir=str(unit.root / "stick" / "rec2"))
    listener = unit.start()
    assert "not there" in alert(listener, "disk-second")
    listener.state("READY")
    assert unit.stop() == 0
    (unit.root / "stick").mkdir()
    unit.disk("gone")
    listener = start(unit)  # the first file's very first byte is refused: the recording begins on the other
    assert "the disk is gone" in str(listener.event("continues").fields["cause"])
    assert listener.ask("stop").ok
    listener.event("sealed")
    assert len(list((unit.root / "stick" / "rec2").glob("*.scrub"))) == 1
    assert unit.stop() == 0
