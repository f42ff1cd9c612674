"""Where recordings can go: one or two folders on disks of their own, and how much room they have. The choice is pure;
`Target` looks at one folder from a thread, so that a disk that hangs holds up nobody."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from firmware.durable import make_folder, remove_durably
from firmware.errors import DiskFault, ScrubcamError
from hw.ports import Clock, Disk

LOOK_EVERY_S = 1.0
NO_ANSWER_NS = 1_900_000_000
PROBE_EVERY_NS = 10_000_000_000
NOT_ANSWERING = "not answering"


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one target. `free_bytes` None: not looked at yet. `device` tells file systems apart."""

    folder: str
    free_bytes: int | None
    problem: str = ""
    device: int = 0

    def room(self, floor_bytes: int) -> int:
        """Bytes that a recording may still fill; 0 for a target that cannot be used."""
        return 0 if self.problem or self.free_bytes is None else max(0, self.free_bytes - floor_bytes)


def choose(looks: Sequence[Look], floor_bytes: int, needed_bytes: int, *, but: str = "") -> str:
    """The folder for the next file: the first with `needed_bytes` above the floor, else the one with most room, which
    may not be `but`. Empty when there is none."""
    usable = [look for look in looks if look.folder != but and look.room(floor_bytes) > 0]
    for look in usable:
        if look.room(floor_bytes) >= needed_bytes:
            return look.folder
    return max(usable, key=lambda look: look.room(floor_bytes)).folder if usable else ""


def total_room(looks: Sequence[Look], floor_bytes: int) -> int:
    """Room on all targets together; two folders on one file system have it only once."""
    rooms: dict[int, int] = {}
    for look in looks:
        rooms[look.device] = max(rooms.get(look.device, 0), look.room(floor_bytes))
    return sum(rooms.values())


class Target:
    """One folder. `look` gives the last look without waiting; a target that failed has to pass a probe to be used."""

    def __init__(self, folder: str, disk: Disk, clock: Clock, *, first: bool) -> None:
        self.folder, self._disk, self._clock, self._first = folder, disk, clock, first
        self._free_bytes: int | None = None
        self._device: int | None = None
        self._problem = ""
        self._failure = ""
        self._probed_ns = 0
        self._looked_ns = clock.monotonic_ns()
        self._looking = False
        self._ended = threading.Event()

    def close(self) -> None:
        self._ended.set()

    def look(self) -> Look:
        silent = self._looking and self._clock.monotonic_ns() - self._looked_ns > NO_ANSWER_NS
        problem = NOT_ANSWERING if silent else self._failure or self._problem
        return Look(self.folder, self._free_bytes, problem, self._device or 0)

    def failed(self, text: str) -> None:
        """A recording failed here: not to be used before a probe has shown that it takes bytes again."""
        self._failure, self._probed_ns = text, self._clock.monotonic_ns()

    def low(self, free_bytes: int) -> None:
        """No more than so much is free, whatever the last look found."""
        self._free_bytes = min(self._free_bytes or 0, free_bytes)

    def prepare(self) -> None:
        """Make the folder and look, with a probe if a recording has failed here; then look for ever, on a thread."""
        self._probed_ns = 0
        self._look()
        if not self._looking:
            self._looking = True
            threading.Thread(target=self._look_for_ever, name="disk-space", daemon=True).start()

    def _look_for_ever(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        try:
            if self._device is None:  # of a second one only the last folder: without its disk it has no place
                make_private(self.folder, meaning="Nothing can be recorded there", parents=self._first)
            self._free_bytes = self._disk.free_bytes(self.folder)
            self._problem = self._not_itself()
            probe_due = self._clock.monotonic_ns() - self._probed_ns > PROBE_EVERY_NS or not self._probed_ns
            if self._failure and not self._problem and probe_due:
                self._probe()
        except ScrubcamError as fault:
            self._problem = with_todo(fault)
        except OSError as error:
            self._problem = f"{self.folder}: {error.strerror}"
        self._looked_ns = self._clock.monotonic_ns()

    def _not_itself(self) -> str:
        """A disk that dropped off leaves an empty folder of the file system below: never fill that one instead."""
        device = os.stat(self.folder).st_dev
        if self._device is None:
            self._device = device
        if device != self._device:
            return f"{self.folder} is on another disk than at the start: the disk is gone"
        if not os.access(self.folder, os.W_OK | os.X_OK):
            return f"{self.folder} is not writable"
        return ""

    def _probe(self) -> None:
        """Does it take and keep a byte? Raises DiskFault."""
        self._probed_ns = self._clock.monotonic_ns()
        path = os.path.join(self.folder, ".probe")
        remove_durably(path)
        handle = self._disk.create(path)
        try:
            self._disk.write(handle, b"?")
            self._disk.sync(handle)
        finally:
            self._disk.close(handle)
        remove_durably(path)
        self._failure = ""


def with_todo(fault: ScrubcamError) -> str:
    """A fault in one line: what happened and what to do."""
    return f"{fault.what}. Do: {fault.todo}" if fault.todo else fault.what


def make_private(folder: str, *, meaning: str, parents: bool = True) -> None:
    """Make a folder for this user alone. Raises DiskFault when it cannot be made or written."""
    todo = "check the paths in the configuration, and whether the disk is mounted"
    if not parents and not os.path.isdir(os.path.dirname(os.path.abspath(folder))):
        raise DiskFault(f"{folder} has no place: the folder above it is not there", meaning=meaning, todo=todo)
    try:
        make_folder(folder)
    except OSError as error:
        raise DiskFault(f"{folder} cannot be made ({error.strerror})", meaning=meaning, todo=todo) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DiskFault(f"{folder} is not writable", meaning=meaning,
                        todo="check its owner and whether the disk is read-only")
