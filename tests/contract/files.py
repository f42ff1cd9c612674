"""What the port under every durable write does, while the power stays on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hw.ports import Files

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class FilesContract:
    """A subclass gives `make(root)`; what is written goes into the fixture `folder`."""

    port = "files"

    def make(self, root: Path) -> Files:
        raise NotImplementedError

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder of its own for each test, on the disk that is tried."""
        return tmp_path

    def test_writes_at_places_and_at_the_end(self, folder: Path) -> None:
        files, path = self.make(folder), str(folder / "f")
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

    def test_names_come_move_and_go(self, folder: Path) -> None:
        files = self.make(folder)
        files.mkdir(str(folder / "d"))
        one, two = str(folder / "d" / "one"), str(folder / "d" / "two")
        files.close(files.open(one, NEW))
        files.link(one, two)
        files.sync_directory(str(folder / "d"))
        files.unlink(one)
        files.close(files.open(one, NEW))
        files.rename(one, two)
        files.sync_directory(str(folder / "d"))
        assert os.listdir(folder / "d") == ["two"]

    def test_refuses_as_the_system_does(self, folder: Path) -> None:
        files, path = self.make(folder), str(folder / "f")
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
        assert os.listdir(folder) == ["f"]
