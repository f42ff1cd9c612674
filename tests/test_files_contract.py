"""The port under every durable write: one suite over the real file system and the simulated one; and what only the
simulated one can show, the states after a power cut."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.files import OsFiles
from hw.ports import Files
from hw.sim.crash import SECTOR, State, states
from hw.sim.files import SimFiles

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class FilesContract:
    """What every hw.ports.Files does while the power stays on."""

    def make(self, root: Path) -> Files:
        raise NotImplementedError

    def test_writes_at_places_and_at_the_end(self, tmp_path: Path) -> None:
        files, path = self.make(tmp_path), str(tmp_path / "f")
        handle = files.open(path, NEW, 0o600)
        assert files.pwrite(handle, b"0123456789", 0) == 10
        assert files.pwrite(handle, memoryview(b"xy"), 4) == 2
        files.fsync(handle)
        files.truncate(handle, 7)
        files.fdatasync(handle)
        files.close(handle)
        handle = files.open(path, os.O_WRONLY | os.O_APPEND)
        assert files.write(handle, b"end") == 3
        files.close(handle)
        assert Path(path).read_bytes() == b"0123xy6end"
        assert os.stat(path).st_mode & 0o777 == 0o600

    def test_names_come_move_and_go(self, tmp_path: Path) -> None:
        files = self.make(tmp_path)
        files.mkdir(str(tmp_path / "d"))
        one, two = str(tmp_path / "d" / "one"), str(tmp_path / "d" / "two")
        files.close(files.open(one, NEW))
        files.link(one, two)
        files.sync_directory(str(tmp_path / "d"))
        files.unlink(one)
        files.close(files.open(one, NEW))
        files.rename(one, two)
        files.sync_directory(str(tmp_path / "d"))
        assert os.listdir(tmp_path / "d") == ["two"]

    def test_refuses_as_the_system_does(self, tmp_path: Path) -> None:
        files, path = self.make(tmp_path), str(tmp_path / "f")
        files.close(files.open(path, NEW))
        for error, ask in (
            (FileExistsError, lambda: files.open(path, NEW)),
            (FileExistsError, lambda: files.mkdir(path)),
            (FileExistsError, lambda: files.link(path, path)),
            (FileNotFoundError, lambda: files.open(path + "x", os.O_WRONLY)),
            (FileNotFoundError, lambda: files.unlink(path + "x")),
            (FileNotFoundError, lambda: files.rename(path + "x", path)),
        ):
            with pytest.raises(error):
                ask()
        assert os.listdir(tmp_path) == ["f"]


class TestOsFiles(FilesContract):
    def make(self, root: Path) -> OsFiles:
        return OsFiles()


class TestSimFiles(FilesContract):
    def make(self, root: Path) -> SimFiles:
        return SimFiles(str(root))

    def test_a_full_disk_takes_half_a_write_and_then_nothing(self, tmp_path: Path) -> None:
        files = SimFiles(str(tmp_path))
        handle = files.open(str(tmp_path / "f"), NEW)
        files.fail(1, errno.ENOSPC)
        assert files.pwrite(handle, b"0123", 0) == 2
        with pytest.raises(OSError, match="No space"):
            files.pwrite(handle, b"23", 2)
        files.fsync(handle)
        files.repair()
        assert files.pwrite(handle, b"23", 2) == 2
        files.close(handle)

    def test_a_hanging_call_waits_for_its_release_or_for_the_cut(self, tmp_path: Path) -> None:
        files = SimFiles(str(tmp_path))
        handle = files.open(str(tmp_path / "f"), NEW)
        failed: list[int] = []

        def sync() -> None:
            try:
                files.fsync(handle)
            except OSError as error:
                failed.append(error.errno or 0)

        for let_go, wanted in ((files.release, []), (files.cut_power, [errno.ENODEV])):
            files.hang(files.calls)
            thread = threading.Thread(target=sync)
            thread.start()
            deadline = time.monotonic() + 10
            while not files.hanging and time.monotonic() < deadline:
                time.sleep(0.001)
            assert files.hanging
            let_go()
            thread.join(10)
            assert failed == wanted
        files.close(handle)


def after(disk: SimFiles, cut: int = -1) -> dict[frozenset[str], list[State]]:
    """States after a cut (at the end), by what happened."""
    found: dict[frozenset[str], list[State]] = {}
    for state in states(disk, len(disk.log) if cut < 0 else cut, seed=1, samples=20):
        found.setdefault(state.kinds, []).append(state)
    return found


def contents(found: dict[frozenset[str], list[State]], path: str = "f") -> set[bytes | None]:
    return {state.tree[path] for group in found.values() for state in group if path in state.tree}


def test_nothing_is_durable_before_its_sync_and_its_folders(tmp_path: Path) -> None:
    disk = SimFiles(str(tmp_path))
    handle = disk.open(str(tmp_path / "f"), NEW)
    disk.pwrite(handle, b"ab", 0)
    trees = [state.tree for group in after(disk).values() for state in group]
    assert {} in trees
    assert {"f": b""} in trees
    assert {"f": b"ab"} in trees
    disk.fsync(handle)
    assert {frozenset(tree.items()) for tree in (s.tree for g in after(disk).values() for s in g)} == {
        frozenset(), frozenset({("f", b"ab")}),
    }
    disk.sync_directory(str(tmp_path))
    assert [state.tree for group in after(disk).values() for state in group] == [{"f": b"ab"}]
    disk.close(handle)


def test_unsynced_writes_are_lost_torn_reordered_and_overtaken_by_the_length(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"durable")
    disk = SimFiles(str(tmp_path))
    handle = disk.open(str(tmp_path / "f"), os.O_WRONLY | os.O_APPEND)
    first, second = b"1" * 700, b"2" * 900
    disk.write(handle, first)
    disk.write(handle, second)
    disk.close(handle)
    found = after(disk)
    for kind in ("lost", "kept", "cut short", "reordered", "torn", "length ahead", "sectors"):
        assert frozenset({kind}) in found, kind
    left = contents(found)
    assert {b"durable", b"durable" + first, b"durable" + first + second} <= left
    assert b"durable" + bytes(700) + second in left, "the later write without the earlier"
    assert (b"durable" + first)[:SECTOR] in left, "a write torn at a sector"
    assert b"durable" + bytes(1600) in left, "the length without the content"
    assert all(data is not None and data.startswith(b"durable") for data in left), "what was durable stays"


def test_a_rename_is_whole_but_may_come_without_the_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    disk = SimFiles(str(tmp_path))
    handle = disk.open(str(tmp_path / "new"), NEW)
    disk.pwrite(handle, b"new", 0)
    disk.close(handle)
    disk.rename(str(tmp_path / "new"), str(tmp_path / "f"))
    assert contents(after(disk)) >= {b"old", b"new", b"", bytes(3)}
    assert all("f" in state.tree for group in after(disk).values() for state in group)


def test_a_failed_sync_is_not_made_good_by_the_next(tmp_path: Path) -> None:
    disk = SimFiles(str(tmp_path))
    handle = disk.open(str(tmp_path / "f"), NEW)
    disk.sync_directory(str(tmp_path))
    disk.pwrite(handle, b"ab", 0)
    disk.fail(disk.calls, errno.EIO, once=True)
    with pytest.raises(OSError, match="Input/output"):
        disk.fsync(handle)
    disk.fsync(handle)
    disk.close(handle)
    assert b"" in contents(after(disk))


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["write", "cut", "sync"]), st.integers(0, 1500)), max_size=8),
    seed=st.integers(0, 99),
)
def test_what_a_sync_covered_is_in_every_state(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], seed: int
) -> None:
    root = tmp_path_factory.mktemp("disk")
    disk = SimFiles(str(root))
    path = root / "f"
    handle = disk.open(str(path), NEW)
    disk.sync_directory(str(root))
    synced = b""
    shrunk = False
    for number, (step, size) in enumerate(steps):
        if step == "write":
            disk.pwrite(handle, bytes([number]) * size, path.stat().st_size)
        elif step == "cut":
            disk.truncate(handle, min(size, path.stat().st_size))
            shrunk = True
        else:
            disk.fsync(handle)
            synced, shrunk = path.read_bytes(), False
    disk.close(handle)
    all_states = list(states(disk, len(disk.log), seed=seed, samples=5))
    assert all_states[0].tree == {"f": path.read_bytes()}, "the first state is what programs saw"
    assert len({frozenset(state.tree.items()) for state in all_states}) == len(all_states)
    if not shrunk:
        assert all((state.tree["f"] or b"").startswith(synced) for state in all_states)
