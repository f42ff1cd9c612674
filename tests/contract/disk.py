"""What every disk of the vault does: private files of their own, appended in order, locked, with faults named."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from firmware.errors import DiskFault
from hw.ports import Disk


class DiskContract:
    """A subclass gives `make()`; what is written goes into the fixture `folder`."""

    port = "disk"

    def make(self) -> Disk:
        raise NotImplementedError

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder of its own for each test, on the disk that is tried."""
        return tmp_path

    def test_creates_privately_and_exclusively(self, folder: Path) -> None:
        disk, path = self.make(), str(folder / "f")
        handle = disk.create(path)
        assert os.stat(path).st_mode & 0o777 == 0o600
        with pytest.raises(DiskFault, match="exists already"):
            disk.create(path)
        disk.close(handle)
        disk.close(handle)

    def test_appends_in_order_and_syncs(self, folder: Path) -> None:
        disk, path = self.make(), str(folder / "f")
        handle = disk.create(path)
        for part in (b"ab", b"", b"c" * 100_000, b"d"):
            disk.write(handle, part)
            disk.sync(handle)
        disk.close(handle)
        assert Path(path).read_bytes() == b"ab" + b"c" * 100_000 + b"d"

    def test_holds_a_lock_as_long_as_it_is_open(self, folder: Path) -> None:
        disk, path = self.make(), str(folder / "f")
        handle = disk.create(path)
        with open(path, "rb") as other:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            disk.close(handle)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_names_what_is_wrong(self, folder: Path) -> None:
        disk = self.make()
        with pytest.raises(DiskFault, match="does not exist"):
            disk.create(str(folder / "absent" / "f"))
        with pytest.raises(DiskFault, match="does not exist"):
            disk.free_bytes(str(folder / "absent"))
        assert disk.free_bytes(str(folder)) > 0
