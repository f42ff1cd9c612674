"""Events on their way to the broker, on the disk until it has acknowledged them. The recorder's journal is the origin.

An event and the cursor ("taken up to here") enter in one transaction, so whatever a crash or a power cut rolls back,
the recorder is asked for it again: nothing is lost, and a repeat carries the same id.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from firmware.errors import DiskFault
from firmware.fleet.topics import encode, event_of
from firmware.log import get_logger
from firmware.messages import Event

Taken = Literal["new", "known", "gap", "foreign", "full"]

MAX_WAITING = 50_000
"""Beyond this the journal keeps the rest, and the recorder is asked again when there is room."""
_REMEMBERED = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS taken (seq INTEGER PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
INSERT OR IGNORE INTO cursor VALUES (1, 0);
"""

log = get_logger("outbox")


class Outbox:
    """A durable first-in-first-out of encoded events; may be used from several threads.

    `last_n` is the number of the newest event ever put in. All methods raise DiskFault.
    """

    def __init__(self, path: Path, device: str, max_waiting: int = MAX_WAITING) -> None:
        self._path, self._device, self._max = path, device, max_waiting
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise _fault(error) from None
        except sqlite3.DatabaseError as error:
            # What is in it came from the journal and can be had again: start empty, from the journal's first event.
            log.error("outbox-damaged", path=str(path), error=str(error), meaning="events are fetched and sent again")
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            self._db = self._open()
        self._cursor_seq: int = self._one("SELECT seq FROM cursor")
        self._waiting: int = self._one("SELECT count(*) FROM waiting")
        self.last_n: int = self._one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'waiting'")

    @property
    def cursor(self) -> int:
        """The highest `seq` taken from the recorder's journal."""
        return self._cursor_seq

    @property
    def waiting(self) -> int:
        """How many events have not been acknowledged."""
        return self._waiting

    @property
    def has_room(self) -> bool:
        """Whether it is worth asking the recorder for events that were turned away as "full"."""
        return self._waiting <= self._max // 2

    def take(self, event: Event, *, accept_gap: bool = False) -> Taken:
        """Put in the next event of the journal; only "new" changes anything.

        "known": already taken. "gap": not the next one (taken all the same with `accept_gap`). "foreign": an old
        number under an id never seen, so another journal. "full": no room now.
        """
        with self._transaction():
            if event.seq <= self._cursor_seq:
                row = self._db.execute("SELECT id FROM taken WHERE seq = ?", (event.seq,)).fetchone()
                return "known" if row is not None and row[0] == event.id else "foreign"
            if self._waiting >= self._max:
                return "full"
            if event.seq != self._cursor_seq + 1 and not accept_gap:
                return "gap"
            payload = encode(event_of(self._device, event))
            inserted = self._db.execute("INSERT INTO waiting (seq, payload) VALUES (?, ?)", (event.seq, payload))
            self._db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", (event.seq, event.id))
            self._db.execute("DELETE FROM taken WHERE seq <= ?", (event.seq - _REMEMBERED,))
            self._db.execute("UPDATE cursor SET seq = ?", (event.seq,))
            number = int(inserted.lastrowid or 0)
        with self._lock:
            self._waiting += 1
        self._cursor_seq, self.last_n = event.seq, number
        return "new"

    def start_over(self) -> None:
        """The recorder has another journal: take it from its first event. What waits is still sent."""
        with self._transaction():
            self._db.execute("UPDATE cursor SET seq = 0")
            self._db.execute("DELETE FROM taken")
        self._cursor_seq = 0

    def after(self, n: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest waiting events behind number `n`, at most `limit`: (number, payload)."""
        with self._transaction():
            rows = self._db.execute("SELECT n, payload FROM waiting WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
            return [(int(number), bytes(payload)) for number, payload in rows]

    def acknowledged(self, n: int) -> None:
        """The broker has event number `n`: forget it."""
        with self._transaction():
            gone = self._db.execute("DELETE FROM waiting WHERE n = ?", (n,)).rowcount
        with self._lock:
            self._waiting -= gone

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            # NORMAL: a power cut may roll the last transactions back, whole; the journal still has them, and the
            # recorder's own fsyncs on this disk are not held up by ours.
            for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"):
                db.execute(line).fetchall()
            if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the check of the file failed")
            db.executescript(_SCHEMA)
            if [row[1] for row in db.execute("PRAGMA table_info(waiting)")] != ["n", "seq", "payload"]:
                raise sqlite3.DatabaseError("the file is another database")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _one(self, query: str) -> int:
        with self._lock:
            return int(self._db.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._in_transaction():
                    self._db.execute("ROLLBACK")
                raise _fault(error) from None

    def _in_transaction(self) -> bool:
        try:
            return self._db.in_transaction
        except sqlite3.ProgrammingError:  # closed
            return False


def _fault(error: Exception) -> DiskFault:
    return DiskFault(
        f"the outbox of fleet events cannot be used: {error}",
        meaning="The recording is not affected; events wait in the recorder's journal",
        todo="check the disk that holds paths.state_dir",
    )
