"""`scrubcam record`: one sealed recording without a pedal, through the same pipeline, writer thread and vault."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from firmware import __version__
from firmware.case import allows, start_problems
from firmware.config import Config, Paths
from firmware.durable import make_folder
from firmware.errors import DiskFault, Refused, ScrubcamError, SourceLost
from firmware.export.copy import attach_keys
from firmware.log import get_logger
from firmware.messages import Alert, Configure, Consent, Fragment, Progress, StreamInfo
from firmware.recorder import machine_types as t
from firmware.recorder import zone_approval
from firmware.recorder.effects import recording_settings
from firmware.recorder.pipeline_run import pictures
from firmware.recorder.session import Session
from firmware.recorder.wall_clock import wall_clock
from firmware.statement import statement
from firmware.vault.device_ca import to_der
from firmware.vault.device_certificates import load_device_chain
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import Header, new_recording_id
from firmware.vault.keys import RecipientKey, Role, load_recipients
from firmware.vault.keystore import Keystore
from firmware.vault.recover import Recovery, recover
from firmware.vault.writer import recording_path
from hw.disk import OsDisk, disk_fault
from hw.ports import Disk
from hw.sim.clock import SystemClock

SEAL_S = 30.0
HUNG_NS = 20_000_000_000

STAGED = Consent(
    state="given", video=True, audio=True, stills=True, by="nobody: the scene is drawn", evidence="no person is in it",
    purpose="To show what is recorded.", purpose_class="quality", audience="whoever looks",
    destination="where it was put", retention_days=1, medical_record="no",
)
"""The consent for pictures without a person; for the staged scene no site's policy is asked."""

log = get_logger("record")


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What was sealed. `seconds` is the recording's own time, `statement` what it may be called."""

    path: str
    frames: int
    clean: int
    masked: int
    blanked: int
    size_bytes: int
    seconds: float
    statement: str = ""


def record(
    cfg: Config,
    source_uri: str,
    out_dir: str | Path,
    recipient_files: Sequence[tuple[Role, str | Path]],
    seconds: float,
    consent: Consent,
    on_progress: Callable[[Progress, int], None],
    stop_event: threading.Event,
    *,
    disk: Disk | None = None,
    replay_detections: str = "",
    save_detections: str = "",
) -> RecordResult:
    """Record `source_uri` into one sealed file in `out_dir`, until its end, `seconds`, or `stop_event`.

    `recipient_files` are the public key files of who may open it, each with its role.
    `replay_detections` and `save_detections` name files of detections, for benchmarks.
    Whatever goes wrong, what was recorded until then is sealed and the error's text names the file.
    Raises Refused (no consent), KeyFault, DiskFault, and the pipeline's own errors.
    """
    drawn = consent == STAGED and source_uri.startswith("scene://")
    problems = () if drawn else start_problems(consent, cfg.policy, cfg.device.room, frozenset())
    if problems:
        raise Refused("; ".join(problems), meaning="Nothing is recorded",
                      todo="record only with a consent that says all this and covers video")
    recipients = load_recipients((role, str(path)) for role, path in recipient_files)
    state_dir = _state_dir(cfg)
    device, keystore = DeviceKey.load_or_create(state_dir), Keystore.of_device(state_dir)
    not_approved = zone_approval.problem(zone_approval.load(state_dir), cfg.zones, device)
    if not_approved:
        raise Refused(f"zones: {not_approved}", meaning="Nothing is recorded",
                      todo="have the privacy officer approve them (scrubcam zones approve), or leave them out")
    run = _Run(cfg, disk or OsDisk(), _folder(out_dir), recipients, device, keystore, consent)
    configure = Configure(
        source=replace(cfg.source, uri=source_uri), encode=cfg.encode, sound=cfg.sound, detect=cfg.detect,
        models_dir=cfg.paths.models_dir, sound_allowed=allows(consent, "audio"), max_seconds=seconds,
        replay_detections=replay_detections, record_detections=save_detections,
        zones=cfg.zones, kernels=cfg.kernels, fill=cfg.fill,
    )
    items = pictures(
        configure, lambda: stop_event.is_set() or run.must_stop,
        lambda progress: on_progress(progress, run.durable_bytes), on_alert=run.alert, hold_back=run.hold_back,
    )
    with contextlib.closing(items):
        try:
            for item in items:
                run.take(item)
        except ScrubcamError as error:
            raise run.ended_by(error) from error
    return run.seal("disk-full" if run.must_stop else "stopped" if stop_event.is_set() else "source-ended")


