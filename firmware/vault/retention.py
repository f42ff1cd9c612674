"""Which recordings the device may delete, and why it keeps the others: decided here, and only here. Pure.

The rule above all: only a recording that was handed over, and whose copy was verified to hold just what lies here, is
ever deleted. Its time, the class of its purpose and missing room only say when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from firmware.config import Retention
from firmware.vault.ledger import HandOver

DAY_S = 86_400.0
Reason = Literal["time-over", "room-needed"]


@dataclass(frozen=True, slots=True)
class OnDevice:
    """One recording as it lies on the device. `state`: sealed, interrupted, unfinished or damaged.

    `chain` is its last chain value in hex, "" while it has no end; `own_days` what its consent says, 0 for nothing.
    """

    recording_id: str
    folder: str
    state: str
    made_unix_s: float
    ended_unix_s: float
    size_bytes: int
    chain: str
    purpose_class: str = ""
    own_days: int = 0
    handovers: tuple[HandOver, ...] = ()
    held: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules say of one recording now. `kept_until_unix_s` None: age alone never ends it.

    `over`: its time is over, it may be deleted. `yields`: it may be deleted when room is needed. `why`: for people.
    """

    over: bool
    yields: bool
    kept_until_unix_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A recording to delete, and the stable word for why."""

    recording_id: str
    reason: Reason


def handed_over_unix_s(recording: OnDevice) -> float | None:
    """When it was first handed over for good: verified, and the very bytes that lie here. None: never."""
    times = [one.unix_s for one in recording.handovers if counts(one, recording)]
    return min(times) if times else None


def counts(handover: HandOver, recording: OnDevice) -> bool:
    """Was the very recording that lies here handed over, and the copy checked?"""
    return handover.verified and handover.chain == recording.chain != ""


def class_days(purpose_class: str, rules: Retention) -> int:
    """Days for a purpose class; a class that this software does not know counts as none."""
    known = {
        "clinical": rules.clinical_days, "education": rules.education_days, "quality": rules.quality_days,
        "public-media": rules.public_media_days,
    }
    return known.get(purpose_class, rules.unclassified_days)


def days(recording: OnDevice, rules: Retention) -> int | None:
    """Days that the device keeps it, from its end; None: age alone never ends it."""
    of_class, own = class_days(recording.purpose_class, rules), recording.own_days
    if own <= 0 or rules.own_days == "ignore":
        return of_class or None
    if rules.own_days == "instead":
        return own
    if rules.own_days == "shorter":
        return min(of_class, own) if of_class else own
    return max(of_class, own) if of_class else None


def standing(recording: OnDevice, rules: Retention, now_unix_s: float) -> Standing:
    """What may become of it now."""
    kept_days, handed_over = days(recording, rules), handed_over_unix_s(recording)
    by_age = None if kept_days is None else recording.ended_unix_s + kept_days * DAY_S
    if recording.state not in ("sealed", "interrupted"):
        return Standing(False, False, None, recording.state)
    if recording.held:
        return Standing(False, False, None, f"held: {recording.held}")
    if handed_over is None:
        overdue = by_age is not None and now_unix_s >= by_age
        changed = any(one.chain == recording.chain for one in recording.handovers)
        why = "its copy was changed; hand it over again" if changed else "not handed over"
        return Standing(False, False, by_age, why + (", though its time is over" if overdue else ""))
    taken_in = handed_over + rules.after_handover_days * DAY_S
    until = None if by_age is None else max(by_age, taken_in)
    yields = rules.make_room and now_unix_s >= taken_in
    if until is not None and now_unix_s >= until:
        return Standing(True, yields, until, "its time is over")
    if now_unix_s < taken_in:
        return Standing(False, False, until, "handed over a short time ago")
    return Standing(False, yields, until, "until room is needed" if yields else "its time is not over")


def due(recordings: Iterable[OnDevice], rules: Retention, now_unix_s: float, missing_bytes: int) -> list[Choice]:
    """What to delete now, the oldest first: all whose time is over, then others until `missing_bytes` are made up."""
    choices: list[Choice] = []
    yielding: list[OnDevice] = []
    for recording in sorted(recordings, key=lambda one: (one.ended_unix_s, one.recording_id)):
        now = standing(recording, rules, now_unix_s)
        if now.over:
            choices.append(Choice(recording.recording_id, "time-over"))
            missing_bytes -= recording.size_bytes
        elif now.yields:
            yielding.append(recording)
    for recording in yielding:
        if missing_bytes <= 0:
            break
        choices.append(Choice(recording.recording_id, "room-needed"))
        missing_bytes -= recording.size_bytes
    return choices
