"""Keeps the disks in order while the recorder rests: tells of hand-overs, deletes what retention chose.

Runs on a thread of its own, only in READY, and looks again before each deletion whether the recorder still rests, and
whether the copy that was handed over still stands where it can be reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from firmware.config import Config
from firmware.errors import ScrubcamError
from firmware.recorder import machine_types as t
from firmware.recorder.targets import with_todo
from firmware.vault.copies import changed_copies
from firmware.vault.deletion import Deletion, Tell, do_all
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import Ledger, Mark
from firmware.vault.retention import Choice, OnDevice, due
from firmware.vault.survey import survey
from firmware.vault.timestamp_store import TimestampStore
from hw.ports import Clock

FIRST_NS = 2 * t.SECOND
EVERY_NS = 30 * t.SECOND


class _Started(Exception):
    """The recorder rests no more; the round ends here."""


class Tidy:
    """`tick` is called by the loop and never waits."""

    def __init__(
        self, cfg: Config, clock: Clock, tell: Tell, close_left_open: Callable[[], None],
        report: Callable[[t.MachineEvent], None],
    ) -> None:
        """`tell` is durable when it returns; `close_left_open` closes what a failed disk left open."""
        self._cfg, self._clock, self._tell, self._report = cfg, clock, tell, report
        self._close_left_open = close_left_open
        self._ledger = Ledger.of_device(cfg.paths.state_dir)
        self._deletion = Deletion(
            cfg.paths.targets, Keystore.of_device(cfg.paths.state_dir), TimestampStore.of_device(cfg.paths.state_dir),
            self._ledger, tell, clock.unix_s,
        )
        self._resting = False
        self._next_ns = 0
        self._thread: threading.Thread | None = None

    def tick(self, now_ns: int, resting: bool, missing_bytes: int) -> None:
        """`missing_bytes`: what the disks lack of the reserve."""
        if resting and not self._resting:
            self._next_ns = now_ns + FIRST_NS
        self._resting = resting
        running = self._thread is not None and self._thread.is_alive()
        if resting and not running and now_ns >= self._next_ns:
            self._next_ns = now_ns + EVERY_NS
            self._thread = threading.Thread(target=self._run, args=(missing_bytes,), name="tidy", daemon=True)
            self._thread.start()

    def _run(self, missing_bytes: int) -> None:
        parts: tuple[Callable[[], object], ...] = (
            self._close_left_open, self._deletion.resume, self._tell_handovers, lambda: self._delete(missing_bytes),
        )
        try:
            do_all(parts, lambda part: part())
        except _Started:
            pass
        except ScrubcamError as fault:
            self._report(t.Alerted("retention", with_todo(fault)))
        else:
            self._report(t.Alerted("retention", cleared=True))

    def _delete(self, missing_bytes: int) -> None:
        """What is due. Raises _Started, and the first fault after the others were tried."""
        recordings = {one.recording_id: one for one in survey(self._cfg.paths.targets, self._ledger)}

        def delete(choice: Choice) -> None:
            self._go_on()
            if self._copies_stand(recordings[choice.recording_id]):
                self._deletion.delete(choice.recording_id, choice.reason)

        do_all(due(recordings.values(), self._cfg.retention, self._clock.unix_s(), missing_bytes), delete)

    def _copies_stand(self, one: OnDevice) -> bool:
        """Is each copy that can be reached still what was handed over? One that is not counts no more from now on."""
        changed = changed_copies(one, lambda _done, _total: self._go_on())
        for number in changed:
            self._tell("copy-changed", one.recording_id, {"number": number})
            self._ledger.void(one.recording_id, number, Mark("the copy was changed", self._clock.unix_s()))
        return not changed

    def _go_on(self) -> None:
        if not self._resting:
            raise _Started

    def _tell_handovers(self) -> None:
        do_all(self._ledger.untold(), lambda one: self._tell_handover(*one))

    def _tell_handover(self, recording_id: str, number: int) -> None:
        """Without the target's name and path: a person typed them, and what a person types stays on the device."""
        handover = self._ledger.handovers(recording_id)[number]
        self._tell("handed-over", recording_id, {
            "bytes": handover.size_bytes, "verified": handover.verified, "chain": handover.chain,
            "at_unix_s": handover.unix_s, "origin": handover.origin,
        })
        self._ledger.told(recording_id, number)
