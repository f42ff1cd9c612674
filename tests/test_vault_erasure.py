"""Erasing a recording: every part of it, whatever stands in the way; and what a certificate says of it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from firmware.errors import DamagedRecording, DiskFault, KeyFault, Refused
from firmware.export.copy import attach_keys
from firmware.messages import TimestampWanted
from firmware.vault.certificate import ATTACHED, Certificate, CopyOutside, Order, checked
from firmware.vault.device_key import DeviceKey
from firmware.vault.erasure import Erasure, Signer
from firmware.vault.format import DeviceInfo
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import HandOver, Ledger, Mark
from firmware.vault.parts import parts_of
from firmware.vault.reader import Recording
from firmware.vault.recover import recover_all
from firmware.vault.timestamp_store import TimestampStore
from firmware.vault.writer import RecordingWriter, recording_path
from hw.disk import OsDisk
from tests.crash_helpers import tree_of
from tests.vault_helpers import archive, device, fragment, header, stream, to

HANDBOOK = Path(__file__).parents[1] / "docs" / "consent.md"
ORDER = Order("asked", "privacy-officer", "kim", 1_790_000_000.0)
SECOND_NS = 1_000_000_000


class Clock:
    """Every look is a tenth of a second later."""

    def __init__(self) -> None:
        self.now_ns = 7 * SECOND_NS

    def monotonic_ns(self) -> int:
        self.now_ns += SECOND_NS // 10
        return self.now_ns

    def unix_s(self) -> float:
        return 1_790_000_000.0 + self.monotonic_ns() / 1e9


class Told(list[tuple[str, str, Mapping[str, Any]]]):
    def __call__(self, kind: str, recording_id: str, fields: Mapping[str, Any]) -> None:
        self.append((kind, recording_id, fields))


def signer() -> Signer:
    return Signer(device(), DeviceInfo("or-1", device().public, []))


def unit(folder: Path, told: Told | None = None, by: Any = signer) -> Erasure:
    """A device with its state, its disk and a second one in `folder`."""
    targets = [str(folder / "rec"), str(folder / "rec2")]
    return Erasure(str(folder), targets, Clock(), by, told if told is not None else Told())


def record(folder: Path, recording_id: str, where: str = "rec", *, continues: str = "", end: bool = True) -> Path:
    path = recording_path(str(folder / where), recording_id)
    settings = {"continues": continues} if continues else {}
    writer = RecordingWriter.create(
        OsDisk(), path, replace_settings(recording_id, settings), to(), device(), Keystore.of_device(str(folder))
    )
    writer.append(stream())
    writer.append(fragment(0))
    if end:
        writer.seal("stopped")
    else:
        writer.sync()
        writer.abandon()
    return Path(path)


def replace_settings(recording_id: str, settings: dict[str, object]) -> Any:
    return msgspec.structs.replace(header(recording_id), settings=settings)


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    """A recording in three parts on two disks, and one of another case."""
    root = tmp_path / "device"
    for name in ("rec", "rec2"):
        (root / name).mkdir(parents=True)
    record(root, "first")
    record(root, "second", "rec2", continues="first")
    record(root, "third", continues="second", end=False)
    record(root, "other")
    return root


def opens(folder: Path, path: Path) -> bool:
    try:
        with Recording.open(str(path), Keystore.of_device(str(folder))) as recording:
            return len(list(recording.fragments(archive()))) == 1
    except KeyFault:
        return False


def left(folder: Path) -> list[str]:
    """Without what a crash leaves of a file that it did not get to name."""
    return sorted(name for name, content in tree_of(folder).items() if content is not None and ".tmp" not in name)


def certificate(folder: Path, recording_id: str) -> Certificate:
    data = unit(folder).certificate(recording_id)
    assert data is not None
    return checked(data, frozenset([device().fingerprint]))


def test_all_parts_of_a_recording_go_and_each_is_certified(disks: Path) -> None:
    assert parts_of([str(disks / "rec"), str(disks / "rec2")], ["second"]) == ["first", "third"]
    (disks / "rec" / "first.scrub.cut-7").write_bytes(b"set aside by recovery")
    with Recording.open(str(disks / "rec" / "first.scrub")) as recording:
        end = recording.end_record()
        assert end is not None
    TimestampStore.of_device(str(disks)).want(TimestampWanted("first", "end", 9, b"chain"))
    told = Told()
    unit(disks, told).erase(["first"], ORDER, 7 * SECOND_NS, {})
    assert left(disks) == ["erasures/first.certificate", "erasures/second.certificate", "erasures/third.certificate",
                           "keystore/other.keys", "rec/other.scrub"]
    said = certificate(disks, "first")
    assert said.recording is not None
    assert (said.recording.chain, said.recording.state) == (end.chain.hex(), "sealed")
    assert said.files == ["first.scrub.cut-7", "first.scrub"]
    assert (said.order, said.key_found, said.key_destroyed_after_s) == (ORDER, True, 0.1)
    assert "Clear" in said.sanitization.method
    third = certificate(disks, "third")
    assert third.recording is not None
    assert (third.recording.state, len(third.recording.chain)) == ("unfinished", 64)
    assert [(kind, recording_id) for kind, recording_id, _ in told] == [
        ("erased", "first"), ("erased", "second"), ("erased", "third")]
    assert opens(disks, disks / "rec" / "other.scrub")


def test_asked_again_it_is_told_again_and_nothing_else_happens(disks: Path) -> None:
    unit(disks).erase(["first"], ORDER, 0, {})
    before, told = tree_of(disks), Told()
    unit(disks, told).erase(["first"], replace(ORDER, by="lee"), 0, {})
    assert (tree_of(disks), [event[:2] for event in told]) == (before, [("erased", "first")])


@pytest.mark.parametrize("name", ["", "unknown", "../rec/other", "a/b"])
def test_what_is_not_there_is_refused_and_not_certified(disks: Path, name: str) -> None:
    before = tree_of(disks)
    with pytest.raises(Refused, match="no recording of that id"):
        unit(disks).erase([name], ORDER, 0, {})
    assert tree_of(disks) == before


def test_what_retention_deleted_is_refused_with_where_to_look_for_its_copies(disks: Path) -> None:
    Ledger.of_device(str(disks)).mark("gone", "deleted", Mark("time-over", 17.0))
    with pytest.raises(Refused, match="after it was handed over") as told:
        unit(disks).erase(["gone"], ORDER, 0, {})
    assert "recordings --deleted" in told.value.todo


def test_a_file_with_its_keys_attached_is_said_to_have_had_them(disks: Path) -> None:
    attach_keys(str(disks / "rec" / "other.scrub"), Keystore.of_device(str(disks)))
    unit(disks).erase(["other"], ORDER, 0, {})
    said = certificate(disks, "other")
    assert (said.key_found, said.not_covered[0]) == (False, ATTACHED)


def test_copies_that_were_handed_over_are_named_as_not_covered(disks: Path) -> None:
    ledger = Ledger.of_device(str(disks))
    ledger.add_handover("other", HandOver("/mnt/archive/other.scrub", "ab" * 32, 5, 17.0, True))
    unit(disks).erase(["other"], ORDER, 0, {})
    assert certificate(disks, "other").copies == [CopyOutside("/mnt/archive/other.scrub", 17.0, "ab" * 32)]


def test_what_is_held_is_not_erased_on_request_but_when_consent_is_withdrawn(disks: Path) -> None:
    Ledger.of_device(str(disks)).mark("second", "hold", Mark("a court asked for it", 1.0))
    with pytest.raises(Refused, match="held"):
        unit(disks).erase(["first"], ORDER, 0, {})
    assert opens(disks, disks / "rec" / "first.scrub")
    unit(disks).erase(["first"], replace(ORDER, cause="withdrawn"), 0, {})
    assert not Keystore.of_device(str(disks)).has("second")


def test_a_certificate_that_was_changed_or_is_anothers_proves_nothing(disks: Path) -> None:
    unit(disks).erase(["other"], ORDER, 0, {})
    data = unit(disks).certificate("other")
    assert data is not None
    changed = [data.replace(b'"Clear"', b'"Purge"'), data.replace(b'"other"', b'"third"')]
    for wrong in (b"", data[:-2], b"{}\n\n", *changed):
        with pytest.raises(DamagedRecording):
            checked(wrong)
    with pytest.raises(DamagedRecording, match="not signed by a device on the list"):
        checked(data, frozenset([DeviceKey.generate().fingerprint]))


def test_a_certificate_is_checked_by_hand_as_the_handbook_says(disks: Path) -> None:
    unit(disks).erase(["other"], ORDER, 0, {})
    data = unit(disks).certificate("other")
    assert data is not None
    (disks / "certificate").write_bytes(data)
    (disks / "device.pub").write_bytes(device().public_pem())
    lines = [line for line in HANDBOOK.read_text(encoding="utf-8").splitlines()
             if line.startswith("    ") and line.endswith(("message", "signature"))]
    assert len(lines) == 3
    for wrong in (False, True):
        if wrong:
            (disks / "certificate").write_bytes(data.replace(b"Clear", b"Purge"))
        ran = subprocess.run(["sh"], input="\n".join(lines), cwd=disks, capture_output=True, text=True, check=False)
        assert ("Signature Verified Successfully" in ran.stdout) != wrong, ran.stderr


def test_a_disk_that_is_not_there_is_said_and_its_files_go_when_it_comes_back(disks: Path) -> None:
    (disks / "rec2").rename(disks / "unplugged")
    unit(disks).erase(["second"], ORDER, 0, {})
    assert not Keystore.of_device(str(disks)).has("second")
    assert certificate(disks, "second").not_covered[0].endswith("recording folder 2")
    assert Keystore.of_device(str(disks)).has("first"), "what the absent file says cannot be known"
    (disks / "unplugged").rename(disks / "rec2")
    unit(disks).resume()
    assert not (disks / "rec2" / "second.scrub").exists()


class Held:
    """A writer that a disk holds; it was just going to keep its keys."""

    def __init__(self, folder: Path) -> None:
        self.keystore, self.forgotten, self.released = Keystore.of_device(str(folder)), False, threading.Event()

    def forget(self) -> None:
        self.forgotten = True

    def join(self, timeout_s: float) -> bool:
        if self.released.is_set() and not self.keystore.has("late"):
            self.keystore.put("late", b"the wrapped key")
        return self.released.is_set()


def test_a_writer_that_a_disk_holds_is_waited_for_before_anything_is_certified(disks: Path) -> None:
    erasure, writer = unit(disks), Held(disks)
    with pytest.raises(DiskFault, match="still holds"):
        erasure.erase(["late"], ORDER, 0, {"late": writer})
    assert writer.forgotten
    assert erasure.certificate("late") is None
    with pytest.raises(DiskFault, match="still holds"):
        erasure.resume()
    writer.released.set()
    erasure.resume()
    assert not Keystore.of_device(str(disks)).has("late"), "what it kept at the last moment is destroyed too"
    assert certificate(disks, "late").recording is None


def test_without_the_devices_key_the_recordings_key_goes_all_the_same(disks: Path) -> None:
    def none() -> Signer:
        raise KeyFault("the device key is not there")

    with pytest.raises(KeyFault):
        unit(disks, by=none).erase(["other"], ORDER, 0, {})
    assert not opens(disks, disks / "rec" / "other.scrub")
    unit(disks).resume()
    assert certificate(disks, "other").key_found
    assert not (disks / "rec" / "other.scrub").exists()


def test_a_request_for_a_timestamp_that_came_late_goes_at_the_next_start(disks: Path) -> None:
    unit(disks).erase(["first"], ORDER, 0, {})
    store = TimestampStore.of_device(str(disks))
    for recording_id in ("first", "other"):
        store.want(TimestampWanted(recording_id, "start", 3, b"chain"))
    unit(disks).resume()
    assert [one.recording_id for one in store.waiting(9)] == ["other"]


def test_recovery_finds_nothing_of_what_is_erased(disks: Path) -> None:
    unit(disks).erase(["third"], ORDER, 0, {})
    assert [found.recording_id for found in recover_all(str(disks / "rec"), device())] == ["other"]
