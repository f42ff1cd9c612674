"""From pedal to archive to deletion, on a running device: what is listed, handed over, told, kept and deleted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from firmware.config import Config, Paths, Retention
from firmware.errors import Refused
from firmware.export.handover import HandedOver, hand_over, to_hand_over
from firmware.recorder import machine_types as t
from firmware.recorder.tidy import Tidy
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import HandOver, Ledger, Mark
from firmware.vault.reader import Recording
from firmware.vault.retention import standing
from firmware.vault.survey import survey
from hw.sim.clock import SimClock
from tests.recorder_helpers import CONSENT, Listener, Unit, until
from tests.vault_helpers import seal, some_records

WIDE = os.environ | {"COLUMNS": "200"}


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    yield unit
    if unit.process is not None:
        unit.kill9()


def scrubcam(unit: Unit, *words: str, fails: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "firmware.cli.main", *words, "--config", str(unit.config)],
                          env=WIDE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def record(listener: Listener, count: int, seconds: float = 0.6) -> str:
    """One more recording; its id."""
    listener.ask("consent", consent=replace(CONSENT, retention_days=2))
    assert listener.ask("start").ok
    listener.state("RECORDING")
    time.sleep(seconds)
    assert listener.ask("stop").ok
    sealed = listener.event("sealed", count=count)
    listener.state("READY")
    return sealed.recording_id


def rows(unit: Unit) -> dict[str, str]:
    """The lines of `scrubcam recordings` by id."""
    lines = scrubcam(unit, "recordings").splitlines()
    return {line.split()[0]: line for line in lines if line.split() and line.split()[0] in ids(unit)}


def ids(unit: Unit) -> list[str]:
    return [path.stem for path in unit.recordings()]


def test_from_the_device_to_the_archive_and_off_the_device(unit: Unit, tmp_path: Path) -> None:
    unit.configure("retention", after_handover_days=0, own_days="instead")
    listener = unit.start()
    listener.state("READY")
    first, second = record(listener, 1), record(listener, 2)
    assert all("no: not handed over" in row for row in rows(unit).values())
    usb = tmp_path / "usb"
    usb.mkdir()
    assert "would be lost with the first" in scrubcam(unit, "handover", str(usb), fails=3)
    told = scrubcam(unit, "handover", str(usb), "--same-disk", "--id", first, "--name", "drive 7")
    assert f"Handed over {usb / first}.scrub" in told
    assert "its time is not over" in rows(unit)[first]
    assert "no: not handed over" in rows(unit)[second]
    assert unit.stop() == 0

    unit.configure("retention", make_room=True)
    unit.configure("recorder", reserve_bytes=10**15)
    listener = unit.start()
    event = listener.event("handed-over")
    assert (event.recording_id, event.fields["verified"]) == (first, True)
    assert "drive 7" not in str(event), "what a person typed leaves the device"
    deleted = listener.event("deleted")
    assert deleted.recording_id == first
    assert listener.event("deleting").seq < deleted.seq
    assert ids(unit) == [second], "what was not handed over was deleted"
    assert Keystore.of_device(str(tmp_path / "state")).ids() == [second]
    assert f"drive 7: {usb / first}.scrub" in scrubcam(unit, "recordings", "--deleted")
    assert unit.stop() == 0
    with Recording.open(str(usb / f"{first}.scrub")) as copy:
        assert copy.verify().complete
        assert list(copy.fragments(unit.key()))


class Rounds:
    """Tidy on two old recordings that were handed over; the test says when the recorder rests."""

    def __init__(self, root: Path) -> None:
        paths = Paths(recordings_dir=str(root / "rec"), state_dir=str(root / "state"))
        rules = Retention(education_days=1, own_days="ignore", after_handover_days=0)
        self.clock = SimClock(unix_s=1_900_000_000.0)
        self.reports: list[t.MachineEvent] = []
        self.told: list[tuple[str, str]] = []
        self.on_tell: Callable[[], None] = lambda: None
        self.tidy = Tidy(Config(paths=paths, retention=rules), self.clock, self.tell, lambda: None, self.reports.append)
        (root / "rec").mkdir()
        ledger = Ledger.of_device(paths.state_dir)
        for recording_id in ("first", "second"):
            seal(paths.recordings_dir, some_records(1), recording_id=recording_id)
        (root / "state").mkdir()
        (root / "rec" / "keystore").rename(root / "state" / "keystore")
        for one in survey(paths.targets, ledger):
            ledger.add_handover(one.recording_id, HandOver("usb", one.chain, 1, 1_800_000_000.0, True))

    def tell(self, kind: str, recording_id: str, fields: object) -> None:
        self.told.append((kind, recording_id))
        self.on_tell()

    def tick(self, resting: bool, after_s: float = 0.0) -> None:
        self.clock.advance(after_s)
        self.tidy.tick(self.clock.monotonic_ns(), resting, 0)


def test_nothing_is_deleted_while_recording_and_a_start_ends_a_round(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    for _ in range(50):
        rounds.tick(False, after_s=10)
    time.sleep(0.2)
    assert rounds.told == []
    rounds.on_tell = lambda: rounds.tick(False) if ("deleting", "first") in rounds.told else None
    rounds.tick(True)
    rounds.tick(True, after_s=3)
    until(lambda: ("deleted", "first") in rounds.told, what="the first deletion")
    time.sleep(0.3)
    assert ("deleting", "second") not in rounds.told, "it went on though the recorder had started"
    rounds.on_tell = lambda: None
    rounds.tick(True)
    rounds.tick(True, after_s=3)
    until(lambda: rounds.reports[-1:] == [t.Alerted("retention", cleared=True)], what="a whole round")
    assert [told for told in rounds.told if told[0] != "handed-over"] == [
        ("deleting", "first"), ("deleted", "first"), ("deleting", "second"), ("deleted", "second"),
    ]
    assert [told for told in rounds.told if told[0] == "handed-over"] == [
        ("handed-over", "first"), ("handed-over", "second"),
    ]


def test_a_copy_that_was_changed_counts_no_more_and_one_that_was_taken_away_does(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    usb = tmp_path / "usb"
    usb.mkdir()
    ledger, keys = Ledger.of_device(str(tmp_path / "state")), Keystore.of_device(str(tmp_path / "state"))
    for path in (tmp_path / "state" / "ledger").iterdir():
        path.unlink()
    found = survey([str(tmp_path / "rec")], ledger)
    assert not hand_over(found, keys, ledger, str(usb), "usb", lambda: 1_800_000_000.0, lambda *_: None,
                         lambda _id: ()).failed
    (usb / "first.scrub").rename(tmp_path / "taken-away")
    changed = bytearray((usb / "second.scrub").read_bytes())
    changed[len(changed) // 2] ^= 1
    (usb / "second.scrub").write_bytes(changed)
    rounds.tick(True)
    rounds.tick(True, after_s=3)
    until(lambda: rounds.reports[-1:] == [t.Alerted("retention", cleared=True)], what="a whole round")
    assert [path.name for path in (tmp_path / "rec").iterdir()] == ["second.scrub"]
    assert keys.ids() == ["second"]
    assert ("copy-changed", "second") in rounds.told
    assert ("deleting", "second") not in rounds.told
    (second,) = survey([str(tmp_path / "rec")], ledger)
    assert "its copy was changed" in standing(second, Retention(), 1_900_000_000.0).why
    assert to_hand_over([second]) == [second]


def test_a_fault_at_one_recording_holds_up_no_other(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    (tmp_path / "here").mkdir()  # stands where the copy should be: it cannot be read
    ledger = Ledger.of_device(str(tmp_path / "state"))
    (first, _) = survey([str(tmp_path / "rec")], ledger)
    (tmp_path / "state" / "ledger" / "first.handover.0").unlink()
    ledger.add_handover("first", HandOver("usb", first.chain, 1, 1_800_000_000.0, True, str(tmp_path / "here")))
    rounds.tick(True)
    rounds.tick(True, after_s=3)
    until(lambda: rounds.reports, what="a whole round")
    (report,) = rounds.reports
    assert isinstance(report, t.Alerted)
    assert not report.cleared
    assert [path.name for path in (tmp_path / "rec").iterdir()] == ["first.scrub"]


def test_a_damaged_line_of_the_ledger_keeps_its_recording_and_no_other(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    (tmp_path / "state" / "ledger" / "first.handover.0").write_text("{")
    Ledger.of_device(str(tmp_path / "state")).mark("third", "deleting", Mark("time-over", 1.0))
    (tmp_path / "state" / "ledger" / "third.deleting").write_text("{")
    rounds.tick(True)
    rounds.tick(True, after_s=3)
    until(lambda: rounds.reports, what="a whole round")
    (report,) = rounds.reports
    assert isinstance(report, t.Alerted)
    assert "third.deleting is damaged" in report.text
    assert [path.name for path in (tmp_path / "rec").iterdir()] == ["first.scrub"]
    (first,) = survey([str(tmp_path / "rec")], Ledger.of_device(str(tmp_path / "state")))
    assert "first.handover.0 is damaged" in standing(first, Retention(), 1_900_000_000.0).why


def hand_over_all(root: Path, target: Path) -> HandedOver:
    ledger = Ledger(str(root / "ledger"))
    found = survey([str(root / "rec")], ledger)
    return hand_over(found, Keystore(str(root / "rec" / "keystore")), ledger, str(target), "usb", lambda: 1.0,
                     lambda *_: None, lambda _id: ())


def test_what_a_killed_hand_over_left_goes_and_what_another_device_writes_stays(tmp_path: Path) -> None:
    seal(str(tmp_path / "rec"), some_records(2), recording_id="first")
    usb = tmp_path / "usb"
    usb.mkdir()
    left, others = usb / ".first.scrub.0123456789ab.tmp", usb / ".second.scrub.0123456789ab.tmp"
    for path in (left, others):
        path.write_bytes(b"a part")
    assert hand_over_all(tmp_path, usb).done == ["first"]
    assert sorted(path.name for path in usb.iterdir()) == [others.name, "first.scrub"]


def test_a_recording_that_is_erased_while_it_is_copied_is_not_handed_over(tmp_path: Path) -> None:
    seal(str(tmp_path / "rec"), some_records(2), recording_id="first")
    (tmp_path / "usb").mkdir()
    ledger, keys = Ledger(str(tmp_path / "ledger")), Keystore(str(tmp_path / "rec" / "keystore"))
    (one,) = survey([str(tmp_path / "rec")], ledger)

    def last_byte(_recording_id: str, done: int, total: int) -> None:
        if done == total:
            keys.destroy("first")

    result = hand_over([one], keys, ledger, str(tmp_path / "usb"), "usb", lambda: 1.0, last_byte, lambda _id: ())
    assert "was erased while it was copied" in str(result.failed["first"])
    assert list((tmp_path / "usb").iterdir()) == []
    assert [one.verified for one in ledger.handovers("first")] == [False]


def test_one_hand_over_at_a_time(tmp_path: Path) -> None:
    seal(str(tmp_path / "rec"), some_records(2), recording_id="first")
    (tmp_path / "usb").mkdir()
    with Ledger(str(tmp_path / "ledger")).handing_over(), pytest.raises(Refused, match="under way"):
        hand_over_all(tmp_path, tmp_path / "usb")
    assert list((tmp_path / "usb").iterdir()) == []
    assert hand_over_all(tmp_path, tmp_path / "usb").done == ["first"]


def test_a_hold_and_an_unverified_or_foreign_copy_keep_a_recording(unit: Unit, tmp_path: Path) -> None:
    listener = unit.start()
    listener.state("READY")
    first = record(listener, 1)
    officer = tmp_path / "officer"
    officer.write_text("correct horse battery")
    passphrase = ("--as", "kim", "--passphrase-file", str(officer))
    for name, role in (("root", "administrator"), ("kim", "privacy-officer")):
        by = () if name == "root" else ("--as", "root", "--passphrase-file", str(officer))
        scrubcam(unit, "roles", "set", name, "--role", role, "--new-passphrase-file", str(officer), *by)
    assert "role: hold needs" in scrubcam(unit, "hold", first, fails=12)
    scrubcam(unit, "hold", first, "--reason", "inquiry", *passphrase)
    assert "held: inquiry" in rows(unit)[first]
    scrubcam(unit, "hold", first, "--release", *passphrase)
    assert "held" not in rows(unit)[first]
    assert "no recording" in scrubcam(unit, "hold", "nobody", *passphrase, fails=12)
    assert "role: hand-over needs" in scrubcam(unit, "handover", str(tmp_path), "--same-disk", *passphrase, fails=12)
    listener.event("released")
    assert "inquiry" not in str(listener.events), "what a person typed leaves the device"
    assert unit.stop() == 0
    usb = tmp_path / "usb"
    usb.mkdir()
    (usb / f"{first}.scrub").write_bytes(unit.recordings()[0].read_bytes())  # by hand, without its keys
    told = scrubcam(unit, "handover", str(usb), "--same-disk", fails=1)
    assert "is not a sealed copy of this recording" in told
    assert "no: not handed over" in rows(unit)[first]
    assert scrubcam(unit, "handover", str(usb), "--same-disk", "--id", "nobody", fails=3)
    assert "No device is running" in scrubcam(unit, "hold", first, fails=1)
