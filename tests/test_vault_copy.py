"""A sealed copy holds all an archive needs; the keys of a device's own file are in its keystore, and die there."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from firmware.errors import DamagedRecording, DiskFault, InterruptedRecording, KeyFault
from firmware.export.copy import attach_keys, write_sealed_copy
from firmware.vault.attachments import Timestamp, pack
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.recover import recover
from hw.disk import OsDisk, forget_cached
from tests.timestamp_helpers import Signer
from tests.vault_helpers import archive, device, fragment, keystore, read, seal, spans, write

RECORDS = [fragment(0, b"ab"), fragment(1, b"cd")]


Stamps = Callable[[str], list[Timestamp]]


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Stamps:
    """The timestamps of the recording at a path, from a real authority; the same at each call."""
    signer = Signer(tmp_path_factory.mktemp("authority"))

    @functools.cache
    def made(path: str) -> list[Timestamp]:
        data = read(path)
        found = list(spans(data))
        moments: dict[Literal["start", "end"], int] = {"start": 256, "end": 257}
        numbers = {at: next(n for n, span in enumerate(found) if span[0] == kind) for at, kind in moments.items()}
        ends = {at: found[number][2] for at, number in numbers.items()}
        return [Timestamp(at, numbers[at], signer.token(data[ends[at] - 32 : ends[at]])) for at in moments]

    return made


def test_a_sealed_copy_is_the_recording_with_its_keys_behind_it(tmp_path: Path, stamps: Stamps) -> None:
    path, target = seal(str(tmp_path), RECORDS), str(tmp_path / "copy.scrub")
    seen: list[tuple[int, int]] = []
    report = write_sealed_copy(path, keystore(tmp_path), stamps(path), target, progress=lambda *at: seen.append(at))
    assert (report.ok, report.key_envelope, report.attachments) == (True, True, 3)
    assert report.timestamps == stamps(path)
    assert read(target).startswith(read(path))
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    with Recording.open(target) as copy:
        assert list(copy.fragments(archive())) == RECORDS
        assert copy.info().key_envelope
        end = copy.end_record()
        assert end is not None
        assert end.end == len(read(path))


def test_a_copy_of_a_copy_keeps_its_keys_and_takes_later_timestamps(tmp_path: Path, stamps: Stamps) -> None:
    path, first, second = seal(str(tmp_path), RECORDS), str(tmp_path / "1.scrub"), str(tmp_path / "2.scrub")
    write_sealed_copy(path, keystore(tmp_path), [], first)
    report = write_sealed_copy(first, Keystore(str(tmp_path / "none")), stamps(path), second)
    assert (report.ok, report.attachments, report.timestamps) == (True, 3, stamps(path))


def test_attachments_are_as_the_specification_says(tmp_path: Path, stamps: Stamps) -> None:
    """Read from the file's end with struct, hashlib and json alone."""
    path, target = seal(str(tmp_path), RECORDS), str(tmp_path / "copy.scrub")
    write_sealed_copy(path, keystore(tmp_path), stamps(path), target)
    data, found = read(target), []
    while data.endswith(b"TTAS"):
        (size,) = struct.unpack(">I", data[-8:-4])
        one, data = data[-size:], data[:-size]
        marker, kind, flags, length = struct.unpack(">4sHHI", one[:12])
        assert (marker, flags, size) == (b"SATT", 0, length + 52)
        assert one[12 + length : 44 + length] == hashlib.sha256(one[: 12 + length]).digest()
        found.append((kind, json.loads(one[12 : 12 + length])))
    assert data == read(path)
    assert [kind for kind, _ in found] == [2, 2, 1]
    assert found[0][1]["at"] == "end"
    assert found[2][1]["recording_id"] == "abcdefgh"
    assert [one["key_id"] for one in found[2][1]["recipients"]] == [archive().public.key_id]


