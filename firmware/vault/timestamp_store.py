"""What waits for a timestamp and the tokens that came, kept in small durable files apart from the recordings.

`<folder>/<recording id>.<start|end>.wanted` until it is answered, then `.token`; each JSON, mode 0600.
"""

from __future__ import annotations

import contextlib
import os
from typing import TypeVar, get_args

import msgspec

from firmware.durable import make_folder, remove_durably, write_durably
from firmware.errors import TimestampFault
from firmware.json_data import decode_json
from firmware.log import get_logger
from firmware.messages import StampedAt, TimestampWanted
from firmware.vault.attachments import Timestamp
from firmware.vault.format import is_recording_id
from firmware.vault.timestamps import covers
from hw.disk import disk_fault, names_in

FOLDER = "timestamps"
MOMENTS: tuple[StampedAt, ...] = get_args(StampedAt)
_WANTED, _TOKEN = ".wanted", ".token"
_MAX_BYTES = 1 << 20
T = TypeVar("T")

log = get_logger("timestamps")


class TimestampStore:
    """One device's. Every method may be called from any thread; raises DiskFault when the disk fails."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @classmethod
    def of_device(cls, state_dir: str) -> TimestampStore:
        """That of the device whose state is in `state_dir`."""
        return cls(os.path.join(state_dir, FOLDER))

    def want(self, wanted: TimestampWanted) -> None:
        """Keep a request, durably. What is wanted or answered already stays as it is."""
        if self.has(wanted.recording_id, wanted.at):
            return
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_fault(error, self.folder, "making") from error
        with contextlib.suppress(FileExistsError):
            path = self._path(wanted.recording_id, wanted.at, _WANTED)
            write_durably(path, msgspec.json.encode(wanted), mode=0o600, exclusive=True)

    def has(self, recording_id: str, at: StampedAt) -> bool:
        """Is it wanted or answered?"""
        return any(os.path.lexists(self._path(recording_id, at, suffix)) for suffix in (_WANTED, _TOKEN))

    def waiting(self, most: int) -> list[TimestampWanted]:
        """At most `most` of those without an answer, the longest waiting first."""
        found: list[tuple[int, str]] = []
        for name in names_in(self.folder):
            if name.endswith(_WANTED):
                with contextlib.suppress(FileNotFoundError):
                    found.append((os.stat(os.path.join(self.folder, name)).st_mtime_ns, name))
        requests = (_read(os.path.join(self.folder, name), TimestampWanted) for _, name in sorted(found))
        return [one for one in requests if one is not None][:most]

    def answer(self, recording_id: str, at: StampedAt, token: bytes) -> bool:
        """Keep a token that came, durably; False when nobody waits for it. Raises TimestampFault when it is over
        other data, or no token."""
        path = self._path(recording_id, at, _WANTED)
        wanted = _read(path, TimestampWanted)
        if wanted is None:
            return False
        if not covers(token, wanted.chain):
            raise TimestampFault(f"the token for the {at} of {recording_id} is over other data",
                                 meaning="It was thrown away; the request still waits")
        kept = msgspec.json.encode(Timestamp(at, wanted.record, token))
        write_durably(self._path(recording_id, at, _TOKEN), kept, mode=0o600)
        remove_durably(path)
        return True

    def of(self, recording_id: str) -> list[Timestamp]:
        """The timestamps of one recording, `start` first: what its sealed copy gets."""
        kept = (_read(self._path(recording_id, at, _TOKEN), Timestamp) for at in MOMENTS)
        return [one for one in kept if one is not None]

    def awaited(self, recording_id: str) -> list[StampedAt]:
        """Which timestamps of one recording are asked for and have not come."""
        return [at for at in MOMENTS if os.path.lexists(self._path(recording_id, at, _WANTED))]

    def forget(self, recording_id: str) -> None:
        """Remove the requests and tokens of a recording that is erased or deleted; nobody is asked for it any more.

        May be run again: after a crash, and at the next start, for a request that was just being written.
        What the authority has learnt (a hash, and when it was asked) stays with it.
        """
        for at in MOMENTS:
            for suffix in (_WANTED, _TOKEN):
                path = self._path(recording_id, at, suffix)
                if os.path.lexists(path):
                    remove_durably(path)

    def _path(self, recording_id: str, at: str, suffix: str) -> str:
        if not is_recording_id(recording_id) or at not in MOMENTS:
            raise ValueError(f"not a recording id and moment: {recording_id!r}, {at!r}")
        return os.path.join(self.folder, f"{recording_id}.{at}{suffix}")


def _read(path: str, kind: type[T]) -> T | None:
    """What a file of ours holds; None when it is not there (any more), or is not whole."""
    try:
        with open(path, "rb") as file:
            return decode_json(file.read(_MAX_BYTES), kind)
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.error("timestamp-file-damaged", path=path, error=str(error))
        return None
    except OSError as error:
        raise disk_fault(error, path, "reading") from error