class _Run:
    """The one recording: makes its session when the first picture comes, counts, and seals."""

    def __init__(self, cfg: Config, disk: Disk, folder: str, recipients: Sequence[RecipientKey], device: DeviceKey,
                 keystore: Keystore, consent: Consent) -> None:
        self._cfg, self._disk, self._folder, self._recipients = cfg, disk, folder, recipients
        self._device, self._keystore, self._consent, self._clock = device, keystore, consent, SystemClock()
        self._certificates = [to_der(one) for one in load_device_chain(_state_dir(cfg), device)]
        self._reports: queue.SimpleQueue[t.MachineEvent] = queue.SimpleQueue()
        self._session: Session | None = None
        self._stream: StreamInfo | None = None
        self._first_ns, self._end_ns = -1, 0
        self._kinds = {"clean": 0, "masked": 0, "blanked": 0}
        self._source_lost = ""
        self.must_stop = False
        free = disk.free_bytes(folder)
        if free < cfg.recorder.floor_bytes:
            raise DiskFault(
                f"{folder} has {free / 1e9:.1f} GB left, {cfg.recorder.floor_bytes / 1e9:.1f} GB must stay free",
                meaning="Nothing is recorded", todo="free some space, or choose another folder",
            )

    @property
    def durable_bytes(self) -> int:
        return self._session.durable_bytes if self._session else 0

    def hold_back(self) -> bool:
        """Asked at every turn: is the disk behind? Raises DiskFault when it no longer takes the recording."""
        self._read_reports()
        return self._session is not None and not self._session.room

    def alert(self, alert: Alert) -> None:
        log.warning("alert", code=alert.code, text=alert.text, cleared=alert.cleared)

    def take(self, item: StreamInfo | Fragment) -> None:
        """Keep one item."""
        if isinstance(item, StreamInfo):
            self._stream = item
            return
        if self._session is None:
            self._open()
        assert self._session is not None
        if self._first_ns < 0:
            self._first_ns = item.pts_ns
        self._end_ns = item.pts_ns + item.duration_ns
        for verdict in item.verdicts:
            self._kinds[verdict.kind] += 1
        self._session.put(item)

    def seal(self, reason: str) -> RecordResult:
        """Close the file. Raises SourceLost when there was no picture at all, DiskFault."""
        if self._session is None:
            raise SourceLost("the source ended before its first picture", meaning="No file was made",
                             todo="check the source, or record for longer")
        self._session.seal(reason)
        deadline = time.monotonic() + SEAL_S
        total = -1
        while total < 0:
            try:
                total = self._one_report(self._reports.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise self._disk_failed("the disk did not take the end of the recording in time") from None
        attach_keys(self._session.path, self._keystore)
        result = RecordResult(
            path=self._session.path, frames=sum(self._kinds.values()), clean=self._kinds["clean"],
            masked=self._kinds["masked"], blanked=self._kinds["blanked"],
            size_bytes=os.path.getsize(self._session.path),
            seconds=(self._end_ns - self._first_ns) / 1e9,
            statement=statement([self._stream] if self._stream else []),
        )
        if self.must_stop:
            raise DiskFault(f"the disk is full: {self._folder}",
                            meaning=f"What was recorded until then is sealed in {result.path}",
                            todo="free some space, or choose another folder")
        return result

    def ended_by(self, error: ScrubcamError) -> ScrubcamError:
        """Seal what there is after a failure; the error, with the file that was saved in its text."""
        if self._session is None:
            error.meaning = f"{error.meaning.rstrip('.')}. No file was made" if error.meaning else "No file was made"
            return error
        if not isinstance(error, DiskFault):
            try:
                saved = self.seal(error.code)
            except DiskFault as fault:
                return fault
            error.meaning = f"What was recorded until then, {saved.frames} frames, is sealed in {saved.path}"
        return error

    def _open(self) -> None:
        if self._stream is None:
            raise ScrubcamError("The pipeline sent pictures before their description")
        cfg, identity = self._cfg, new_recording_id()
        header = Header(
            recording_id=identity, device_name=cfg.device.name, created_unix_s=self._clock.unix_s(),
            created_monotonic_ns=self._clock.monotonic_ns(), software=f"scrubcam {__version__}",
            consent=self._consent, settings=recording_settings(cfg), clock=wall_clock(),
            certificates=self._certificates,
        )
        self._session = Session(
            self._disk, recording_path(self._folder, identity), header, self._recipients, self._device,
            self._keystore, floor_bytes=cfg.recorder.floor_bytes, clock=self._clock, report=self._reports.put,
            first=[self._stream],
        )

    def _read_reports(self) -> None:
        while not self._reports.empty():
            self._one_report(self._reports.get())
        if self._faulty():
            raise self._disk_failed("the disk does not answer")

    def _faulty(self) -> bool:
        return self._session is not None and self._session.busy_ns(self._clock.monotonic_ns()) > HUNG_NS

    def _one_report(self, report: t.MachineEvent) -> int:
        """The sealed size, or -1. Raises DiskFault."""
        if isinstance(report, t.Sealed):
            return report.total_bytes
        if isinstance(report, t.DiskLow):
            self.must_stop = True
        if isinstance(report, t.WriterFault):
            raise self._disk_failed(report.text)
        return -1

    def _disk_failed(self, text: str) -> DiskFault:
        """Give the file up and close it, as interrupted, as far as it is whole."""
        assert self._session is not None
        path = self._session.path
        meaning = f"What was synced before is safe in {path}; scrubcam recover closes it"
        self._session.abandon()
        if self._session.join(2.0):
            try:
                outcome = recover(path, self._device).outcome
                meaning = f"What was recorded until then is in {path}, closed as interrupted"
                if outcome == "unstarted":
                    meaning = "Nothing was recorded"
                else:
                    attach_keys(path, self._keystore)
            except ScrubcamError:
                pass  # the disk refuses that too; `close_left_open` can try again
        return DiskFault(text.removeprefix("disk: "), meaning=meaning, todo="check the disk and its free space")


def close_left_open(cfg: Config, path: str) -> Recovery:
    """Close a file that `record` left open when it was killed or the power went, and attach its keys; see `recover`.

    Running it again changes nothing. Raises Refused for a recording of the device's own folder (the recorder closes
    those when it starts, and their keys stay in the keystore), KeyFault for another machine's, DamagedRecording,
    DiskFault.
    """
    state_dir = _state_dir(cfg)
    if not os.path.isfile(path):
        raise DiskFault(f"{path} is not there", meaning="Nothing was changed", todo="check the name")
    folder = os.path.dirname(path) or "."
    if any(os.path.isdir(own) and os.path.samefile(own, folder) for own in cfg.paths.targets):
        raise Refused(f"{path} belongs to this device's recorder", meaning="Nothing was changed",
                      todo="start the recorder: it closes what a power cut left open")
    device, keystore = DeviceKey.load_or_create(state_dir), Keystore.of_device(state_dir)
    found = recover(path, device)
    if found.outcome in ("closed", "was-closed") and keystore.has(found.recording_id):
        attach_keys(path, keystore)
    return found


def _folder(out_dir: str | Path) -> str:
    try:
        make_folder(str(out_dir))
    except OSError as error:
        raise disk_fault(error, str(out_dir), "making") from error
    return str(out_dir)


def _state_dir(cfg: Config) -> str:
    """Where this machine's signing key lives: as configured; a user without a device has it in the home directory."""
    folder = cfg.paths.state_dir
    if folder == Paths().state_dir and not os.access(folder, os.W_OK):
        base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        folder = os.path.join(base, "scrubcam")
    return _folder(folder)