def test_without_its_keystore_a_devices_own_file_stays_closed_and_says_why(tmp_path: Path) -> None:
    path = seal(str(tmp_path), RECORDS)
    with Recording.open(path) as recording, pytest.raises(KeyFault, match="not attached"):
        recording.records(archive())
    with Recording.open(path, Keystore(str(tmp_path / "none"))) as recording, pytest.raises(KeyFault, match="no keys"):
        recording.records(archive())
    slot = tmp_path / "keystore" / "abcdefgh.keys"
    slot.write_bytes(slot.read_bytes().replace(b"abcdefgh", b"abcdefgx"))
    with Recording.open(path, keystore(tmp_path)) as recording, pytest.raises(KeyFault, match="are not those"):
        recording.records(archive())


def test_no_copy_is_made_of_what_is_open_damaged_or_without_keys(tmp_path: Path) -> None:
    target = tmp_path / "copy.scrub"
    path = seal(str(tmp_path), RECORDS, end=False)
    with pytest.raises(InterruptedRecording, match="no end record"):
        write_sealed_copy(path, keystore(tmp_path), [], str(target))
    recover(path, device())
    data = bytearray(read(path))
    data[len(data) // 2] ^= 1
    damaged = write(str(tmp_path / "damaged.scrub"), bytes(data))
    with pytest.raises(DamagedRecording, match="does not verify"):
        write_sealed_copy(damaged, keystore(tmp_path), [], str(target))
    with pytest.raises(KeyFault):
        write_sealed_copy(path, Keystore(str(tmp_path / "none")), [], str(target))
    assert not target.exists()
    target.write_text("mine")
    with pytest.raises(DiskFault, match="exists already"):
        write_sealed_copy(path, keystore(tmp_path), [], str(target))
    assert target.read_text() == "mine"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    target.unlink()
    assert write_sealed_copy(path, keystore(tmp_path), [], str(target)).state == "interrupted"


def test_keys_attached_in_place_leave_the_keystore(tmp_path: Path) -> None:
    path = seal(str(tmp_path), RECORDS)
    attach_keys(path, keystore(tmp_path))
    assert keystore(tmp_path).ids() == []
    with Recording.open(path) as recording:
        assert recording.verify().ok
        assert list(recording.fragments(archive())) == RECORDS
    before = read(path)
    attach_keys(path, keystore(tmp_path))
    assert read(path) == before


def test_what_is_behind_the_end_is_judged_and_named(tmp_path: Path, stamps: Stamps) -> None:
    path, target = seal(str(tmp_path), RECORDS), str(tmp_path / "copy.scrub")
    write_sealed_copy(path, keystore(tmp_path), [], target)
    copy = read(target)
    keys = copy[len(read(path)) :]
    end = stamps(path)[1]

    def stamp(at: str, record: int) -> bytes:
        return pack(2, b'{"at":"%s","record":%d,"token":"AAAA"}' % (at.encode(), record))

    for tail, words in (
        (keys, "second key envelope"), (pack(1, b"{}"), "not this recording's"), (b"x", "is no attachment"),
        (keys[:-1], "longer than the file"), (stamp("end", end.record - 1), "not over the record"),
        (stamp("start", end.record), "not over the record"), (pack(2, b"?"), "cannot be read"),
    ):
        with Recording.open(write(str(tmp_path / "x.scrub"), copy + tail)) as recording:
            report = recording.verify()
            assert report.first_problem is not None
            assert (report.state, report.first_problem.place) == ("damaged", "attachment 1")
            assert words in report.first_problem.text
            assert len(list(recording.fragments(archive(), tolerant=True))) == 2, "it still opens"
    with Recording.open(write(str(tmp_path / "x.scrub"), copy + pack(77, b"from a future version"))) as recording:
        assert recording.verify().ok
        assert list(recording.fragments(archive())) == RECORDS


def test_attachments_without_an_end_record_are_no_torn_recording(tmp_path: Path) -> None:
    path, target = seal(str(tmp_path), RECORDS), str(tmp_path / "copy.scrub")
    write_sealed_copy(path, keystore(tmp_path), [], target)
    *_, (_, start, end) = spans(read(path))
    data = read(target)
    for cut in (data[:start] + data[end:], data[: start + 20] + b"\x07" + data[start + 21 :]):
        with Recording.open(write(target, cut)) as recording:
            report = recording.verify()
        assert report.state == "damaged"
        assert report.first_problem is not None
        assert report.first_problem.offset == start


# ---- the keystore --------------------------------------------------------------------------------


def test_a_slot_is_private_kept_once_and_gone_once_destroyed(tmp_path: Path) -> None:
    store = Keystore(str(tmp_path / "keystore"))
    assert store.ids() == []
    assert not store.destroy("a")
    store.put("a", b"wrapped")
    store.put("b", b"other")
    assert stat.S_IMODE(os.stat(store.folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "keystore" / "a.keys").st_mode) == 0o600
    assert (store.get("a"), store.has("a"), store.ids()) == (b"wrapped", True, ["a", "b"])
    with pytest.raises(KeyFault, match="already"):
        store.put("a", b"second")
    assert store.destroy("a")
    assert (store.has("a"), store.ids(), store.finish()) == (False, ["b"], [])
    with pytest.raises(KeyFault, match="no keys for a"):
        store.get("a")
    assert not store.destroy("a")
    for bad in ("../a", "", "a/b"):
        with pytest.raises(ValueError, match="not a recording id"):
            store.put(bad, b"x")


@pytest.mark.parametrize("step", ["named away", "half overwritten", "zeros"])
def test_a_destruction_cut_short_never_opens_again_and_is_finished(tmp_path: Path, step: str) -> None:
    store = Keystore(str(tmp_path))
    store.put("a", b"wrapped" * 100)
    dying = tmp_path / "a.keys.destroyed"
    (tmp_path / "a.keys").rename(dying)
    if step == "half overwritten":
        dying.write_bytes(random.Random(1).randbytes(300) + dying.read_bytes()[300:])
    elif step == "zeros":
        dying.write_bytes(bytes(700))
    assert not store.has("a")
    with pytest.raises(KeyFault):
        store.get("a")
    with pytest.raises(KeyFault):
        store.put("a", b"again")
    assert store.finish() == ["a"]
    assert os.listdir(tmp_path) == []


def test_the_bytes_are_overwritten_before_the_name_goes(tmp_path: Path) -> None:
    """Through a second name of the same file, as an undelete would see it."""
    store = Keystore(str(tmp_path / "keystore"))
    store.put("a", b"wrapped" * 100)
    os.link(tmp_path / "keystore" / "a.keys", tmp_path / "seen")
    store.destroy("a")
    assert (tmp_path / "seen").read_bytes() == bytes(700)


def test_the_keys_are_there_before_the_recording_is(tmp_path: Path) -> None:
    class Watched(OsDisk):
        def create(self, path: str) -> int:
            there.append(keystore(tmp_path).get("abcdefgh"))
            return super().create(path)

    there: list[bytes] = []
    path = seal(str(tmp_path), RECORDS, disk=Watched())
    assert hashlib.sha256(there[0]).hexdigest().encode() in read(path)


def in_memory_bytes(path: str | Path) -> int:
    """How much of a file the system keeps in memory."""
    told = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", str(path)], check=True,
                          capture_output=True, text=True)
    return int(told.stdout)


def test_a_copy_is_read_back_from_the_disk_and_not_from_memory(tmp_path: Path) -> None:
    path = seal(str(tmp_path), [fragment(number, bytes(1 << 20)) for number in range(24)])
    kind = subprocess.run(["stat", "--file-system", "--format=%T", str(tmp_path)], check=True, capture_output=True,
                          text=True).stdout.strip()
    kept: list[int] = []
    copy = tmp_path / "copy.scrub"

    def look(done: int, total: int) -> None:
        if done > total / 2 and not kept:  # the first word of the reading back
            (written,) = tmp_path.glob(".copy.scrub.*.tmp")
            kept.append(in_memory_bytes(written))

    write_sealed_copy(path, keystore(tmp_path), (), str(copy), progress=look)
    whole = copy.stat().st_size
    assert kept[0] < whole / 2 or kind == "tmpfs"
    forget_cached(str(copy))
    assert in_memory_bytes(copy) == (0 if kind != "tmpfs" else whole)
    with pytest.raises(DiskFault):
        forget_cached(str(tmp_path / "nothing"))
