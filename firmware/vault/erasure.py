"""Erases a recording for good: intent, key, writer, files, certificate, each durable before the next.

What a crash cuts short, `resume` takes up. The key goes first: nothing that may take long stands before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from firmware import __version__
from firmware.durable import make_folder, remove_durably, write_durably
from firmware.errors import DamagedRecording, DiskFault, Refused, ScrubcamError
from firmware.json_data import decode_json
from firmware.vault.certificate import (
    ATTACHED,
    NOT_COVERED,
    Certificate,
    CopyOutside,
    ErasedRecording,
    Order,
    checked,
    signed,
)
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import DeviceInfo, is_recording_id
from firmware.vault.frames import StoredProblem
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import Ledger
from firmware.vault.parts import parts_of
from firmware.vault.reader import Recording
from firmware.vault.remove import recording_files, remove_files, returned
from firmware.vault.timestamp_store import TimestampStore
from hw.disk import disk_fault, names_in
from hw.ports import Clock

FOLDER = "erasures"
JOIN_S = 5.0
ASKED = "asked"
"""The cause of an order for a recording that rests; "withdrawn" is the other one."""
_INTENT, _CERTIFICATE = ".intent", ".certificate"
Tell = Callable[[str, str, dict[str, str | int | float | bool]], None]
"""(kind, recording id, fields): an event for the journal."""


def certificate_path(state_dir: str, recording_id: str) -> str:
    """Where the certificate of an erased recording is kept."""
    return os.path.join(state_dir, FOLDER, recording_id + _CERTIFICATE)


class Writer(Protocol):
    """The writer of a recording that is running, or was not sealed yet."""

    def forget(self) -> None:
        """Write nothing more; drop the key and all pictures from memory."""

    def join(self, timeout_s: float) -> bool:
        """Wait until it has ended; False when it has not."""


@dataclass(frozen=True)
class Signer:
    """This device, as a certificate names it and signs."""

    key: DeviceKey
    info: DeviceInfo


class _Intent(msgspec.Struct, frozen=True):
    """An erasure under way. What follows `order` is known once the key is destroyed."""

    order: Order
    key_found: bool = False
    key_destroyed_unix_s: float = 0.0
    key_destroyed_after_s: float | None = None
    recording: ErasedRecording | None = None


class Erasure:
    """On one device: `<id>.intent` and `<id>.certificate` in `<state_dir>/erasures`. One erasure at a time."""

    def __init__(
        self, state_dir: str, folders: Sequence[str], clock: Clock, signer: Callable[[], Signer], tell: Tell
    ) -> None:
        """`signer` raises KeyFault while there is none: what it is needed for then waits for `resume`."""
        self.folder = os.path.join(state_dir, FOLDER)
        self._folders, self._clock, self._signer, self._tell = list(folders), clock, signer, tell
        self._keystore, self._ledger = Keystore.of_device(state_dir), Ledger.of_device(state_dir)
        self._timestamps = TimestampStore.of_device(state_dir)
        self._writers: dict[str, Writer] = {}
        self._lock = threading.Lock()

    def erase(
        self, recording_ids: Sequence[str], order: Order, asked_ns: int, writers: Mapping[str, Writer]
    ) -> None:
        """Erase these, and all parts of the same recordings on other disks. Idempotent; waits for disks.

        `asked_ns`: when it was ordered, on the monotonic clock. `writers` of those that are being written. Raises
        Refused (there is none of that id, or none any more, or it is held), DiskFault and KeyFault: then the keys that
        the disk gave up are destroyed, and `resume` goes on.
        """
        with self._lock:
            self._writers |= writers
            known = [one for one in recording_ids if self._known(one)]
            if not known:
                self._refuse_deleted(recording_ids)
                raise Refused("there is no recording of that id here", meaning="Nothing was erased",
                              todo="take the id from the journal, or from the file's name")
            if order.cause == ASKED:
                self._refuse_held([*known, *parts_of(self._folders, known)])
            begun = {one: self._destroy_key(one, order, asked_ns) for one in known}
            for part in parts_of(self._folders, known):
                begun[part] = self._destroy_key(part, order, asked_ns)
            self._finish_all(begun)

    def resume(self) -> None:
        """End what a crash or a disk cut short; remove files of what is erased that came back with a disk.

        Raises DiskFault or KeyFault, when it has done what could be done.
        """
        with self._lock:
            begun: dict[str, _Intent] = {}
            for one in self._ids(_INTENT):
                order = self._read_intent(one).order
                for part in (one, *parts_of(self._folders, [one])):
                    begun[part] = self._destroy_key(part, order, None)
            self._finish_all(begun)
            erased = self._ids(_CERTIFICATE)
            for recording_id in erased:
                self._timestamps.forget(recording_id)  # a request that was just being written when it was erased
            for recording_id in returned(self._folders, erased):
                remove_files(self._folders, recording_id)

    def certificate(self, recording_id: str) -> bytes | None:
        """The signed certificate of an erased recording. Raises DiskFault."""
        return _read(self._path(recording_id, _CERTIFICATE))

    # ---- the steps -------------------------------------------------------------------------------

    def _known(self, recording_id: str) -> bool:
        if not is_recording_id(recording_id):
            return False
        traces = (self._path(recording_id, _INTENT), self._path(recording_id, _CERTIFICATE))
        return (recording_id in self._writers or self._keystore.has(recording_id) or any(map(os.path.lexists, traces))
                or bool(recording_files(self._folders, recording_id)))

    def _refuse_deleted(self, recording_ids: Sequence[str]) -> None:
        if any(is_recording_id(one) and self._ledger.marked(one, "deleted") for one in recording_ids):
            raise Refused("it was deleted here after it was handed over", meaning="Nothing is left to erase here",
                          todo="erase the copies; where they went: scrubcam recordings --deleted")

    def _refuse_held(self, recording_ids: Sequence[str]) -> None:
        for one in recording_ids:
            if self._ledger.marked(one, "hold") is not None:
                raise Refused(f"{one} is held", meaning="Nothing was erased",
                              todo=f"release the hold first: scrubcam hold {one} --release")

    def _destroy_key(self, recording_id: str, order: Order, asked_ns: int | None) -> _Intent:
        """From here on nobody can open it. Raises DiskFault."""
        earlier = self._read_intent(recording_id)
        intent = earlier if earlier.key_destroyed_unix_s else _Intent(order)
        self._write_intent(recording_id, intent)
        writer = self._writers.get(recording_id)
        if writer is not None:
            writer.forget()
        found = self._keystore.destroy(recording_id)
        if intent.key_destroyed_unix_s:
            return intent
        after_s = None if asked_ns is None else (self._clock.monotonic_ns() - asked_ns) / 1e9
        return msgspec.structs.replace(
            intent, key_found=found, key_destroyed_unix_s=self._clock.unix_s(), key_destroyed_after_s=after_s
        )

    def _finish_all(self, begun: Mapping[str, _Intent]) -> None:
        """As far as disks allow, each; raises the last fault."""
        problem: ScrubcamError | None = None
        for recording_id, intent in begun.items():
            try:
                self._finish(recording_id, intent)
            except ScrubcamError as fault:
                problem = fault
        if problem is not None:
            raise problem

    def _finish(self, recording_id: str, intent: _Intent) -> None:
        writer = self._writers.get(recording_id)
        if writer is not None and not writer.join(JOIN_S):
            raise DiskFault("the disk still holds the recording that is to be erased",
                            meaning="Its key is destroyed", todo="nothing: the rest follows by itself")
        self._keystore.destroy(recording_id)  # what that writer was just putting there
        certificate = self.certificate(recording_id)
        if certificate is None:
            if intent.recording is None:
                intent = msgspec.structs.replace(intent, recording=describe(self._folders, recording_id))
                self._write_intent(recording_id, intent)
            certificate = self._removed(recording_id, intent)
        self._told(recording_id, certificate)
        remove_durably(self._path(recording_id, _INTENT))
        self._writers.pop(recording_id, None)

    def _removed(self, recording_id: str, intent: _Intent) -> bytes:
        signer = self._signer()
        files = [os.path.basename(path) for path in recording_files(self._folders, recording_id)]
        self._timestamps.forget(recording_id)
        remove_files(self._folders, recording_id)
        absent = [f"files on a disk of this device that was not there: recording folder {number}"
                  for number, folder in enumerate(self._folders, 1) if not os.path.isdir(folder)]
        attached = [ATTACHED] if intent.recording is not None and intent.recording.keys_attached else []
        if self._keystore.has(recording_id) or recording_files(self._folders, recording_id):
            raise DiskFault(f"{recording_id} came back after it was removed", meaning="It is not certified as erased",
                            todo="look who else writes to this device's folders")
        certificate = signed(Certificate(
            recording_id=recording_id, device=signer.info, software=f"scrubcam {__version__}", order=intent.order,
            recording=intent.recording, files=files, key_found=intent.key_found,
            key_destroyed_unix_s=intent.key_destroyed_unix_s, key_destroyed_after_s=intent.key_destroyed_after_s,
            finished_unix_s=self._clock.unix_s(), not_covered=[*attached, *absent, *NOT_COVERED],
            copies=[CopyOutside(one.target, one.unix_s, one.chain) for one in self._ledger.handovers(recording_id)],
        ), signer.key)
        self._write(self._path(recording_id, _CERTIFICATE), certificate)
        return certificate

    def _told(self, recording_id: str, certificate: bytes) -> None:
        said = checked(certificate)
        fields: dict[str, str | int | float | bool] = {
            "cause": said.order.cause, "role": said.order.role, "by": said.order.by, "files": len(said.files),
            "key_found": said.key_found,
            "certificate_sha256": hashlib.sha256(certificate).hexdigest(),
        }
        if said.key_destroyed_after_s is not None:
            fields["key_destroyed_after_s"] = round(said.key_destroyed_after_s, 4)
        self._tell("erased", recording_id, fields)

    # ---- its files -------------------------------------------------------------------------------

    def _path(self, recording_id: str, suffix: str) -> str:
        return os.path.join(self.folder, recording_id + suffix)

    def _ids(self, suffix: str) -> list[str]:
        ids = [name.removesuffix(suffix) for name in names_in(self.folder) if name.endswith(suffix)]
        return [one for one in ids if is_recording_id(one)]

    def _read_intent(self, recording_id: str) -> _Intent:
        data = _read(self._path(recording_id, _INTENT))
        try:
            return decode_json(data or b"", _Intent)
        except ValueError:  # none, or damaged: its name alone says what is to be erased
            return _Intent(Order("unknown", "", "", 0.0))

    def _write_intent(self, recording_id: str, intent: _Intent) -> None:
        """On a full disk the key goes without it; removing the files then makes room for the certificate."""
        with contextlib.suppress(DiskFault):
            self._write(self._path(recording_id, _INTENT), msgspec.json.encode(intent))

    def _write(self, path: str, data: bytes) -> None:
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_fault(error, self.folder, "making") from error
        write_durably(path, data)


def describe(folders: Sequence[str], recording_id: str) -> ErasedRecording | None:
    """What a recording's own file says of it; None when there is none that can be understood. Raises DiskFault."""
    paths = [path for path in recording_files(folders, recording_id) if path.endswith(f"{recording_id}.scrub")]
    try:
        with Recording.open(paths[-1]) as recording:
            end = recording.end_record()
            chain = end.chain if end is not None else recording.chain_start
            if end is None:
                try:
                    for frame in recording.frames(hashed=False):
                        chain = frame.chain
                except StoredProblem:
                    pass  # a torn end
            header = recording.header
            return ErasedRecording(
                header.created_unix_s, end.public.state if end is not None else "unfinished", recording.size_bytes,
                recording.chain_start.hex(), chain.hex(), header.key_envelope_sha256, recording.keys_attached,
            )
    except (IndexError, DamagedRecording):
        return None


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_fault(error, path, "reading") from error
