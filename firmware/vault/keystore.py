"""The device's keystore: for each recording one small file that holds its wrapped keys, kept apart from the recording.

Destroying that file erases the recording, wherever copies of its ciphertext without attachments may lie.
"""

from __future__ import annotations

import os

from firmware.durable import make_folder, remove_leftovers, rename_durably, wipe_durably, write_durably
from firmware.errors import KeyFault
from firmware.vault.format import is_recording_id
from hw.disk import disk_fault, names_in

FOLDER = "keystore"
SUFFIX = ".keys"
_DYING = ".destroyed"
_MAX_BYTES = 1 << 20


class Keystore:
    """`<folder>/<recording id>.keys`, mode 0600, each a key envelope as docs/recording-format.md says."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @classmethod
    def of_device(cls, state_dir: str) -> Keystore:
        """The keystore of the device whose state is in `state_dir`."""
        return cls(os.path.join(state_dir, FOLDER))

    def put(self, recording_id: str, envelope: bytes) -> None:
        """Keep a key envelope; durable when this returns. Raises KeyFault when the id has one, DiskFault."""
        path = self._path(recording_id)
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_fault(error, self.folder, "making") from error
        try:
            if os.path.lexists(path + _DYING):
                raise FileExistsError
            write_durably(path, envelope, mode=0o600, exclusive=True)
        except FileExistsError as error:
            raise KeyFault(f"the keystore {self.folder} holds or held keys for {recording_id} already",
                           meaning="Nothing is recorded under that id", todo="start again: each start has a new id",
                           ) from error

    def get(self, recording_id: str) -> bytes:
        """The key envelope. Raises KeyFault when there is none (any more), DiskFault."""
        try:
            with open(self._path(recording_id), "rb") as file:
                return file.read(_MAX_BYTES)
        except FileNotFoundError as error:
            raise KeyFault(f"the keystore {self.folder} holds no keys for {recording_id}",
                           meaning="They were destroyed, or it is another device's recording; no archive key opens it",
                           todo="take a sealed copy, or give the keystore of the device that made it") from error
        except OSError as error:
            raise disk_fault(error, self.folder, "reading the keystore") from error

    def has(self, recording_id: str) -> bool:
        """Is there a key envelope for this recording?"""
        return os.path.lexists(self._path(recording_id))

    def ids(self) -> list[str]:
        """The recordings that can be opened, in name order. Raises DiskFault."""
        return [name.removesuffix(SUFFIX) for name in names_in(self.folder) if name.endswith(SUFFIX)]

    def destroy(self, recording_id: str) -> bool:
        """Erase the keys of one recording for good; False when there was nothing to destroy. Raises DiskFault.

        First the slot loses its name, so that from then on it never opens, whenever power goes; then its bytes are
        overwritten in place and the file is removed. Run again after a crash (or `finish`), it ends what was begun.
        """
        path = self._path(recording_id)
        found = os.path.lexists(path)
        if found:
            rename_durably(path, path + _DYING)
        if not os.path.lexists(path + _DYING):
            return False
        wipe_durably(path + _DYING)
        return True

    def finish(self) -> list[str]:
        """End every destruction that a crash cut short; returns those recordings' ids. Half-written files go. Raises
        DiskFault."""
        remove_leftovers(self.folder)
        dying = [name.removesuffix(SUFFIX + _DYING) for name in names_in(self.folder) if name.endswith(SUFFIX + _DYING)]
        for recording_id in dying:
            self.destroy(recording_id)
        return dying

    def _path(self, recording_id: str) -> str:
        if not is_recording_id(recording_id):
            raise ValueError(f"not a recording id: {recording_id!r}")
        return os.path.join(self.folder, recording_id + SUFFIX)
