"""What may take long and must not hold up the loop: self-test, recovery, looking at the disk's free space.

Each runs on a thread of its own and reports by a call; the loop reads the last figures without waiting.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from firmware.config import Config
from firmware.durable import make_folder
from firmware.errors import DiskFault, ScrubcamError
from firmware.recorder import machine_types as t
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import RecipientKey, load_recipients
from firmware.vault.recover import recover_all
from hw.ports import Clock, Disk

LOOK_EVERY_S = 1.0
NO_ANSWER_NS = 3 * t.SECOND
NoteEvent = Callable[[str, str, dict[str, t.Scalar]], None]


@dataclass(slots=True)
class Keys:
    """What the self-test loads. `recipients_problem` says why the recipients' keys could not be loaded."""

    device: DeviceKey | None = None
    recipients: tuple[RecipientKey, ...] = ()
    recipients_problem: str = ""


class Chores:
    """The recorder's slow work."""

    def __init__(
        self, cfg: Config, disk: Disk, clock: Clock, report: Callable[[t.MachineEvent], None], note: NoteEvent
    ) -> None:
        self._cfg, self._disk, self._clock, self._report, self._note = cfg, disk, clock, report, note
        self.keys = Keys()
        with contextlib.suppress(ScrubcamError):  # told by the self-test; here it is for the journal's first lines
            self.keys.device = DeviceKey.load_or_create(cfg.paths.state_dir)
        self._free_bytes: int | None = None
        self._disk_problem = ""
        self._looked_ns = clock.monotonic_ns()
        self._ended = threading.Event()
        self._looker: threading.Thread | None = None

    def close(self) -> None:
        self._ended.set()

    def space(self) -> tuple[int | None, str]:
        """(free bytes or None, problem): the last look, or that the disk does not answer."""
        if self._clock.monotonic_ns() - self._looked_ns > NO_ANSWER_NS:
            return self._free_bytes, "not answering"
        return self._free_bytes, self._disk_problem

    def self_test(self) -> None:
        threading.Thread(target=self._self_test, name="selftest", daemon=True).start()

    def recover(self) -> None:
        threading.Thread(target=self._recover, name="recover", daemon=True).start()

    def _self_test(self) -> None:
        try:
            paths = self._cfg.paths
            for folder in (paths.recordings_dir, paths.state_dir):
                _make_private(folder)
            self._start_looking()
            keys = Keys(device=DeviceKey.load_or_create(paths.state_dir))
            try:
                keys.recipients = load_recipients((r.role, r.file) for r in self._cfg.recorder.recipients)
            except ScrubcamError as fault:
                keys.recipients_problem = fault.what
            self.keys = keys
            self._report(t.SelfTested())
        except ScrubcamError as fault:
            self._report(t.SelfTested(f"{fault.code}: {fault.what}"))

    def _recover(self) -> None:
        device = self.keys.device
        assert device is not None  # the self-test loads it before recovery is asked for
        try:
            found = recover_all(self._cfg.paths.recordings_dir, device, unix_s=self._clock.unix_s)
        except ScrubcamError as fault:
            self._report(t.Recovered(0, f"{fault.code}: {fault.what}"))
            return
        for recovery in found:
            if recovery.outcome in ("closed", "unstarted", "damaged", "failed"):
                self._note("recovered", recovery.recording_id, {
                    "outcome": recovery.outcome, "fragments": recovery.fragments, "cut_bytes": recovery.cut_bytes,
                    "problem": recovery.problem,
                })
        self._report(t.Recovered(sum(1 for recovery in found if recovery.outcome == "closed")))

    def _start_looking(self) -> None:
        """Look once before the self-test is done, so that the first answer is there; then for ever."""
        if self._looker is None:
            self._look()
            self._looker = threading.Thread(target=self._look_for_ever, name="disk-space", daemon=True)
            self._looker.start()

    def _look_for_ever(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        try:
            self._free_bytes = self._disk.free_bytes(self._cfg.paths.recordings_dir)
            self._disk_problem = ""
        except ScrubcamError as fault:
            self._disk_problem = fault.what
        self._looked_ns = self._clock.monotonic_ns()


def _make_private(folder: str) -> None:
    """Raises DiskFault when the folder cannot be made or written."""
    try:
        make_folder(folder)
    except OSError as error:
        raise DiskFault(f"{folder} cannot be made ({error.strerror})", todo="check the paths in the configuration",
                        meaning="Nothing can be recorded") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DiskFault(f"{folder} is not writable", todo="check its owner and whether the disk is read-only",
                        meaning="Nothing can be recorded")
