"""Which parts of a large picture to look at now, when there is no time for all of them. Pure: no clock, no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STALE_LOOKS = 6
"""A part is looked at again after so many looks even when nothing seems to have changed in it: a change below the
noise, such as faint print that comes up slowly, is found after that long at the latest."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One part of the picture: how many looks ago it was looked at (0: never was), whether it has changed since, and
    whether there was text in it then."""

    age: int
    changed: bool
    had_text: bool


def due(part: Waiting) -> bool:
    """Whether what was seen in a part then can no longer be relied on."""
    return part.age == 0 or part.changed or part.age >= STALE_LOOKS


def choose(parts: Sequence[Waiting], most: int) -> list[int]:
    """The numbers of at most `most` parts to look at now, in this order.

    Only parts that are due. Never seen ones come first, then those that have waited longest, among these those with
    text in them. So, of n parts, each that stays due is chosen within ceil(n / most) looks: whoever is chosen waits
    behind all others afterwards.
    """
    waiting = [number for number, part in enumerate(parts) if due(part)]

    def rank(number: int) -> tuple[bool, int, bool, int]:
        part = parts[number]
        return part.age != 0, -part.age, not part.had_text, number

    return sorted(waiting, key=rank)[: max(most, 0)]
