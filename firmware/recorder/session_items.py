"""What is queued for a recording's writer, and which part of it another file would begin with. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from firmware.messages import Fragment, StreamInfo
from firmware.vault.records import Record

OVERHEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class GapMark:
    """The next fragment follows after a gap; the writer fills in from when to when."""

    cause: str


@dataclass(frozen=True, slots=True)
class SealMark:
    """No more is coming: write the ending."""

    reason: str


Item = Record | GapMark


def playable_tail(items: Iterable[Item]) -> list[Item]:
    """The stream's description and the fragments from the last keyframe on; a newer description comes last. Pure."""
    newest: StreamInfo | None = None
    stream: StreamInfo | None = None
    group: list[Item] = []
    for item in items:
        if isinstance(item, StreamInfo):
            newest = item
        elif isinstance(item, Fragment):
            if item.keyframe:
                stream, group = newest, []
            group.append(item)
    if stream is None:
        return [newest] if newest is not None else []
    return [stream, *group, *([newest] if newest is not None and newest is not stream else [])]


def size_of(item: Item | SealMark) -> int:
    """Bytes an item holds in memory, near enough for a bound."""
    if isinstance(item, Fragment):
        return len(item.data) + 48 * len(item.verdicts) + OVERHEAD_BYTES
    return OVERHEAD_BYTES
