"""Closes what a crash left open: cuts the torn end off and adds a signed "interrupted" ending. Needs no content key.

It never deletes a whole record, changes nothing in a closed or damaged file, and may itself be killed anywhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from firmware.durable import cut_and_append, remove_leftovers, rename_durably, write_durably
from firmware.errors import DamagedRecording, DiskFault, KeyFault, ScrubcamError
from firmware.vault.device_key import DeviceKey, fingerprint
from firmware.vault.format import (
    MAGIC,
    MAX_HEADER_BYTES,
    PREAMBLE,
    SIGNATURE_BYTES,
    SUFFIX,
    VERSION,
    Flag,
    RecordType,
    chain_next,
    frame_head,
    signed_bytes,
)
from firmware.vault.frames import Frame, StoredProblem, whole_frames_after
from firmware.vault.index import IndexBuilder
from firmware.vault.reader import Recording
from firmware.vault.records import EndMeta, FragmentMeta
from hw.disk import disk_fault

Outcome = Literal["closed", "was-closed", "damaged", "unstarted", "in-use", "failed"]


@dataclass(frozen=True)
class Recovery:
    """What recovery found and did.

    closed: an open recording got its "interrupted" ending. was-closed: nothing to do. damaged: altered where
    bytes had been safely on the disk, or of a newer kind; left exactly as it was. unstarted: power went before the
    header was on the disk, so it holds nothing; renamed to `set_aside`. in-use: a running recorder still writes it.
    failed (from `recover_all`): the disk refused or the recording is another device's; `problem` says so.

    `records` and `fragments` are what the file holds now, `cut_bytes` what was torn off its end. When whole
    records stood behind the torn place, the cut bytes are kept in the file `set_aside`.
    """

    path: str
    outcome: Outcome
    recording_id: str = ""
    records: int = 0
    fragments: int = 0
    cut_bytes: int = 0
    set_aside: str = ""
    problem: str = ""


def recover(path: str, device: DeviceKey, *, unix_s: Callable[[], float] = time.time) -> Recovery:
    """Close one recording after a crash; running it again changes nothing.

    Raises DiskFault (full or read-only: nothing whole was lost, run it again later) and KeyFault when the
    recording was made by another device.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise disk_fault(error, path, "opening") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _recover(handle, path, device, unix_s)
    except BlockingIOError:
        return Recovery(path, "in-use")
    except OSError as error:
        raise disk_fault(error, path, "recovering") from error
    finally:
        os.close(handle)


def recover_all(folder: str, device: DeviceKey, *, unix_s: Callable[[], float] = time.time) -> list[Recovery]:
    """`recover` every recording in `folder`, in name order; one that fails does not stop the others.

    Of a closed one only the end is read: a start must not take the longer the more recordings there are. Whether
    every byte of it is still as written is `verify`'s question. Half-written files that a crash left go.
    """
    with contextlib.suppress(DiskFault):  # they are in nobody's way; a disk that refuses shows it below
        remove_leftovers(folder)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX) and not name.startswith("."))
    except OSError as error:
        raise disk_fault(error, folder, "listing") from error
    found: list[Recovery] = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            found.append(_closed_before(path) or recover(path, device, unix_s=unix_s))
        except ScrubcamError as error:
            found.append(Recovery(path, "failed", problem=str(error)))
    return found


def _closed_before(path: str) -> Recovery | None:
    """Raises DiskFault. None: not closed, or not to be told from its end alone."""
    try:
        with Recording.open(path) as recording:
            end = recording.end_record()
            if end is None or not _joined(recording, end):
                return None
            return Recovery(path, "was-closed", recording.header.recording_id, end.public.records,
                            end.public.fragments)
    except DamagedRecording:
        return None


def _joined(recording: Recording, end: Frame) -> bool:
    """Is all that was written with the end record, after the last sync before it, there too?

    Sectors reach a disk in any order: a power cut may have kept the end record and lost the index before it.
    """
    at: int = end.public.durable_bytes
    for frame in recording.frames_after(at - 1):
        if frame.offset != at or at > end.offset:
            return False
        if frame.offset == end.offset:
            return True
        at = frame.end
    return False


