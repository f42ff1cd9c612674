"""Power cuts at every operation on files beside the recording: keys, keystore, sealed copy, export, any small file."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from firmware.durable import make_folder, remove_durably, rename_durably, wipe_durably, write_durably
from firmware.errors import KeyFault
from firmware.export.copy import attach_keys, write_sealed_copy
from firmware.export.sealed import export_sealed
from firmware.messages import Fragment
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import PrivateKey, PublicKey, new_archive_key
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.remove import remove_files
from firmware.vault.writer import recording_path
from hw.sim.files import Names, Said, SimFiles, Sync, Write
from tests.crash_helpers import Tree, crash_everywhere, faults_everywhere, lay_out, simulated, tree_of
from tests.media_helpers import decode_cleanly
from tests.test_crash_record import FRAGMENTS, ID, record
from tests.vault_helpers import archive, keystore

OLD, NEW = b"old " * 300, b"new content, longer than a sector " * 40
ENVELOPE = b"wrapped key " * 120


def test_a_small_file_is_the_old_or_the_new_one_whole(tmp_path: Path) -> None:
    def replace(disk: SimFiles, folder: Path) -> None:
        write_durably(str(folder / "f"), NEW)
        disk.say("new")

    def check(folder: Path, said: list[object]) -> None:
        assert (folder / "f").read_bytes() in ([NEW] if said else [OLD, NEW])

    crash_everywhere("replace a file", tmp_path, replace, check, start={"f": OLD})


def test_a_new_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def create(disk: SimFiles, folder: Path) -> None:
        make_folder(str(folder / "a" / "b"))
        write_durably(str(folder / "a" / "b" / "f"), NEW, exclusive=True)
        disk.say("there")

    def check(folder: Path, said: list[object]) -> None:
        path = folder / "a" / "b" / "f"
        assert path.exists() or not said
        assert not path.exists() or path.read_bytes() == NEW

    crash_everywhere("create a file and its folders", tmp_path, create, check)


def test_what_is_wiped_was_overwritten_on_the_disk_before_its_name_went(tmp_path: Path) -> None:
    """Each pass is synced by itself: two writes and one sync would put but one of them on the disk, or none before."""
    (tmp_path / "secret").write_bytes(ENVELOPE)
    with simulated(tmp_path) as disk:
        wipe_durably(str(tmp_path / "secret"))
    done = [change for change in disk.log if isinstance(change, Write | Sync | Names)]
    assert [type(change) for change in done] == [Write, Sync, Write, Sync, Names]
    for change in done:
        assert not isinstance(change, Sync) or not change.failed
        if isinstance(change, Write):
            assert (change.offset, len(change.data)) == (0, len(ENVELOPE))
            assert ENVELOPE[:16] not in change.data


def test_names_taken_away_do_not_come_back(tmp_path: Path) -> None:
    def take_away(disk: SimFiles, folder: Path) -> None:
        rename_durably(str(folder / "f"), str(folder / "g"))
        disk.say("renamed")
        remove_durably(str(folder / "g"))
        disk.say("removed")
        wipe_durably(str(folder / "secret"))
        disk.say("wiped")

    def check(folder: Path, said: list[object]) -> None:
        there = tree_of(folder)
        assert not (said and "f" in there)
        assert not ("removed" in said and "g" in there)
        if "wiped" in said:
            assert there == {}
        else:
            assert all(there[name] == OLD for name in ("f", "g") if name in there)
            assert sum(name in there for name in ("f", "g")) == (0 if "removed" in said else 1) or said == ["renamed"]

    crash_everywhere("rename, remove, wipe", tmp_path, take_away, check, start={"f": OLD, "secret": ENVELOPE})


def test_a_kept_key_stays_and_a_destroyed_one_never_opens_again(tmp_path: Path) -> None:
    def use(disk: SimFiles, folder: Path) -> None:
        keys = Keystore(str(folder / "keystore"))
        keys.put(ID, ENVELOPE)
        disk.say("kept")
        keys.put("other", ENVELOPE[::-1])
        disk.say("other kept")
        keys.destroy(ID)
        disk.say("destroyed")

    def check(folder: Path, said: list[object]) -> None:
        keys = Keystore(str(folder / "keystore"))
        with simulated(folder):
            began = ID in keys.finish()
        assert not list(folder.rglob("*.tmp")), "half-written files stay for ever"
        if keys.has(ID):
            assert "destroyed" not in said
            assert keys.get(ID) == ENVELOPE
        else:
            assert "other kept" in said or "kept" not in said
            with pytest.raises(KeyFault):
                keys.get(ID)
        if "destroyed" in said or began:
            content = tree_of(folder)
            assert not any(data and ENVELOPE[:64] in data for data in content.values()), sorted(content)
        assert keys.has("other") or "other kept" not in said
        assert keys.get("other") == ENVELOPE[::-1] if keys.has("other") else True
        with simulated(folder) as disk:
            assert keys.finish() == []
        assert not disk.log

    crash_everywhere("keystore: put, destroy, finish", tmp_path, use, check)


@pytest.mark.parametrize(("code", "once"), [(errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False)])
def test_a_disk_that_fails_while_a_key_is_destroyed_is_told(tmp_path: Path, code: int, once: bool) -> None:
    def destroy(disk: SimFiles, folder: Path) -> None:
        Keystore(str(folder / "keystore")).destroy(ID)
        disk.say("destroyed")

    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        assert raised != any(isinstance(change, Said) for change in disk.log)
        keys = Keystore(str(folder / "keystore"))
        if not raised:
            assert not keys.has(ID)
        with simulated(folder):
            keys.destroy(ID)
        assert tree_of(folder) == {"keystore": None}

    start: Tree = {"keystore": None, f"keystore/{ID}.keys": ENVELOPE}
    assert faults_everywhere(tmp_path, destroy, check, code, once=once, start=start) > 5


def test_the_devices_key_is_made_once_and_stays(tmp_path: Path) -> None:
    made: list[str] = []

    def first_use(disk: SimFiles, folder: Path) -> None:
        made.append(DeviceKey.load_or_create(str(folder)).fingerprint)
        disk.say(made[-1])

    def check(folder: Path, said: list[object]) -> None:
        with simulated(folder):
            key = DeviceKey.load_or_create(str(folder))
            again = DeviceKey.load_or_create(str(folder))
        assert key.fingerprint == again.fingerprint
        if said:
            assert key.fingerprint == said[0]
        assert (folder / "device.pub").read_bytes() == key.public_pem()

    crash_everywhere("device key: first use", tmp_path, first_use, check)


def test_an_archive_key_pair_is_never_half_a_key(tmp_path: Path) -> None:
    def make(disk: SimFiles, folder: Path) -> None:
        disk.say(new_archive_key(str(folder / "a.key"), str(folder / "a.pub")).key_id)

    def check(folder: Path, said: list[object]) -> None:
        private, public = folder / "a.key", folder / "a.pub"
        if said:
            assert public.exists()
        if public.exists():
            assert PublicKey.load(str(public)).key_id == PrivateKey.load(str(private)).public.key_id
        elif private.exists():
            PrivateKey.load(str(private))

    crash_everywhere("archive key pair", tmp_path, make, check)


def test_a_removed_recording_does_not_come_back_and_an_unfinished_removal_is_seen(tmp_path: Path) -> None:
    aside = f"{ID}.scrub.cut-700"

    def remove(disk: SimFiles, folder: Path) -> None:
        disk.say(remove_files([str(folder)], ID))
        remove_files([str(folder)], ID)

    def check(folder: Path, said: list[object]) -> None:
        there = tree_of(folder)
        assert there.pop("other.scrub") == NEW
        if said:
            assert said == [2]
            assert there == {}
        assert aside not in there or f"{ID}.scrub" in there, "what was set aside is left alone and nobody knows of it"
        with simulated(folder):
            remove_files([str(folder)], ID)
        assert tree_of(folder) == {"other.scrub": NEW}

    crash_everywhere("remove a recording's files", tmp_path, remove, check,
                     start={f"{ID}.scrub": OLD, aside: OLD, "other.scrub": NEW})


def recorded(tmp_path: Path) -> Tree:
    """A sealed recording and its keystore."""
    with simulated(lay_out({}, tmp_path / "recorded")) as disk:
        record(disk, tmp_path / "recorded")
    return tree_of(tmp_path / "recorded")


def test_a_sealed_copy_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    start = recorded(tmp_path) | {"target": None}
    source = start[f"{ID}.scrub"]

    def copy(disk: SimFiles, folder: Path) -> None:
        write_sealed_copy(recording_path(str(folder), ID), keystore(folder), (), str(folder / "target" / "copy.scrub"))
        disk.say("copied")

    def check(folder: Path, said: list[object]) -> None:
        target = folder / "target" / "copy.scrub"
        assert (folder / f"{ID}.scrub").read_bytes() == source
        assert keystore(folder).has(ID)
        assert target.exists() or not said
        if target.exists():
            with Recording.open(str(target)) as recording:
                assert recording.verify().state == "sealed"
                found = [one.record for one in recording.records(archive()) if isinstance(one.record, Fragment)]
            assert len(found) == FRAGMENTS

    crash_everywhere("sealed copy", tmp_path, copy, check, start=start)


def test_keys_are_attached_before_the_keystore_lets_them_go(tmp_path: Path) -> None:
    def attach(disk: SimFiles, folder: Path) -> None:
        attach_keys(recording_path(str(folder), ID), keystore(folder))
        disk.say("attached")

    def check(folder: Path, said: list[object]) -> None:
        path = recording_path(str(folder), ID)
        if keystore(folder).has(ID):
            assert not said
            with simulated(folder):
                attach_keys(path, keystore(folder))
        with Recording.open(path) as recording:
            assert recording.verify().ok
            assert len([one for one in recording.records(archive()) if isinstance(one.record, Fragment)]) == FRAGMENTS

    crash_everywhere("attach keys", tmp_path, attach, check, start=recorded(tmp_path))


def test_an_export_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    start = recorded(tmp_path)
    films: set[bytes] = set()

    def export(disk: SimFiles, folder: Path) -> None:
        export_sealed(folder / f"{ID}.scrub", archive(), folder / "film.mp4", keystore=keystore(folder))
        disk.say("exported")

    def check(folder: Path, said: list[object]) -> None:
        path = folder / "film.mp4"
        assert path.exists() or not said
        if path.exists():
            films.add(path.read_bytes())
        assert tree_of(folder) | start == tree_of(folder), "the recording stays as it is"

    crash_everywhere("MP4 export", tmp_path, export, check, start=start)
    (only,) = films
    (tmp_path / "film.mp4").write_bytes(only)
    decode_cleanly(tmp_path / "film.mp4")


@pytest.mark.parametrize(("code", "once"), [(errno.ENOSPC, False), (errno.EIO, True)])
def test_an_export_to_a_failing_disk_is_told_and_leaves_nothing(tmp_path: Path, code: int, once: bool) -> None:
    start = recorded(tmp_path)

    def export(_: SimFiles, folder: Path) -> None:
        export_sealed(folder / f"{ID}.scrub", archive(), folder / "film.mp4", keystore=keystore(folder))

    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        assert raised or once
        there = set(tree_of(folder)) - set(start)
        assert there <= {"film.mp4"}

    assert faults_everywhere(tmp_path, export, check, code, once=once, start=start) > 3
