"""One recording being written, on a thread of its own: append, sync, tell how many bytes are durable. Decides nothing.

A disk that hangs blocks this thread only. What it reports are state machine events, given to `report`. What no sync has
confirmed yet stays in memory, so that the recording can go on with it on another disk (`carry_over`).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable

from firmware.errors import ScrubcamError
from firmware.messages import Fragment, StampedAt, StreamInfo
from firmware.recorder import machine_types as t
from firmware.recorder.session_items import GapMark, Item, SealMark, playable_tail, size_of
from firmware.recorder.targets import with_todo
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import Header
from firmware.vault.keys import RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.records import Gap, Record
from firmware.vault.writer import RecordingWriter
from hw.ports import Clock, Disk

QUEUE_BOUND_BYTES = 128 * 1024 * 1024
BATCH_BYTES = 4 * 1024 * 1024
GAP_NS = 500_000_000
LOOK_AT_SPACE_NS = 1_000_000_000
Signed = Callable[[str, StampedAt, int, bytes], None]
"""Told (recording id, moment, record number, chain value)."""


class Session:
    """A sealed file under way. `put` never waits; `report` is called from the writer's thread."""

    def __init__(
        self,
        disk: Disk,
        path: str,
        header: Header,
        recipients: Iterable[RecipientKey],
        device: DeviceKey,
        keystore: Keystore,
        *,
        floor_bytes: int,
        clock: Clock,
        report: Callable[[t.MachineEvent], None],
        first: Iterable[Item] = (),
        signed: Signed | None = None,
        queue_bound_bytes: int = QUEUE_BOUND_BYTES,
    ) -> None:
        """`first` is committed whole (stream and pre-roll), beside the bound of the queue.

        `signed` is told, from the writer's thread, which chain values are to get a timestamp; it must not wait.
        """
        self.recording_id, self.path = header.recording_id, path
        self.fragments = 0
        self.durable_bytes = 0
        self.durable_end_ns = 0
        """When the newest picture ends that a sync has confirmed (the source's clock); 0: none yet."""
        self._disk, self._header, self._recipients, self._device = disk, header, list(recipients), device
        self._keystore, self._signed = keystore, signed
        self._floor_bytes, self._clock, self._report = floor_bytes, clock, report
        self._queue: deque[Item | SealMark] = deque(first)
        self._unconfirmed: list[Item] = []
        self._tail: list[Item] = []
        self._bound = queue_bound_bytes + sum(map(size_of, self._queue))
        self._bytes = sum(map(size_of, self._queue))
        self._changed = threading.Condition()
        self._abandoned = False
        self._overflowed = False
        self._busy_since_ns = 0
        self._writer: RecordingWriter | None = None
        self._stream: StreamInfo | None = None
        self._new_stream: StreamInfo | None = None
        self._gap = ""
        self._end_ns: int | None = None
        self._seq = 0
        self._looked_ns = 0
        self._low_told = False
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._thread.start()

    # ---- the loop's side, never waits ------------------------------------------------------------

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)

    def put(self, item: Item) -> None:
        """Queue one record. When the disk has been too slow for too long the recording is told to be at fault."""
        with self._changed:
            size = size_of(item)
            if self._overflowed or self._bytes + size > self._bound:
                if not self._overflowed:
                    self._overflowed = True
                    self._report(t.WriterFault(self.recording_id, "disk: too slow for the recording"))
                return
            self._queue.append(item)
            self._bytes += size
            self._changed.notify()

    def seal(self, reason: str) -> None:
        """Write what is queued, end, sign; Sealed is reported, or WriterFault."""
        with self._changed:
            self._queue.append(SealMark(reason))
            self._changed.notify()

    def abandon(self) -> None:
        """Stop writing now, or as soon as the disk answers; recovery closes the file."""
        with self._changed:
            self._abandoned = True
            self._changed.notify()

    def forget(self) -> None:
        """Abandon it, and drop its key and all that waits in memory; waits 0.2 s for a write under way, not longer."""
        self.abandon()
        with self._changed:
            self._queue.clear()
            self._unconfirmed, self._tail, self._bytes = [], [], 0
        if self._writer is not None:
            self._writer.abandon()

    def carry_over(self) -> list[Item]:
        """What the recording goes on with in another file: all that no sync has confirmed in this one, and before it
        the fragments from the last keyframe on, since a file begins with one."""
        with self._changed:
            waiting = [item for item in self._queue if not isinstance(item, SealMark)]
            carried = [*self._tail, *self._unconfirmed, *waiting]
            if self._overflowed:  # fragments are missing here: what follows begins with a keyframe, after a gap
                carried += [GapMark("disk"), *playable_tail(carried)[:1]]
            return carried

    def busy_ns(self, now_ns: int) -> int:
        """How long the operation under way has kept the disk; 0 when none is."""
        since = self._busy_since_ns
        return max(0, now_ns - since) if since else 0

    @property
    def queued_bytes(self) -> int:
        return self._bytes

    @property
    def room(self) -> bool:
        """Is there room for more? For a reader that can hold a file pipeline back."""
        return self._bytes < self._bound // 4

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; False when the disk still holds it."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ---- the writer's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._busy()
            self._writer = RecordingWriter.create(
                self._disk, self.path, self._header, self._recipients, self._device, self._keystore,
                unix_s=self._clock.unix_s,
            )
            self._idle()
            self._tell_signed("start")
            while not self._turn():
                pass
        except ScrubcamError as fault:
            self._fail(f"{fault.code}: {with_todo(fault)}")
        except Exception as error:  # whatever it is, a recording that is not written must be told
            self._fail(f"recording: {type(error).__name__} {error}")
        finally:
            if self._writer is not None and not self._writer.closed:
                self._writer.abandon()

    def _turn(self) -> bool:
        """Write one batch and sync it; True when the recording has ended."""
        batch = self._take()
        if self._abandoned:
            return True
        assert self._writer is not None
        pictures, before = False, self._writer.written_bytes
        for item in batch:
            if self._given_up():
                return True
            if isinstance(item, SealMark):
                self._busy()
                total = self._writer.seal(item.reason)
                self._idle()
                self.durable_bytes = total
                self._report(t.Sealed(self.recording_id, total))
                self._tell_signed("end")
                return True
            pictures |= self._write(item)
        if self._writer.written_bytes > before:
            self._busy()
            total = self._writer.sync()
            self._idle()
            self.durable_bytes = total
            self._confirmed()
            if pictures:
                self.durable_end_ns = self._end_ns or 0
                self._report(t.Durable(self.recording_id, total))
        self._look_at_space()
        return False

    def _tell_signed(self, at: StampedAt) -> None:
        assert self._writer is not None
        if self._signed is not None:
            self._signed(self.recording_id, at, *self._writer.covered[at])

    def _given_up(self) -> bool:
        return self._abandoned

    def _take(self) -> list[Item | SealMark]:
        """What is queued, up to a batch, so that a long pre-roll becomes durable step by step."""
        batch: list[Item | SealMark] = []
        size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._abandoned, timeout=0.5)
            while self._queue and size < BATCH_BYTES:
                item = self._queue.popleft()
                size += size_of(item)
                batch.append(item)
            self._bytes -= size
            self._unconfirmed += [item for item in batch if not isinstance(item, SealMark)]
        return batch

    def _confirmed(self) -> None:
        """Everything taken from the queue is on the disk: forget it, but for what another file would begin with."""
        with self._changed:
            self._tail = playable_tail([*self._tail, *self._unconfirmed])
            self._unconfirmed = []

    def _write(self, item: Item) -> bool:
        """Append one item; True when pictures were appended."""
        if isinstance(item, StreamInfo):
            self._new_stream = item
            return False
        if isinstance(item, GapMark):
            self._gap = item.cause
            return False
        if not isinstance(item, Fragment):
            self._append(item)
            return False
        begins = self._new_stream is not None or self._end_ns is None
        if begins and not item.keyframe:
            return False  # it could not be played
        left_out = not begins and item.seq != self._seq + 1
        if self._end_ns is not None and (self._gap or left_out or item.pts_ns - self._end_ns > GAP_NS):
            missing_ns = max(0, item.pts_ns - self._end_ns)
            self._append(Gap(self._end_ns, missing_ns, self._gap or "no-picture"))
        self._gap = ""
        if self._new_stream is not None and self._new_stream != self._stream:
            self._append(self._new_stream)
            self._stream = self._new_stream
        self._new_stream = None
        self._append(item)
        self.fragments += 1
        self._end_ns, self._seq = item.pts_ns + item.duration_ns, item.seq
        return True

    def _append(self, record: Record) -> None:
        assert self._writer is not None
        self._busy()
        self._writer.append(record)
        self._idle()

    def _look_at_space(self) -> None:
        now = self._clock.monotonic_ns()
        if self._low_told or now - self._looked_ns < LOOK_AT_SPACE_NS:
            return
        self._looked_ns = now
        self._busy()
        low = self._disk.free_bytes(os.path.dirname(self.path) or ".") < self._floor_bytes
        self._idle()
        if low:
            self._low_told = True
            self._report(t.DiskLow(self.recording_id))

    def _fail(self, text: str) -> None:
        """Tell; and once more when asked to seal, since what is broken cannot be sealed here. What is queued stays, for
        another disk."""
        self._idle()
        self._report(t.WriterFault(self.recording_id, text))
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or any(isinstance(item, SealMark) for item in self._queue))
            abandoned = self._abandoned
        if not abandoned:
            self._report(t.WriterFault(self.recording_id, text))

    def _busy(self) -> None:
        self._busy_since_ns = self._clock.monotonic_ns()

    def _idle(self) -> None:
        self._busy_since_ns = 0
