"""Deletes a recording: written down before, the key destroyed, the files removed, written down after.

A crash between any two steps is made good by `resume`. Events reach the journal at least once; the rest happens once.
A hold wins over retention as long as the key is there. Both write their mark first and look for the other's then, so
that of two at one moment at least one gives way, and no recording is both held and deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, get_args

from firmware.errors import ScrubcamError
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import Ledger, Mark
from firmware.vault.remove import remove_files, returned
from firmware.vault.retention import Reason
from firmware.vault.timestamp_store import TimestampStore

Tell = Callable[[str, str, dict[str, str | int | float | bool]], None]
"""(kind, recording id, fields): an event, durable when it returns. Raises DiskFault."""


T = TypeVar("T")


def do_all(items: Iterable[T], act: Callable[[T], object]) -> None:
    """`act` on each, so that a fault at one holds up no other. Raises the first ScrubcamError at the end."""
    first: ScrubcamError | None = None
    for item in items:
        try:
            act(item)
        except ScrubcamError as fault:
            first = first or fault
    if first is not None:
        raise first


class Deletion:
    """On one device: its folders of recordings, keystore, timestamps and ledger."""

    def __init__(
        self, folders: Sequence[str], keystore: Keystore, timestamps: TimestampStore, ledger: Ledger, tell: Tell,
        unix_s: Callable[[], float],
    ) -> None:
        self._folders, self._keystore, self._timestamps = folders, keystore, timestamps
        self._ledger, self._tell, self._unix_s = ledger, tell, unix_s

    def delete(self, recording_id: str, reason: str) -> None:
        """From the intent to the last word. Raises DiskFault; then `resume` goes on with it later.

        With a reason of retention's, a recording that is held by now is left alone.
        """
        self._ledger.mark(recording_id, "deleting", Mark(reason, self._unix_s()))
        self._finish(recording_id, reason)

    def resume(self) -> list[str]:
        """Finish what was begun, and remove files of what is deleted that came back with a disk.

        Raises the first DiskFault after the others were tried.
        """
        begun = self._ledger.ids("deleting")
        do_all(begun, self._go_on)
        do_all(returned(self._folders, self._ledger.ids("deleted")), self._clear)
        return begun

    def _go_on(self, recording_id: str) -> None:
        mark = self._ledger.marked(recording_id, "deleting")
        if mark is not None:
            self._finish(recording_id, mark.reason)

    def _clear(self, recording_id: str) -> None:
        remove_files(self._folders, recording_id)

    def _finish(self, recording_id: str, reason: str) -> None:
        held = reason in get_args(Reason) and self._ledger.marked(recording_id, "hold") is not None
        if held and self._keystore.has(recording_id):
            self._ledger.unmark(recording_id, "deleting")
            return
        self._tell("deleting", recording_id, {"reason": reason})
        self._keystore.destroy(recording_id)
        self._timestamps.forget(recording_id)
        files = remove_files(self._folders, recording_id)
        self._tell("deleted", recording_id, {"reason": reason, "files": files})
        self._ledger.mark(recording_id, "deleted", Mark(reason, self._unix_s()))
        self._ledger.unmark(recording_id, "deleting")
