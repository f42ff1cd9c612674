"""Up to where a collector has the audit log, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from firmware.messages import LogLine


class Cursor(Struct, frozen=True, forbid_unknown_fields=True):
    """The last line that the collector has, and its chain value in hex; seq 0: none."""

    seq: int = 0
    chain: str = ""

    @property
    def ask_after(self) -> int:
        """Lines are asked for from this very line on: it must still be the same."""
        return max(0, self.seq - 1)


@dataclass(frozen=True, slots=True)
class Next:
    """`lines` to send now, in order. `problem`: what is odd about them. `start_over`: the log is another one."""

    lines: Sequence[LogLine] = ()
    problem: str = ""
    start_over: bool = False


def next_lines(cursor: Cursor, page: Sequence[LogLine]) -> Next:
    """What of `page` (the lines after `cursor.ask_after`) the collector does not have yet.

    A log in which the cursor's line is another, or is no more while nothing follows it, is another log: all of it is
    news. Lines that were removed between the cursor's and the next are a gap, which the numbers show.
    """
    if cursor.seq == 0:
        return Next(page)
    if not page:
        return Next(problem=f"line {cursor.seq}, which the collector has, is not in the log", start_over=True)
    first = page[0]
    if first.seq == cursor.seq:
        if first.chain.hex() != cursor.chain:
            return Next(problem=f"line {cursor.seq} is not the one that the collector has", start_over=True)
        return Next(page[1:])
    problem = "" if first.seq == cursor.seq + 1 else f"lines {cursor.seq + 1} to {first.seq - 1} are not in the log"
    return Next(page, problem)


def after(lines: Sequence[LogLine]) -> Cursor:
    """The cursor when these have been delivered."""
    return Cursor(lines[-1].seq, lines[-1].chain.hex())
