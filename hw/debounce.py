"""Debounce of one contact on monotonic time, polled every 2-5 ms. Pure: no clock, no pins, no meaning of a press."""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_POLLS = 4
"""So many polls in a row must see a level, however much time they span: when polls come late, two of them may each have
met a different burst of noise."""


@dataclass(frozen=True, slots=True)
class DebouncedLine:
    """One line. `closed` is the settled level; `raw` the last one seen: since `raw_since_ns`, in `polls` polls.

    `known` is false until the line has settled once: before that no edge is reported.
    """

    closed: bool = False
    raw: bool = False
    raw_since_ns: int = 0
    polls: int = 0
    known: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """The contact settled on `closed`; `at_ns` is when it first reached that level, to stay."""

    closed: bool
    at_ns: int


def step(line: DebouncedLine, closed: bool, now_ns: int, settle_ns: int) -> tuple[DebouncedLine, Edge | None]:
    """Take one poll. A level counts once LEAST_POLLS polls or more saw it unbroken for `settle_ns`."""
    if line.polls == 0 or closed != line.raw:
        return replace(line, raw=closed, raw_since_ns=now_ns, polls=1), None
    seen = replace(line, polls=line.polls + 1)
    if seen.polls < LEAST_POLLS or now_ns - line.raw_since_ns < settle_ns:
        return seen, None
    if not line.known:
        return replace(seen, known=True, closed=closed), None
    if closed == line.closed:
        return seen, None
    return replace(seen, closed=closed), Edge(closed, line.raw_since_ns)
