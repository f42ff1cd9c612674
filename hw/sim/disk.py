"""An honest disk simulator: real files, but what was not synced is lost or torn when the power is cut.

Driven from outside the wire: by method (`cut_power()`, `hang("sync")`) or, from another process, by a control
file. It writes only what it is given; a reader sees unsynced bytes as through a page cache, until the cut.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from typing import Literal

from hw.disk import OsDisk, disk_fault

Operation = Literal["create", "write", "sync"]
PAGE = 4096
_READ_ONLY: dict[Operation, int] = {"create": errno.EROFS, "write": errno.EROFS}


class SimDisk:
    """hw.ports.Disk with the bad manners of disks.

    - `cut_power(rng)`: each file keeps what its last finished sync covered. Of the rest a random length
      stays, and each page of it may be intact, zeros (never written back) or noise (a torn write).
    - `hang(operation)`: that operation blocks until `release()` or `cut_power()`.
    - `fill(bytes_left)`: ENOSPC after that many more bytes, the last write torn at the border.
    - `fail(operation)`: EIO. `read_only()`: EROFS. `recover()` ends all of these.
    - a control file (if given) is read before each operation: words "hang-sync", "hang-write", "fail-sync",
      "fail-write", "full", "room-<bytes>" (ENOSPC after that many), "read-only", "gone" (ENODEV); an empty or absent
      file means a healthy disk.
    """

    def __init__(self, control_path: str = "") -> None:
        self._os = OsDisk()
        self._control = control_path
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._files: dict[int, str] = {}
        self._written: dict[str, int] = {}
        self._synced: dict[str, int] = {}
        self._hanging: set[Operation] = set()
        self._failing: dict[Operation, int] = {}
        self._space: int | None = None
        self._told_room: int | None = None
        self._dead = False

    # ---- driven from outside -------------------------------------------------------------------

    def hang(self, operation: Operation) -> None:
        with self._wake:
            self._hanging.add(operation)

    def release(self) -> None:
        with self._wake:
            self._hanging.clear()
            self._wake.notify_all()

    def fail(self, operation: Operation) -> None:
        with self._wake:
            self._failing[operation] = errno.EIO

    def read_only(self) -> None:
        with self._wake:
            self._failing |= _READ_ONLY

    def fill(self, bytes_left: int = 0) -> None:
        with self._wake:
            self._space = bytes_left

    def recover(self) -> None:
        """A healthy disk again (after hang, fail, read_only or fill; not after cut_power)."""
        with self._wake:
            self._hanging.clear()
            self._failing.clear()
            self._space = None
            self._wake.notify_all()

    def cut_power(self, rng: random.Random) -> None:
        """Lose or tear what was not synced. Every later or blocked operation fails: this machine is off."""
        with self._wake:
            self._dead = True
            self._wake.notify_all()
            for handle in list(self._files):
                self._os.close(handle)
            for path, written in self._written.items():
                tear(path, self._synced[path], written, rng)

    # ---- the port ------------------------------------------------------------------------------

    def create(self, path: str) -> int:
        self._before("create", path)
        handle = self._os.create(path)
        with self._lock:
            self._files[handle] = path
            self._written[path] = self._synced[path] = 0
        return handle

    def write(self, handle: int, data: bytes) -> None:
        path = self._files[handle]
        self._before("write", path)
        with self._lock:
            fits = len(data) if self._space is None else min(len(data), self._space)
            if self._space is not None:
                self._space -= fits
            self._os.write(handle, bytes(data[:fits]))
            self._written[path] += fits
        if fits < len(data):
            raise disk_fault(OSError(errno.ENOSPC, "full"), path, "writing")

    def sync(self, handle: int) -> None:
        path = self._files[handle]
        with self._lock:
            covers = self._written[path]
        self._before("sync", path)
        with self._lock:
            self._synced[path] = max(self._synced[path], covers)

    def close(self, handle: int) -> None:
        with self._lock:
            if self._files.pop(handle, None) is not None:
                self._os.close(handle)

    def free_bytes(self, path: str) -> int:
        self._follow_control()
        with self._lock:
            space = self._space
        real = self._os.free_bytes(path)
        return real if space is None else min(real, space)

    # ---- inside --------------------------------------------------------------------------------

    def _before(self, operation: Operation, path: str) -> None:
        self._follow_control()
        with self._wake:
            while operation in self._hanging and not self._dead:
                self._wake.wait(0.05)
                self._follow_control_locked()
            code = errno.ENODEV if self._dead else self._failing.get(operation)
        if code is not None:
            raise disk_fault(OSError(code, os.strerror(code)), path, f"{operation} on")

    def _follow_control(self) -> None:
        with self._lock:
            self._follow_control_locked()

    def _follow_control_locked(self) -> None:
        if not self._control:
            return
        try:
            with open(self._control, encoding="ascii") as file:
                words = set(file.read().split())
        except FileNotFoundError:
            words = set()
        operations: tuple[Operation, ...] = ("create", "write", "sync")
        self._hanging = {op for op in operations if f"hang-{op}" in words}
        self._failing = {op: errno.EIO for op in operations if f"fail-{op}" in words}
        if "read-only" in words:
            self._failing |= _READ_ONLY
        if "gone" in words:
            self._failing |= dict.fromkeys(operations, errno.ENODEV)
        room = 0 if "full" in words else next((int(word[5:]) for word in words if word.startswith("room-")), None)
        if room != self._told_room:  # the word stays in the file while the room is used up
            self._told_room = self._space = room


class SimDisks:
    """hw.ports.Disk over several simulated disks, each of which holds one folder."""

    def __init__(self, disks: dict[str, SimDisk]) -> None:
        self._disks = {os.path.abspath(folder): disk for folder, disk in disks.items()}
        self._of_handle: dict[int, SimDisk] = {}

    def create(self, path: str) -> int:
        disk = self._at(os.path.dirname(path))
        handle = disk.create(path)
        self._of_handle[handle] = disk
        return handle

    def write(self, handle: int, data: bytes) -> None:
        self._of_handle[handle].write(handle, data)

    def sync(self, handle: int) -> None:
        self._of_handle[handle].sync(handle)

    def close(self, handle: int) -> None:
        disk = self._of_handle.pop(handle, None)
        if disk is not None:
            disk.close(handle)

    def free_bytes(self, path: str) -> int:
        return self._at(path).free_bytes(path)

    def _at(self, folder: str) -> SimDisk:
        return self._disks[os.path.abspath(folder)]


def tear(path: str, synced: int, written: int, rng: random.Random) -> None:
    """What a power cut leaves of a file: all of the first `synced` bytes, a random part of the rest."""
    end = rng.choice((written, rng.randint(synced, written)))  # the length may reach the disk before the data
    os.truncate(path, end)
    with open(path, "r+b") as file:
        start = synced
        while start < end:
            stop = min(end, (start // PAGE + 1) * PAGE)
            fate = rng.choice(("kept", "kept", "kept", "zeros", "noise"))
            if fate != "kept":
                file.seek(start)
                file.write(bytes(stop - start) if fate == "zeros" else rng.randbytes(stop - start))
            start = stop
