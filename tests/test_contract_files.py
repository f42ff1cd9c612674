"""The port under every durable write, over the real file system and the simulated one; and what only the simulated one
can show, the states after a power cut."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.bench_file import OsFolder
from hw.files import OsFiles
from hw.sim.crash import SECTOR, State, states
from hw.sim.files import SimFiles
from tests.contract.files import NEW, FilesContract


class TestOsFiles(FilesContract):
    adapter = "hw.files.OsFiles"
    ran_on = "the file system of the machine that runs the tests"

    def make(self, root: Path) -> OsFiles:
        return OsFiles()


class TestOsFilesOnBench(FilesContract):
    adapter = "hw.files.OsFiles"
    bench = "files.os"
    ran_on = "virtual bench (QEMU, Debian's 6.12 kernel): ext4 on a virtio disk; no hardware yet"

    def make(self, root: Path) -> OsFiles:
        return OsFiles()

    @pytest.fixture
    def folder(self, bench_table: OsFolder) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=bench_table.folder) as folder:
            yield Path(folder)


class TestSimFiles(FilesContract):
    adapter = "hw.sim.files.SimFiles"
    ran_on = "nothing: a simulated file system that can lose, tear, refuse and hang"

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
