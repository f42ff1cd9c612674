"""Debounce of one contact on monotonic time, polled every 2-5 ms. Pure: no clock, no pins, no meaning of a press."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class DebouncedLine:
    """One line. `closed` is the settled level, `raw` the last one seen, `raw_since_ns` since when it is unbroken.

    `known` is false until the line has settled once: before that no edge is reported.
    """

    closed: bool = False
    raw: bool = False
    raw_since_ns: int = 0
    last_seen_ns: int = 0
    known: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """The contact settled on `closed`; `at_ns` is when it first reached that level."""

    closed: bool
    at_ns: int


def step(line: DebouncedLine, closed: bool, now_ns: int, settle_ns: int) -> tuple[DebouncedLine, Edge | None]:
    """Take one poll. A level counts once two or more polls saw it unbroken for `settle_ns`.

    A level seen by a single poll never counts, however late the next poll comes: it may have been a bounce.
    """
    if line.last_seen_ns == 0 or closed != line.raw:
        return replace(line, raw=closed, raw_since_ns=now_ns, last_seen_ns=now_ns), None
    seen = replace(line, last_seen_ns=now_ns)
    if now_ns - line.raw_since_ns < settle_ns:
        return seen, None
    if not line.known:
        return replace(seen, known=True, closed=closed), None
    if closed == line.closed:
        return seen, None
    return replace(seen, closed=closed), Edge(closed, line.raw_since_ns)
