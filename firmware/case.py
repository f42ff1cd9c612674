"""What a case must say before anything of it is recorded, and what the site's policy adds. Pure; no name in a sentence.

Nothing here fills in anything. Every sentence starts with "consent:" or "policy:", tells one thing that is missing or
forbidden, and repeats nothing that was typed in: it is shown on MQTT and kept in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Literal

from msgspec.structs import replace

from firmware.config import Policy, PurposeRule
from firmware.messages import Consent

Modality = Literal["video", "audio", "stills"]
MODALITIES: tuple[Modality, ...] = ("video", "audio", "stills")
LEAST_WORDS = 3
"""A purpose of fewer words is no sentence."""


def allows(consent: Consent, modality: Modality) -> bool:
    """The lock: without a valid consent for a modality there is no encoder, and no maker of stills, for it."""
    return consent.state == "given" and getattr(consent, modality) is True


def opening_problems(consent: Consent, policy: Policy, room: str) -> tuple[str, ...]:
    """Everything that stands against this consent as a person gave it; () when a case may be opened with it.

    Only a consent that says "given" has to say more.
    """
    if consent.state != "given":
        return ()
    return (*_missing(consent), *_against_policy(consent, policy, room))


def start_problems(consent: Consent, policy: Policy, room: str, moments: Set[str]) -> tuple[str, ...]:
    """Everything that stands against recording pictures now; `moments` are those entered and not left yet."""
    if consent.state != "given":
        return (f"consent: {consent.state}", *_room(policy, room), *_moments(moments))
    video = () if consent.video else ("consent: not for video",)
    return (*opening_problems(consent, policy, room), *video, *_moments(moments))


def narrowed(consent: Consent, to: Consent) -> Consent:
    """`consent` less every modality that `to` does not give."""
    return replace(consent, **{name: getattr(consent, name) and getattr(to, name) for name in MODALITIES})


def _missing(consent: Consent) -> Iterator[str]:
    if not consent.by.strip():
        yield "consent: who gave it is not said (by)"
    if not consent.evidence.strip():
        yield "consent: on what evidence is not said (evidence)"
    if len(consent.purpose.split()) < LEAST_WORDS or not consent.purpose.isprintable():
        yield "consent: the purpose is not said in one sentence (purpose)"
    if not consent.purpose_class:
        yield "consent: the class of the purpose is not said (purpose_class)"
    if not consent.audience.strip():
        yield "consent: for which audience is not said (audience)"
    if not consent.destination.strip():
        yield "consent: where the recording will live is not said (destination)"
    if not consent.retention_days:
        yield "consent: for how many days it is kept is not said (retention_days)"
    if not consent.medical_record:
        yield "consent: whether it becomes part of the medical record is not said (medical_record)"
    if not any(getattr(consent, modality) for modality in MODALITIES):
        yield "consent: it covers neither video nor audio nor stills"


def _against_policy(consent: Consent, policy: Policy, room: str) -> Iterator[str]:
    yield from _room(policy, room)
    if policy.never_procedures and not consent.procedure.strip():
        yield "policy: the type of procedure is not said (procedure), and some are never recorded here"
    for procedure in policy.never_procedures:
        if _same(procedure, consent.procedure):
            yield f"policy: this type of procedure is never recorded: {procedure}"
    if consent.audio and policy.audio == "never":
        yield "policy: sound is never recorded here"
    for item in policy.required:
        told = getattr(consent, item)
        if not (told.strip() if isinstance(told, str) else told):
            yield f"policy: this site needs {NEEDED[item]} ({item})"
    for rule in policy.purposes:
        if rule.name == consent.purpose_class:
            yield from _against_rule(consent, rule)


def _against_rule(consent: Consent, rule: PurposeRule) -> Iterator[str]:
    if not rule.allowed:
        yield f"policy: nothing is recorded here for {rule.name}"
    if consent.audio and not rule.audio:
        yield f"policy: sound is never recorded for {rule.name}"
    if consent.stills and not rule.stills:
        yield f"policy: stills are never made for {rule.name}"
    if rule.most_retention_days and consent.retention_days > rule.most_retention_days:
        yield f"policy: {rule.name} is kept for {rule.most_retention_days} days at most (retention_days)"
    if rule.second_signature and not consent.second_signature.strip():
        yield f"policy: {rule.name} needs a second signature (second_signature)"
    elif rule.second_signature and _same(consent.second_signature, consent.by):
        yield f"policy: {rule.name} needs a second signature, by somebody else (second_signature)"
    if rule.evidence_kinds and consent.evidence_kind not in rule.evidence_kinds:
        yield f"policy: {rule.name} needs evidence of this kind: {' or '.join(rule.evidence_kinds)} (evidence_kind)"


def _room(policy: Policy, room: str) -> Iterator[str]:
    if policy.never_rooms and not room.strip():
        yield "policy: this unit's room is not configured (device.room), and in some nothing is recorded"
    for never in policy.never_rooms:
        if _same(never, room):
            yield f"policy: nothing is recorded in this room: {never}"


def _moments(moments: Set[str]) -> Iterator[str]:
    for moment in sorted(moments):
        yield f"policy: never recorded: {moment}; leave this moment first"


def _same(one: str, other: str) -> bool:
    """Letter case and spacing do not make another procedure, room or person."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


NEEDED = {
    "procedure": "the type of procedure", "evidence_kind": "the kind of evidence",
    "second_signature": "a second signature", "patient_ref": "the link to the hospital's record",
}
