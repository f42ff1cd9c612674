"""The journal: durable, numbered, chained and signed events (SQLite, WAL, synchronous=FULL): the audit log.

An event exists once it is on the disk, and only then is it told to anyone. Numbers have no gaps. Never patient data.
The rules of the chain are in firmware/audit/chain.py.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from firmware.audit import chain
from firmware.errors import DiskFault
from firmware.messages import Event

JOURNAL_NAME = "journal.db"
QUEUE_BOUND = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS lines (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, line BLOB NOT NULL, chain BLOB NOT NULL, signature BLOB NOT NULL
) STRICT
"""


class Journal:
    """The file. One writer; readers open their own (`reader`).

    `sign` makes the device's signature; it gives b"" while there is no device key: such lines are chained only.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        """Open or create. Raises DiskFault."""
        self._path = str(path)
        self.sign: Callable[[bytes], bytes] = lambda _data: b""
        try:
            if readonly:
                self._db = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, check_same_thread=False)
            else:
                self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(_SCHEMA)
            self._db.execute("PRAGMA busy_timeout=2000")
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def append(self, event: Event) -> Event:
        """Make one event durable; returns it with its number and chain value. Raises DiskFault."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                last = self._db.execute("SELECT seq, chain FROM lines ORDER BY seq DESC LIMIT 1").fetchone()
                seq, previous = last or (0, chain.START)
                event = msgspec.structs.replace(event, seq=seq + 1)
                line = chain.line_of(event)
                value = chain.link(previous, line)
                signature = self.sign(chain.signed_text(value))
                self._db.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?)",
                                 (event.seq, event.id, line, value, signature))
        except sqlite3.Error as error:
            raise self._fault(error) from error
        return msgspec.structs.replace(event, chain=value.hex())

    def after(self, seq: int, limit: int = 500) -> list[Event]:
        """Events numbered above `seq`, in order, at most `limit`. Raises DiskFault."""
        return [chain.told(row) for row in self.rows_after(seq, limit)]

    def last_seq(self) -> int:
        """The number of the newest event, 0 when there is none. Raises DiskFault."""
        try:
            return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM lines").fetchone()[0])
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def rows(self, batch: int = 500) -> Iterator[chain.Row]:
        """All lines as they are stored, in order. Raises DiskFault."""
        seq = -(2**62)
        while rows := self.rows_after(seq, batch):
            yield from rows
            seq = rows[-1].seq

    def rows_after(self, seq: int, limit: int) -> list[chain.Row]:
        """The lines numbered above `seq` as they are stored, in order, at most `limit`. Raises DiskFault."""
        try:
            return [chain.Row(*row) for row in self._db.execute(
                "SELECT seq, line, chain, signature FROM lines WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            )]
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def reader(self) -> Journal:
        """A second, reading connection for another thread."""
        return Journal(self._path, readonly=True)

    def close(self) -> None:
        self._db.close()

    def _fault(self, error: sqlite3.Error) -> DiskFault:
        return DiskFault(
            f"the journal {self._path} cannot be written or read ({error})",
            meaning="Events would be lost", todo="check the disk that holds state_dir",
        )


class JournalThread:
    """Writes events in order on its own thread, so that a slow disk holds up nobody.

    `on_durable(event)` and `on_fault(text)` are called from that thread. When the disk does not take the
    events and the queue is full, the newest is refused (`note` returns False) and the fault is told.
    """

    def __init__(self, journal: Journal, on_durable: Callable[[Event], None], on_fault: Callable[[str], None]) -> None:
        self._journal, self._on_durable, self._on_fault = journal, on_durable, on_fault
        self._queue: queue.Queue[Event | threading.Event | None] = queue.Queue(QUEUE_BOUND)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def note(self, kind: str, unix_s: float, recording_id: str, fields: dict[str, str | int | float | bool],
             monotonic_ns: int = 0) -> bool:
        """Queue one event; it gets its identity now and its number when it is on the disk."""
        try:
            self._queue.put_nowait(Event(0, str(uuid.uuid4()), kind, unix_s, recording_id, fields, monotonic_ns))
        except queue.Full:
            return False
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was noted before is on the disk; False when it is not in time. Not for the loop."""
        written = threading.Event()
        try:
            self._queue.put(written, timeout=timeout_s)
        except queue.Full:
            return False
        return written.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write what is queued and end; False when the disk did not take it in time."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            event = self._queue.get()
            if event is None:
                return
            if isinstance(event, threading.Event):
                event.set()
                continue
            while not self._write(event):
                threading.Event().wait(1.0)  # keep the order: nothing overtakes an event that is not durable yet

    def _write(self, event: Event) -> bool:
        try:
            durable = self._journal.append(event)
        except DiskFault as fault:
            self._on_fault(str(fault))
            return False
        self._on_durable(durable)
        return True
