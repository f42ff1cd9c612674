"""A simulated disk behind hw.ports.Files: real files hold what programs see, a log holds what a power cut may leave.

Driven from outside the wire: `fail`, `hang`, `release`, `repair`, `cut_power`. hw/sim/crash.py turns the log into
the states that a real disk may be in after a cut at any of its operations.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

ROOT = 0


@dataclass(frozen=True, slots=True)
class Write:
    """`data` at `offset` of a file, in the page cache."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All earlier changes of this file's content are durable; `failed`: none, and no later sync makes them so.

    After a failed sync Linux calls the pages clean: the next sync succeeds and writes nothing.
    """

    file: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """One change of names, whole or not at all: (folder, name, what it names now or None) for each name."""

    changes: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class SyncNames:
    """All earlier changes of this folder's names are durable."""

    folder: int


@dataclass(frozen=True, slots=True)
class Said:
    """A promise that the program made to somebody at this point: it must hold from here on."""

    what: object


Change = Write | Truncate | Sync | Names | SyncNames | Said


class SimFiles:
    """hw.ports.Files on the folder `root`; everything in it at the start is durable. Files and folders only.

    Every call but `close` is an operation that can fail and hang; they are counted from 0. No real sync is made.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.log: list[Change] = []
        self.calls = 0
        self.on_call: Callable[[str], None] = lambda operation: None
        """Told of each call before it is done: a test's clock."""
        self.start_contents: dict[int, bytes] = {}
        self.start_names: dict[int, dict[str, int]] = {}
        self.folders = {ROOT}
        self._numbers = {self.root: ROOT}
        self._next = ROOT + 1
        self._files: dict[int, int] = {}
        self._faults: dict[int, tuple[int, bool]] = {}
        self._lasting = 0
        self._hang_at = -1
        self._wake = threading.Condition()
        self.hanging = False
        self._off = False
        self._take_stock()

    # ---- driven from outside -------------------------------------------------------------------

    def fail(self, call: int, code: int, *, once: bool = False) -> None:
        """Call number `call` fails with errno `code`, and so do all later ones that change the disk unless `once`.

        A write that meets a full disk takes half of its bytes first, as a real one may.
        """
        self._faults[call] = (code, once)

    def hang(self, call: int) -> None:
        """Call number `call` blocks until `release` or `cut_power`."""
        self._hang_at = call

    def release(self) -> None:
        with self._wake:
            self._hang_at = -1
            self._wake.notify_all()

    def repair(self) -> None:
        """A healthy disk from now on; what a failed sync lost stays lost."""
        self._faults.clear()
        self._lasting = 0

    def cut_power(self) -> None:
        """This machine is off: every later call, and one that hangs, fails."""
        with self._wake:
            self._off = True
            self._wake.notify_all()

    def say(self, what: object) -> None:
        """Note a promise that was made."""
        self.log.append(Said(what))

    # ---- the port ------------------------------------------------------------------------------

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        path = os.path.realpath(path)
        assert not flags & os.O_TRUNC, "the product never empties a file that is in use"
        creates = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        self._before("create" if creates else "open")
        handle = os.open(path, flags | os.O_CLOEXEC, mode)
        if creates:
            self._log_names((path, self._new(path)))
        self._files[handle] = self._number(path)
        return handle

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return self._write(handle, data, os.fstat(handle).st_size, append=True)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        return self._write(handle, data, offset, append=False)

    def truncate(self, handle: int, size: int) -> None:
        self._before("truncate")
        os.ftruncate(handle, size)
        self.log.append(Truncate(self._file(handle), size))

    def fsync(self, handle: int) -> None:
        try:
            self._before("sync")
        except OSError:
            self.log.append(Sync(self._file(handle), failed=True))
            raise
        self.log.append(Sync(self._file(handle)))

    def fdatasync(self, handle: int) -> None:
        self.fsync(handle)

    def close(self, handle: int) -> None:
        self._files.pop(handle)
        os.close(handle)

    def rename(self, old: str, new: str) -> None:
        old, new = os.path.realpath(old), os.path.realpath(new)
        self._before("rename")
        os.replace(old, new)
        number = self._numbers.pop(old)
        self._numbers[new] = number
        self._log_names((old, None), (new, number))

    def link(self, old: str, new: str) -> None:
        old, new = os.path.realpath(old), os.path.realpath(new)
        self._before("link")
        os.link(old, new)
        self._numbers[new] = self._number(old)
        self._log_names((new, self._numbers[new]))

    def unlink(self, path: str) -> None:
        path = os.path.realpath(path)
        self._before("unlink")
        os.unlink(path)
        self._number(path)
        del self._numbers[path]
        self._log_names((path, None))

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        path = os.path.realpath(path)
        self._before("mkdir")
        os.mkdir(path, mode)
        self.folders.add(self._new(path))
        self._log_names((path, self._number(path)))

    def sync_directory(self, folder: str) -> None:
        self._before("sync names")
        self.log.append(SyncNames(self._number(os.path.realpath(folder))))

    # ---- inside --------------------------------------------------------------------------------

    def _write(self, handle: int, data: bytes | memoryview, offset: int, *, append: bool) -> int:
        call, data = self.calls, bytes(data)
        try:
            self._before("write")
        except OSError as error:
            if error.errno != errno.ENOSPC or call not in self._faults or len(data) < 2:
                raise
            data = data[: len(data) // 2]  # so much still fitted
        taken = os.write(handle, data) if append else os.pwrite(handle, data, offset)
        self.log.append(Write(self._file(handle), offset, data[:taken]))
        return taken

    def _before(self, operation: str) -> None:
        """Count the call; hang or fail where that was asked for."""
        call, self.calls = self.calls, self.calls + 1
        self.on_call(operation)
        if call == self._hang_at:
            with self._wake:
                self.hanging = True
                self._wake.wait_for(lambda: self._off or self._hang_at != call)
                self.hanging = False
        if self._off:
            raise OSError(errno.ENODEV, "the power is off")
        code, once = self._faults.get(call, (0, True))
        if code and not once:
            self._lasting = code
        spared = ("open", "sync", "sync names", "unlink", "truncate") if self._lasting == errno.ENOSPC else ("open",)
        code = code or (0 if operation in spared else self._lasting)
        if code:
            raise OSError(code, os.strerror(code))

    def _log_names(self, *names: tuple[str, int | None]) -> None:
        self.log.append(Names(tuple(
            (self._number(os.path.dirname(path)), os.path.basename(path), number) for path, number in names
        )))

    def _file(self, handle: int) -> int:
        """Of a handle from this port, or of one opened past it: opening a file that exists changes nothing."""
        return self._files.get(handle) or self._number(os.readlink(f"/proc/self/fd/{handle}"))

    def _number(self, path: str) -> int:
        if path not in self._numbers:
            raise AssertionError(f"{path} was made behind the simulated disk's back")
        return self._numbers[path]

    def _new(self, path: str) -> int:
        self._numbers[path] = self._next
        self._next += 1
        return self._numbers[path]

    def _walk(self) -> list[tuple[str, str, bool]]:
        """(path, folder, is a folder) of everything below the root, folders before what is in them."""
        found = []
        for folder, folders, files in os.walk(self.root):
            found += [(os.path.join(folder, name), folder, True) for name in sorted(folders)]
            found += [(os.path.join(folder, name), folder, False) for name in sorted(files)]
        return found

    def _take_stock(self) -> None:
        self.start_names[ROOT] = {}
        for path, folder, is_folder in self._walk():
            number = self._new(path)
            self.start_names[self._numbers[folder]][os.path.basename(path)] = number
            if is_folder:
                self.folders.add(number)
                self.start_names[number] = {}
            else:
                with open(path, "rb") as file:
                    self.start_contents[number] = file.read()
