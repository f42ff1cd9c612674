"""The vault's disks under their contract; and what only a full and a simulated one can show."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.errors import DiskFault
from hil.bench_file import OsFolder
from hw.disk import OsDisk
from hw.sim.disk import SimDisk
from tests.contract.disk import DiskContract


class TestOsDisk(DiskContract):
    adapter = "hw.disk.OsDisk"
    ran_on = "the file system of the machine that runs the tests"

    def make(self) -> OsDisk:
        return OsDisk()

    def test_a_really_full_disk_is_named(self) -> None:
        disk = OsDisk()
        handle = os.open("/dev/full", os.O_WRONLY)
        try:
            with pytest.raises(DiskFault, match="full"):
                disk.write(handle, b"x")
        finally:
            os.close(handle)


class TestOsDiskOnBench(DiskContract):
    adapter = "hw.disk.OsDisk"
    bench = "disk.os"
    ran_on = "virtual bench (QEMU, Debian's 6.12 kernel): ext4 on a virtio disk; no hardware yet"

    def make(self) -> OsDisk:
        return OsDisk()

    @pytest.fixture
    def folder(self, bench_table: OsFolder) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=bench_table.folder) as folder:
            yield Path(folder)


class TestSimDisk(DiskContract):
    adapter = "hw.sim.disk.SimDisk"
    ran_on = "nothing: a simulated disk that loses what was not synced"

    def make(self) -> SimDisk:
        return SimDisk()

    def test_a_cut_keeps_what_was_synced_and_can_lose_the_rest(self, tmp_path: Path) -> None:
        lengths = set()
        for seed in range(30):
            disk, path = SimDisk(), str(tmp_path / f"f{seed}")
            handle = disk.create(path)
            disk.write(handle, b"s" * 5000)
            disk.sync(handle)
            disk.write(handle, b"u" * 20_000)
            disk.cut_power(random.Random(seed))
            left = Path(path).read_bytes()
            assert left[:5000] == b"s" * 5000
            lengths.add(len(left))
            with pytest.raises(DiskFault):
                disk.sync(handle)
        assert min(lengths) < 12_000 < max(lengths)

    def test_free_space_follows_a_full_disk(self, tmp_path: Path) -> None:
        disk = SimDisk()
        disk.fill(123)
        assert disk.free_bytes(str(tmp_path)) == 123
