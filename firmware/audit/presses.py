"""What the audit log says of each press: its times as waits from the closing of the contact. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from firmware.messages import Event

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class PressTold:
    """One press. Waits are in ms from the contact's closing; None: it did not come to that, or the log does not say.

    `light_ms`: the ready light answered; `known_ms`: it was known which gesture it was; `disk_ms`: the first sealed
    bytes of the recording that it started were on the disk.
    """

    unix_s: float
    line: str
    how: str
    action: str
    surgeon: str
    did: str
    reason: str
    recording_id: str
    contact_ns: int
    light_ms: float | None = None
    known_ms: float | None = None
    disk_ms: float | None = None


def presses(events: Iterable[Event]) -> list[PressTold]:
    """Every press in the order of the log. A start finds its recording by the time at which the contact closed."""
    told: list[PressTold] = []
    starts: dict[int, int] = {}
    for event in events:
        if event.kind == "pressed":
            told.append(_told(event))
            if told[-1].did == "started":
                starts[told[-1].contact_ns] = len(told) - 1
        elif event.kind == "started":
            asked_ns, durable_ns = _number(event, "asked_ns"), _number(event, "durable_ns")
            index = starts.pop(asked_ns, None) if asked_ns else None
            if index is not None:
                told[index] = replace(told[index], disk_ms=_wait_ms(asked_ns, durable_ns))
    return told


def _told(event: Event) -> PressTold:
    contact_ns = _number(event, "contact_ns")
    words = {name: str(event.fields.get(name, "")) for name in ("origin", "how", "action", "surgeon", "did", "reason")}
    return PressTold(
        unix_s=event.unix_s, line=words["origin"], how=words["how"], action=words["action"], surgeon=words["surgeon"],
        did=words["did"], reason=words["reason"], recording_id=event.recording_id, contact_ns=contact_ns,
        light_ms=_wait_ms(contact_ns, _number(event, "light_ns")),
        known_ms=_wait_ms(contact_ns, _number(event, "gesture_ns")),
    )


def _number(event: Event, name: str) -> int:
    value = event.fields.get(name, 0)
    return value if isinstance(value, int) else 0


def _wait_ms(from_ns: int, to_ns: int) -> float | None:
    """An older line has no times; one from before that contact was of another press."""
    return (to_ns - from_ns) / MS if 0 < from_ns <= to_ns else None
