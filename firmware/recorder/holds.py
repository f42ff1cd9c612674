"""Holds: recordings that stay on the device until a person releases them. Runs on the connections' threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firmware.errors import ScrubcamError
from firmware.messages import Hold
from firmware.vault.deletion import Tell
from firmware.vault.format import is_recording_id
from firmware.vault.ledger import Kind, Ledger, Mark
from firmware.vault.remove import recording_files


class Holds:
    """On one device. `tell` is durable when it returns."""

    def __init__(self, folders: Sequence[str], ledger: Ledger, tell: Tell, unix_s: Callable[[], float]) -> None:
        self._folders, self._ledger, self._tell, self._unix_s = folders, ledger, tell, unix_s

    def ask(self, asked: Hold, who: str) -> str:
        """Hold or release; what stood against it, or empty. Asked again after a failure it does what was left out."""
        try:
            if not is_recording_id(asked.recording_id) or not recording_files(self._folders, asked.recording_id):
                return f"hold: there is no recording {asked.recording_id} on this device"
            return self._release(asked, who) if asked.release else self._hold(asked, who)
        except ScrubcamError as fault:
            return f"hold: {fault.what}"

    def _hold(self, asked: Hold, who: str) -> str:
        self._ledger.mark(asked.recording_id, "hold", Mark(asked.reason, self._unix_s()))
        gone: tuple[Kind, ...] = ("deleting", "deleted")  # looked for after the mark: deletion.py says why
        if any(self._ledger.marked(asked.recording_id, kind) is not None for kind in gone):
            self._ledger.unmark(asked.recording_id, "hold")
            return f"hold: {asked.recording_id} is being deleted"
        self._tell("held", asked.recording_id, {"origin": who})
        return ""

    def _release(self, asked: Hold, who: str) -> str:
        self._tell("released", asked.recording_id, {"origin": who})
        self._ledger.unmark(asked.recording_id, "hold")
        return ""