def _recover(handle: int, path: str, device: DeviceKey, unix_s: Callable[[], float]) -> Recovery:
    try:
        recording = Recording.open(path)
    except DamagedRecording as error:
        return _no_header(handle, path, error)
    with contextlib.closing(recording):
        return _close_open_end(handle, path, recording, device, unix_s)


def _no_header(handle: int, path: str, error: DamagedRecording) -> Recovery:
    """The writer syncs header and consent before any other record: none anywhere means it never got that far."""
    size = os.fstat(handle).st_size
    start = os.pread(handle, PREAMBLE.size, 0)
    other_version = start.startswith(MAGIC) and len(start) == PREAMBLE.size and PREAMBLE.unpack(start)[1] != VERSION
    too_long = size > PREAMBLE.size + MAX_HEADER_BYTES + SIGNATURE_BYTES
    if other_version or too_long or next(whole_frames_after(handle, -1, size, b""), None) is not None:
        return Recovery(path, "damaged", problem=error.what)
    aside = path + ".unstarted"
    rename_durably(path, aside)
    return Recovery(path, "unstarted", set_aside=aside, problem=error.what)


def _close_open_end(
    handle: int, path: str, recording: Recording, device: DeviceKey, unix_s: Callable[[], float]
) -> Recovery:
    records = fragments = frames = signed_to = 0
    index = IndexBuilder()
    last: Frame | None = None
    found: StoredProblem | None = None
    try:
        for last in recording.frames():
            index.see(last.seq, last.offset, last.public)
            records += 1
            if isinstance(last.public, FragmentMeta):
                fragments, frames = fragments + 1, frames + last.public.frames
            if last.kind == RecordType.SIGNATURE:
                signed_to = records
            if last.kind == RecordType.END:
                for _ in recording.attachments(last.end):
                    pass
    except StoredProblem as problem:
        found = problem
    identity = recording.header.recording_id
    closed = last is not None and last.kind == RecordType.END
    if closed and found is None:
        return Recovery(path, "was-closed", identity, records, fragments)
    proof, aside = _behind(recording, found.offset) if found else (False, False)
    if found and (closed or proof or found.kind == "unsupported"):
        return Recovery(path, "damaged", identity, records, fragments, problem=found.text)
    cut_at = last.end if last is not None else recording.start
    if device.public != recording.device_public:
        raise KeyFault(
            f"the unfinished recording {path} was made by device {fingerprint(recording.device_public)}, this is "
            f"{device.fingerprint}", meaning="Only the device that made it can close it; it can be exported as it is",
            todo="put the disk back into its device, or restore that device's key",
        )
    cut = recording.size_bytes - cut_at
    kept = _set_aside(handle, path, cut_at, recording.size_bytes) if aside else ""
    chain = last.chain if last is not None else recording.chain_start
    tail = b""
    if index.open:
        meta = index.meta()
        head = frame_head(RecordType.INDEX, 0, records, msgspec.json.encode(meta), 0)
        chain = chain_next(chain, head, b"")
        index.see(records, cut_at, meta)
        records, tail = records + 1, head + chain
    end = EndMeta("interrupted", "recovered-after-crash", unix_s(), cut_at, records + 1, fragments, frames, signed_to,
                  cut, index.last_offset)
    head = frame_head(RecordType.END, Flag.CRITICAL, records, msgspec.json.encode(end), SIGNATURE_BYTES)
    signature = device.sign(signed_bytes(chain, head))
    cut_and_append(handle, cut_at, tail + head + signature + chain_next(chain, head, signature))
    return Recovery(path, "closed", identity, records + 1, fragments, cut, kept, found.text if found else "")


def _behind(recording: Recording, offset: int) -> tuple[bool, bool]:
    """What stands behind a bad place: (proof that the place had been synced, any whole record).

    A signature says how far the disk had confirmed when it was made. One that reaches past the bad place
    proves that no power cut did this: the bytes were safe and were changed later.
    """
    whole = False
    for frame in recording.frames_after(offset):
        whole = True
        if frame.kind in (RecordType.SIGNATURE, RecordType.END) and frame.public.durable_bytes > offset:
            return True, True
    return False, whole


def _set_aside(handle: int, path: str, start: int, end: int) -> str:
    """Keep cut bytes that hold whole records; the same cut gives the same name, so a second run is harmless."""
    aside = f"{path}.cut-{start}"
    write_durably(aside, os.pread(handle, end - start, start))
    return aside
