"""What the machine was like before a cut: who waited for a processor or a disk, and when the file last grew.

Not for judging: for telling a late machine from a late product when a cut cost more than it should.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tests.powercut.disk import CutTold

SPAN_NS, THREADS_NS = 2_000_000_000, 200_000_000


@dataclass(frozen=True, slots=True)
class Before:
    """Of the last two seconds before the cut: seconds in which something waited for a processor or for a disk
    (/proc/pressure, the whole machine; None where the kernel does not tell), the age of the last appended byte, synced
    or not, the three threads of the unit that waited longest for a processor (name, seconds), and the disk's flushes
    (asked and done so many seconds before the cut, bytes)."""

    cpu_wait_s: float | None
    disk_wait_s: float | None
    last_append_s: float | None
    waited: list[tuple[str, float]]
    flushed: list[tuple[float, float, int]]


class Watch:
    """`look` often; `before` at the cut."""

    def __init__(self) -> None:
        self._pressure: deque[tuple[int, float | None, float | None]] = deque()
        self._threads: deque[tuple[int, dict[str, float]]] = deque()
        self._size, self._grew_ns = -1, 0

    def look(self, recordings: Path, session: int) -> None:
        """`session`: the number of the unit's processes' session."""
        now_ns = time.monotonic_ns()
        if not self._threads or now_ns - self._threads[-1][0] >= THREADS_NS:
            self._threads.append((now_ns, _threads_waited_s(session)))
            while self._threads[0][0] < now_ns - SPAN_NS:
                self._threads.popleft()
        size = sum(path.stat().st_size for path in recordings.glob("*.scrub"))
        if size != self._size:
            self._size, self._grew_ns = size, now_ns
        self._pressure.append((now_ns, _waited_s("cpu"), _waited_s("io")))
        while self._pressure[0][0] < now_ns - SPAN_NS:
            self._pressure.popleft()

    def before(self, cut: CutTold) -> Before:
        """What `look` saw until the cut."""
        flushed = [(round(asked / 1e9, 3), round(done / 1e9, 3), size) for asked, done, size in cut.flushed
                   if done < SPAN_NS]
        if not self._pressure:
            return Before(None, None, None, [], flushed)
        (_, cpu_from, disk_from), (_, cpu, disk) = self._pressure[0], self._pressure[-1]
        began, ended = self._threads[0][1], self._threads[-1][1]
        waited = sorted(((name, round(total - began.get(name, 0.0), 3)) for name, total in ended.items()),
                        key=lambda one: -one[1])[:3]
        return Before(_less(cpu, cpu_from), _less(disk, disk_from), round((cut.at_ns - self._grew_ns) / 1e9, 3),
                      waited, flushed)


def _threads_waited_s(session: int) -> dict[str, float]:
    """Seconds that each thread of the session has waited for a processor (/proc/PID/task/TID/schedstat)."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ProcessLookupError):
            if os.getsid(int(process.name)) != session:
                continue
            for task in (process / "task").iterdir():
                name = (task / "comm").read_text(encoding="utf-8").strip()
                waited_ns = int((task / "schedstat").read_text(encoding="ascii").split()[1])
                found[f"{name} {task.name}"] = waited_ns / 1e9
    return found


def _waited_s(what: str) -> float | None:
    try:
        first = Path(f"/proc/pressure/{what}").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    return int(first.rsplit("total=", 1)[1]) / 1e6


def _less(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else round(later - earlier, 3)
