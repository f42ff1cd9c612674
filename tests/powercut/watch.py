"""What the machine was like before a cut: who waited for a processor or a disk, and when the file last grew.

Not for judging: for telling a late machine from a late product when a cut cost more than it should.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

SPAN_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Before:
    """Of the last two seconds before the cut: seconds in which something waited for a processor or for a disk
    (/proc/pressure, the whole machine; None where the kernel does not tell), and the age of the last appended byte,
    synced or not."""

    cpu_wait_s: float | None
    disk_wait_s: float | None
    last_append_s: float | None


class Watch:
    """`look` often; `before` at the cut."""

    def __init__(self) -> None:
        self._pressure: deque[tuple[int, float | None, float | None]] = deque()
        self._size, self._grew_ns = -1, 0

    def look(self, recordings: Path) -> None:
        now_ns = time.monotonic_ns()
        size = sum(path.stat().st_size for path in recordings.glob("*.scrub"))
        if size != self._size:
            self._size, self._grew_ns = size, now_ns
        self._pressure.append((now_ns, _waited_s("cpu"), _waited_s("io")))
        while self._pressure[0][0] < now_ns - SPAN_NS:
            self._pressure.popleft()

    def before(self, cut_ns: int) -> Before:
        """What `look` saw until `cut_ns` (CLOCK_MONOTONIC)."""
        if not self._pressure:
            return Before(None, None, None)
        (_, cpu_from, disk_from), (_, cpu, disk) = self._pressure[0], self._pressure[-1]
        return Before(_less(cpu, cpu_from), _less(disk, disk_from), round((cut_ns - self._grew_ns) / 1e9, 3))


def _waited_s(what: str) -> float | None:
    try:
        first = Path(f"/proc/pressure/{what}").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    return int(first.rsplit("total=", 1)[1]) / 1e6


def _less(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else round(later - earlier, 3)
