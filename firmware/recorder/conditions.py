"""Start conditions by name: each a pure function of a snapshot that gives None, or the sentence shown to people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.messages import Consent

PICTURE_STALE_S = 1.9
"""A picture older than this is no picture: the promise is to notice within 2 s, and a look takes up to 0.1 s."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the conditions look at. `picture_age_s` None: this pipeline has sent no picture yet.

    `disk_free_bytes` None: not known yet. `bytes_per_s` is the configured bit rate in bytes.
    """

    consent: Consent
    disk_free_bytes: int | None
    disk_problem: str
    floor_bytes: int
    reserve_bytes: int
    bytes_per_s: float
    recipient_roles: frozenset[str]
    escrow_needed: bool
    recipients_problem: str
    pipeline_started: bool
    pipeline_problem: str
    picture_age_s: float | None
    pedal_problem: str


def hours_left(free_bytes: int, floor_bytes: int, bytes_per_s: float) -> float:
    """Recording time until the floor is reached, at the configured rate."""
    return max(0, free_bytes - floor_bytes) / bytes_per_s / 3600


def _consent(s: Snapshot) -> str | None:
    if s.consent.state != "given":
        return f"consent: {s.consent.state}"
    return None if s.consent.video else "consent: not for video"


def _disk(s: Snapshot) -> str | None:
    if s.disk_problem:
        return f"disk: {s.disk_problem}"
    if s.disk_free_bytes is None:
        return "disk: not looked at yet"
    left = hours_left(s.disk_free_bytes, s.floor_bytes, s.bytes_per_s)
    needed = s.reserve_bytes / s.bytes_per_s / 3600
    if left >= needed and s.disk_free_bytes > s.floor_bytes:
        return None
    return f"disk: {left:.1f} h left, {max(needed, 0.1):.1f} h needed"


def _recipients(s: Snapshot) -> str | None:
    if s.recipients_problem:
        return f"recipients: {s.recipients_problem}"
    needed = ("archive", "escrow") if s.escrow_needed else ("archive",)
    missing = [role for role in needed if role not in s.recipient_roles]
    return f"recipients: no {missing[0]} key configured" if missing else None


def _pipeline(s: Snapshot) -> str | None:
    if s.picture_age_s is None:
        if s.pipeline_started and not s.pipeline_problem:
            return "pipeline: starting"
        return f"pipeline: {s.pipeline_problem or 'no picture'}"
    return "pipeline: no picture" if s.picture_age_s > PICTURE_STALE_S else None


def _pedal(s: Snapshot) -> str | None:
    return f"pedal: {s.pedal_problem}" if s.pedal_problem else None


CONDITIONS: dict[str, Callable[[Snapshot], str | None]] = {
    "consent": _consent,
    "recipients": _recipients,
    "disk": _disk,
    "pipeline": _pipeline,
    "pedal": _pedal,
}
"""Every start condition, in the order in which they are named to a person."""


def unmet(snapshot: Snapshot) -> tuple[str, ...]:
    """The sentences of all conditions that do not hold; each starts with its condition's name."""
    return tuple(sentence for check in CONDITIONS.values() if (sentence := check(snapshot)) is not None)
