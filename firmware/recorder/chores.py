"""What may take long and must not hold up the loop: self-test, recovery, looking at the disks.

Each runs on a thread of its own and reports by a call; the loop reads the last figures without waiting.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firmware.config import Config
from firmware.errors import DiskFault, KeyFault, Refused, ScrubcamError
from firmware.recorder import machine_types as t
from firmware.recorder.session import Session
from firmware.recorder.targets import Look, Target, make_private
from firmware.vault.certificate import Order
from firmware.vault.device_ca import to_der
from firmware.vault.device_certificates import load_device_chain
from firmware.vault.device_key import DeviceKey
from firmware.vault.erasure import Erasure, Signer
from firmware.vault.format import DeviceInfo
from firmware.vault.keys import RecipientKey, load_recipients
from firmware.vault.keystore import Keystore
from firmware.vault.recover import Recovery, recover_all
from hw.ports import Clock, Disk

PREPARE_S = 5.0
NoteEvent = Callable[[str, str, dict[str, t.Scalar]], None]


@dataclass(slots=True)
class Keys:
    """What the self-test loads. `recipients_problem` says why the recipients' keys could not be loaded."""

    device: DeviceKey | None = None
    certificates: list[bytes] = field(default_factory=list)
    """The device's own X.509 certificate and its issuers, DER; empty where the site has no device CA."""
    recipients: tuple[RecipientKey, ...] = ()
    recipients_problem: str = ""


class Chores:
    """The recorder's slow work."""

    def __init__(
        self, cfg: Config, disk: Disk, clock: Clock, report: Callable[[t.MachineEvent], None], note: NoteEvent,
        recovered: Callable[[Sequence[str]], None] = lambda folders: None,
    ) -> None:
        """`recovered` is told the folders in which every recording that was left open has been closed."""
        self._recovered = recovered
        self._cfg, self._clock, self._report, self._note = cfg, clock, report, note
        self.keys = Keys()
        self.left_open = False
        """A recording was given up on its disk and may be open there still."""
        with contextlib.suppress(ScrubcamError):  # told by the self-test; here it is for the journal's first lines
            self.keys.device = DeviceKey.load_or_create(cfg.paths.state_dir)
        self._erasure = Erasure(cfg.paths.state_dir, cfg.paths.targets, clock, self._signer, note)
        self._targets = [Target(folder, disk, clock, first=not n) for n, folder in enumerate(cfg.paths.targets)]

    def close(self) -> None:
        for target in self._targets:
            target.close()

    def looks(self) -> list[Look]:
        """The last look at each target, in the order in which they are used."""
        return [target.look() for target in self._targets]

    def target_failed(self, folder: str, text: str) -> None:
        """A recording failed in `folder`."""
        self._target(folder).failed(text)

    def target_low(self, folder: str) -> None:
        """A recording found the floor reached in `folder`: known before the next look."""
        self._target(folder).low(self._cfg.recorder.floor_bytes)

    def _target(self, folder: str) -> Target:
        return next(target for target in self._targets if target.folder == folder)

    def self_test(self) -> None:
        threading.Thread(target=self._self_test, name="selftest", daemon=True).start()

    def recover(self) -> None:
        threading.Thread(target=self._recover, name="recover", daemon=True).start()

    def erase(self, effect: t.EraseRecording, writers: Sequence[Session]) -> None:
        """Erase; `writers` are those of what is being written still."""
        asked_ns = self._clock.monotonic_ns()
        threading.Thread(target=self._erase, args=(effect, writers, asked_ns), name="erase", daemon=True).start()

    def _erase(self, effect: t.EraseRecording, writers: Sequence[Session], asked_ns: int) -> None:
        order = Order(effect.cause, effect.role, effect.origin, self._clock.unix_s())
        problem = ""
        try:
            self._erasure.erase(
                effect.recording_ids, order, asked_ns, {one.recording_id: one for one in writers}
            )
        except ScrubcamError as fault:
            refused = isinstance(fault, Refused)  # then it may be no recording's id: it is not repeated
            self._note("erase-failed", "" if refused else effect.recording_ids[0],
                       {"cause": order.cause, "problem": fault.what})
            problem = "" if refused else f"erasure: {fault.what}"
        self._tell_of_erasures(problem)
        self._report(t.Erased(effect.recording_ids, problem))

    def _resume_erasures(self) -> None:
        """Raises nothing: what a disk refuses is told, and taken up again at the next recovery."""
        try:
            self._erasure.resume()
            self._tell_of_erasures("")
        except ScrubcamError as fault:
            self._tell_of_erasures(f"erasure: {fault.what}")

    def _tell_of_erasures(self, problem: str) -> None:
        self._report(t.Alerted("erasure", problem, cleared=not problem))

    def _signer(self) -> Signer:
        device = self.keys.device
        if device is None:
            raise KeyFault("the device key is not there, so no certificate of the erasure can be signed")
        return Signer(device, DeviceInfo(self._cfg.device.name, device.public, self.keys.certificates))

    def _self_test(self) -> None:
        try:
            make_private(self._cfg.paths.state_dir, meaning="Nothing can be recorded")
            self._prepare_targets()
            device = DeviceKey.load_or_create(self._cfg.paths.state_dir)
            keys = Keys(device, [to_der(one) for one in load_device_chain(self._cfg.paths.state_dir, device)])
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
            Keystore.of_device(self._cfg.paths.state_dir).finish()
        except ScrubcamError as fault:
            self._report(t.Recovered(0, f"{fault.code}: {fault.what}"))
            return
        self._resume_erasures()
        found, problems = self._close_open_files(device)
        if len(problems) == len(self._targets):
            self._report(t.Recovered(0, problems[0]))
        else:
            self._report(t.Recovered(sum(1 for recovery in found if recovery.outcome == "closed")))

    def close_left_open(self) -> None:
        """Close what recordings left open on a disk that failed them, if any did; waits for the disks."""
        device = self.keys.device
        if not self.left_open or device is None:
            return
        found, problems = self._close_open_files(device)
        self.left_open = bool(problems) or any(recovery.outcome == "in-use" for recovery in found)

    def _close_open_files(self, device: DeviceKey) -> tuple[list[Recovery], list[str]]:
        """On each target; what was found, and the problems of targets that could not be read."""
        found: list[Recovery] = []
        problems: list[str] = []
        for target in self._targets:
            try:
                found += recover_all(target.folder, device, unix_s=self._clock.unix_s)
            except ScrubcamError as fault:
                problems.append(f"{fault.code}: {fault.what}")
        for recovery in found:
            if recovery.outcome in ("closed", "unstarted", "damaged", "failed"):
                self._note("recovered", recovery.recording_id, {
                    "outcome": recovery.outcome, "fragments": recovery.fragments, "cut_bytes": recovery.cut_bytes,
                    "problem": recovery.problem,
                })
        self._recovered([target.folder for target in self._targets])
        return found, problems

    def _prepare_targets(self) -> None:
        """One usable target is enough; a disk that hangs is waited for only so long. Raises DiskFault."""
        threads = [threading.Thread(target=target.prepare, daemon=True) for target in self._targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PREPARE_S)
        looks = self.looks()
        if all(look.problem or look.free_bytes is None for look in looks):
            raise DiskFault(looks[0].problem or f"{looks[0].folder} does not answer", meaning="Nothing can be recorded")
