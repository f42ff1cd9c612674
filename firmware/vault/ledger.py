"""What became of each recording: handed over to whom, held, being deleted, deleted. Small files, each written once.

`<id>.handover.<n>`, `<id>.hold`, `<id>.deleting` and `<id>.deleted` in `<state_dir>/ledger`. A file that is there is
true; none is ever changed, so that the command and the recorder can both write without waiting for one another. A
hand-over that counts no more gets a file beside it: `<id>.handover.<n>.void`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from firmware.durable import make_folder, remove_durably, write_durably
from firmware.errors import DiskFault, Refused
from firmware.json_data import decode_json
from firmware.vault.format import is_recording_id
from hw.disk import disk_fault, names_in

FOLDER = "ledger"
MOST_HANDOVERS = 1000
Kind = Literal["hold", "deleting", "deleted"]
T = TypeVar("T", bound=msgspec.Struct)


class HandOver(msgspec.Struct, frozen=True):
    """A sealed copy that left the device. `chain` is the recording's last chain value in hex: it covers every byte.

    `verified`: the copy was read back from the target and every byte of it checked. `path` and the name `target` were
    typed by a person and stay on the device; `origin` is the login or role of who did it.
    """

    target: str
    chain: str
    size_bytes: int
    unix_s: float
    verified: bool
    path: str = ""
    origin: str = "operator"


class Mark(msgspec.Struct, frozen=True):
    """A hold, a deletion under way or done: why, and since when."""

    reason: str
    unix_s: float


class Ledger:
    """The files of one device."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @classmethod
    def of_device(cls, state_dir: str) -> Ledger:
        """The ledger of the device whose state is in `state_dir`."""
        return cls(os.path.join(state_dir, FOLDER))

    @contextlib.contextmanager
    def handing_over(self) -> Iterator[None]:
        """One hand-over at a time on this device; ends with the process. Raises Refused, DiskFault."""
        self._make()
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("a hand-over is under way on this device", todo="wait until it has ended") from None
            yield
        finally:
            os.close(handle)

    def add_handover(self, recording_id: str, handover: HandOver) -> int:
        """Its number. Durable when this returns. Raises DiskFault."""
        for number in range(MOST_HANDOVERS):
            try:
                self._write(recording_id, f"handover.{number}", handover, exclusive=True)
                return number
            except FileExistsError:
                continue
        raise DiskFault(f"{recording_id} was handed over {MOST_HANDOVERS} times", todo="take one of those copies")

    def handovers(self, recording_id: str) -> list[HandOver]:
        """Every one, the first first; one that counts no more is not `verified`. Raises DiskFault."""
        found = []
        for number in range(MOST_HANDOVERS):
            handover = self._read(recording_id, f"handover.{number}", HandOver)
            if handover is None:
                break
            void = self._read(recording_id, f"handover.{number}.void", Mark) is not None
            found.append(replace(handover, verified=False) if void else handover)
        return found

    def void(self, recording_id: str, number: int, mark: Mark) -> None:
        """This hand-over counts no more. Durable when this returns; twice is no error. Raises DiskFault."""
        try:
            self._write(recording_id, f"handover.{number}.void", mark, exclusive=True)
        except FileExistsError:
            pass

    def mark(self, recording_id: str, kind: Kind, mark: Mark) -> None:
        """Durable when this returns; a second mark of a kind changes nothing. Raises DiskFault."""
        try:
            self._write(recording_id, kind, mark, exclusive=True)
        except FileExistsError:
            pass

    def marked(self, recording_id: str, kind: Kind) -> Mark | None:
        """Raises DiskFault."""
        return self._read(recording_id, kind, Mark)

    def unmark(self, recording_id: str, kind: Kind) -> None:
        """Raises DiskFault."""
        if os.path.lexists(self._path(recording_id, kind)):
            remove_durably(self._path(recording_id, kind))

    def ids(self, kind: Kind) -> list[str]:
        """The recordings with this mark, in name order. Raises DiskFault."""
        return [name.removesuffix(f".{kind}") for name in names_in(self.folder) if name.endswith(f".{kind}")]

    def untold(self) -> list[tuple[str, int]]:
        """(recording id, number) of the hand-overs that the journal does not tell of yet. Raises DiskFault."""
        names = set(names_in(self.folder))
        new = [name for name in names if ".handover." in name and name.count(".") == 2 and f"{name}.told" not in names]
        return sorted((name.split(".")[0], int(name.split(".")[2])) for name in new)

    def told(self, recording_id: str, number: int) -> None:
        """Raises DiskFault."""
        self._write(recording_id, f"handover.{number}.told", Mark("", 0.0))

    def _write(self, recording_id: str, suffix: str, content: msgspec.Struct, *, exclusive: bool = False) -> None:
        self._make()
        write_durably(self._path(recording_id, suffix), msgspec.json.encode(content), exclusive=exclusive)

    def _make(self) -> None:
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_fault(error, self.folder, "making") from error

    def _read(self, recording_id: str, suffix: str, model: type[T]) -> T | None:
        path = self._path(recording_id, suffix)
        try:
            with open(path, "rb") as file:
                return decode_json(file.read(), model)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_fault(error, path, "reading") from error
        except ValueError as error:
            raise DiskFault(f"{path} is damaged ({error})", meaning="The recording it speaks of is not deleted",
                            todo="look at the recording, hand it over again, then remove this file") from error

    def _path(self, recording_id: str, suffix: str) -> str:
        if not is_recording_id(recording_id):
            raise ValueError(f"not a recording id: {recording_id!r}")
        return os.path.join(self.folder, f"{recording_id}.{suffix}")
