"""Start conditions by name: each a pure function of a snapshot that gives None, or the sentence shown to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from firmware.case import start_problems
from firmware.config import Policy
from firmware.messages import Consent
from firmware.recorder.targets import Look, total_room

PICTURE_STALE_S = 1.9
"""A picture older than this is no picture: the promise is to notice within 2 s, and a look takes up to 0.1 s."""

NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the conditions look at. `picture_age_s` None: this pipeline has sent no picture yet.

    `disks` is the last look at each target; `bytes_per_s` the present rate of recording.
    """

    consent: Consent
    disks: tuple[Look, ...]
    floor_bytes: int
    reserve_bytes: int
    reserve_hours: float
    bytes_per_s: float
    recipient_roles: frozenset[str]
    escrow_needed: bool
    recipients_problem: str
    pipeline_started: bool
    pipeline_problem: str
    picture_age_s: float | None
    pedal_problem: str
    zones_problem: str = ""
    policy: Policy = NO_POLICY
    room: str = ""
    moments: frozenset[str] = frozenset()
    power_problem: str = ""
    selftest_problem: str = ""


def hours_left(disks: Sequence[Look], floor_bytes: int, bytes_per_s: float) -> float:
    """Recording time until the floor of the last target is reached."""
    return total_room(disks, floor_bytes) / bytes_per_s / 3600


def reserve(reserve_bytes: int, reserve_hours: float, bytes_per_s: float) -> float:
    """Bytes that must be free above the floor at a start: the larger of both settings."""
    return max(reserve_bytes, reserve_hours * 3600 * bytes_per_s)


def room_refusal(disks: Sequence[Look], floor_bytes: int, needed_bytes: float, bytes_per_s: float) -> str:
    """Empty when the targets have the reserve; else what is left and what is needed, in hours."""
    room = total_room(disks, floor_bytes)
    if room >= needed_bytes and room > 0:
        return ""
    tenth = 360 * bytes_per_s  # a tenth of an hour; rounded so that the figures show the refusal
    left, wanted = floor(room / tenth + 1e-6), max(ceil(needed_bytes / tenth - 1e-6), 1)
    return f"{left / 10:.1f} h left, {wanted / 10:.1f} h needed"


def low(hours: float, warn_hours: float, told: bool) -> bool:
    """Is room scarce? Once told, it takes a tenth more than the limit to be well again."""
    return hours < warn_hours * (1.1 if told else 1.0)


def _consent(s: Snapshot) -> str | None:
    """The first sentence only: of a consent that is not given, what the policy adds would be noise."""
    problems = start_problems(s.consent, s.policy, s.room, s.moments)
    return problems[0] if problems else None


def _disk(s: Snapshot) -> str | None:
    if all(disk.problem for disk in s.disks):
        return f"disk: {s.disks[0].problem.removeprefix('disk: ')}"
    if all(disk.problem or disk.free_bytes is None for disk in s.disks):
        return "disk: not looked at yet"
    needed = reserve(s.reserve_bytes, s.reserve_hours, s.bytes_per_s)
    refusal = room_refusal(s.disks, s.floor_bytes, needed, s.bytes_per_s)
    return f"disk: {refusal}" if refusal else None


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


def _zones(s: Snapshot) -> str | None:
    return f"zones: {s.zones_problem}" if s.zones_problem else None


def _power(s: Snapshot) -> str | None:
    return f"power: {s.power_problem}" if s.power_problem else None


def _selftest(s: Snapshot) -> str | None:
    return f"selftest: {s.selftest_problem}" if s.selftest_problem else None


CONDITIONS: dict[str, Callable[[Snapshot], str | None]] = {
    "consent": _consent,
    "recipients": _recipients,
    "disk": _disk,
    "pipeline": _pipeline,
    "pedal": _pedal,
    "zones": _zones,
    "power": _power,
    "selftest": _selftest,
}
"""Every start condition, in the order in which they are named to a person."""


def unmet(snapshot: Snapshot) -> tuple[str, ...]:
    """The sentences of all conditions that do not hold; each starts with its condition's name, or with "policy:"."""
    return tuple(sentence for check in CONDITIONS.values() if (sentence := check(snapshot)) is not None)
