"""The recorder's side of timestamps: notes what is to be stamped, gives it to the agent, keeps the tokens that come.

The recorder has no network; the agent asks the authority. Nobody waits for this desk: a thread of its own writes.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence

from firmware.config import Config
from firmware.errors import ScrubcamError
from firmware.log import get_logger
from firmware.messages import StampedAt, TimestampToken, TimestampWanted
from firmware.recorder.machine_types import Scalar
from firmware.vault.format import SUFFIX, RecordType, is_recording_id
from firmware.vault.frames import FrameProblem
from firmware.vault.reader import Recording
from firmware.vault.timestamp_store import MOMENTS, TimestampStore
from firmware.vault.timestamps import token_info

QUEUE_BOUND = 256
MOST_AT_ONCE = 16
NoteEvent = Callable[[str, str, dict[str, Scalar]], None]

log = get_logger("timestamps")


class TimestampDesk:
    """Does nothing without `timestamps.url`."""

    def __init__(self, cfg: Config, note: NoteEvent) -> None:
        self._on, self._note = bool(cfg.timestamps.url), note
        self._store = TimestampStore.of_device(cfg.paths.state_dir)
        self._queue: queue.Queue[TimestampWanted | Sequence[str] | None] = queue.Queue(QUEUE_BOUND)
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)
        if self._on:
            self._thread.start()

    def signed(self, recording_id: str, at: StampedAt, record: int, chain: bytes) -> None:
        """A chain value that is to be stamped is on the disk. Never waits."""
        self._put(TimestampWanted(recording_id, at, record, chain))

    def look_into(self, folders: Sequence[str]) -> None:
        """Note what the recordings in these folders still lack: closed by recovery, or before a crash. Never waits."""
        self._put(folders)

    def waiting(self) -> list[TimestampWanted]:
        """What the agent is to ask for next. Raises DiskFault."""
        return self._store.waiting(MOST_AT_ONCE) if self._on else []

    def take(self, message: TimestampToken) -> None:
        """Keep a token that the agent brought, if it is what was asked for."""
        try:
            if not self._store.answer(message.recording_id, message.at, message.token):
                return
            told = token_info(message.token)
        except (ScrubcamError, ValueError) as fault:
            log.warning("token-refused", recording=message.recording_id, at=message.at, error=str(fault))
            return
        self._note("timestamped", message.recording_id, {
            "at": message.at, "authority": told.authority, "stamped_unix_s": told.unix_s,
        })

    def close(self, timeout_s: float) -> None:
        """Write what is queued. What is not written by then is found again at the next start."""
        if self._on:
            self._put(None)
            self._thread.join(timeout_s)

    def _put(self, item: TimestampWanted | Sequence[str] | None) -> None:
        if not self._on:
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            log.error("queue-full", meaning="what is missing is found again at the next start")

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if isinstance(item, TimestampWanted):
                    self._store.want(item)
                else:
                    for folder in item:
                        self._look_into(folder)
            except ScrubcamError as fault:
                log.error("not-noted", error=str(fault), meaning="it is found again at the next start")
            except Exception:  # whatever it is, the next one must still be noted
                log.exception("timestamps-failed")

    def _look_into(self, folder: str) -> None:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            log.warning("not-looked-into", folder=folder, error=str(error))
            return
        for name in names:
            identity = name.removesuffix(SUFFIX)
            if name.endswith(SUFFIX) and is_recording_id(identity):
                lacking = [at for at in MOMENTS if not self._store.has(identity, at)]
                try:
                    for wanted in chain_values(os.path.join(folder, name), lacking):
                        self._store.want(wanted)
                except (ScrubcamError, FrameProblem) as fault:
                    log.warning("not-noted", recording=identity, error=str(fault))


def chain_values(path: str, moments: Sequence[StampedAt]) -> list[TimestampWanted]:
    """What of a recording can be stamped at these moments, from the file itself; of an unfinished one only the start.

    Raises DamagedRecording, DiskFault, FrameProblem.
    """
    found: list[TimestampWanted] = []
    if not moments:
        return found
    with Recording.open(path) as recording:
        identity = recording.header.recording_id
        if "start" in moments:
            first = next((frame for frame in recording.frames() if frame.kind == RecordType.SIGNATURE), None)
            if first is not None:
                found.append(TimestampWanted(identity, "start", first.seq, first.chain))
        end = recording.end_record() if "end" in moments else None
        if end is not None:
            found.append(TimestampWanted(identity, "end", end.seq, end.chain))
    return found
