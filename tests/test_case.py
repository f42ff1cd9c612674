"""What a case must say: one sentence for each thing missing or forbidden, and never a word of what was typed in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware import case
from firmware.config import Policy
from firmware.config_file import loads
from firmware.errors import ConfigError
from firmware.messages import Consent
from tests.recorder_helpers import CONSENT

LEFT_OUT = [
    ({"by": " "}, "consent: who gave it is not said (by)"),
    ({"evidence": ""}, "consent: on what evidence is not said (evidence)"),
    ({"purpose": "teaching"}, "consent: the purpose is not said in one sentence (purpose)"),
    ({"purpose": "to teach\nthis to residents"}, "consent: the purpose is not said in one sentence (purpose)"),
    ({"purpose_class": ""}, "consent: the class of the purpose is not said (purpose_class)"),
    ({"audience": ""}, "consent: for which audience is not said (audience)"),
    ({"destination": ""}, "consent: where the recording will live is not said (destination)"),
    ({"retention_days": 0}, "consent: for how many days it is kept is not said (retention_days)"),
    ({"medical_record": ""}, "consent: whether it becomes part of the medical record is not said (medical_record)"),
    ({"video": False}, "consent: it covers neither video nor audio nor stills"),
]
NO_PROCEDURE = "policy: the type of procedure is not said"
EDUCATION = {"name": "education"}
POLICIES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"never_rooms": ["OR 3"]}, {}, "policy: nothing is recorded in this room: OR 3"),
    ({"never_procedures": ["IVF"]}, {}, f"{NO_PROCEDURE} (procedure), and some are never recorded here"),
    ({"never_procedures": ["IVF"]}, {"procedure": " ivf "}, "policy: this type of procedure is never recorded: IVF"),
    ({"audio": "never"}, {"audio": True}, "policy: sound is never recorded here"),
    ({"required": ["procedure"]}, {}, "policy: this site needs the type of procedure (procedure)"),
    ({"required": ["evidence_kind"]}, {}, "policy: this site needs the kind of evidence (evidence_kind)"),
    ({"required": ["second_signature"]}, {}, "policy: this site needs a second signature (second_signature)"),
    ({"required": ["patient_ref"]}, {}, "policy: this site needs the link to the hospital's record (patient_ref)"),
    ({"purposes": [EDUCATION | {"allowed": False}]}, {}, "policy: nothing is recorded here for education"),
    ({"purposes": [EDUCATION | {"audio": False}]}, {"audio": True}, "policy: sound is never recorded for education"),
    ({"purposes": [EDUCATION | {"stills": False}]}, {"stills": True}, "policy: stills are never made for education"),
    ({"purposes": [EDUCATION | {"most_retention_days": 364}]}, {},
     "policy: education is kept for 364 days at most (retention_days)"),
    ({"purposes": [EDUCATION | {"second_signature": True}]}, {},
     "policy: education needs a second signature (second_signature)"),
    ({"purposes": [EDUCATION | {"second_signature": True}]}, {"second_signature": "dr. a"},
     "policy: education needs a second signature, by somebody else (second_signature)"),
    ({"purposes": [EDUCATION | {"evidence_kinds": ["written", "electronic"]}]}, {"evidence_kind": "spoken"},
     "policy: education needs evidence of this kind: written or electronic (evidence_kind)"),
]
WORDS = st.text(max_size=20)
CONSENTS = st.builds(
    Consent, st.sampled_from(["none", "given", "refused", "withdrawn"]), st.booleans(), st.booleans(), st.booleans(),
    by=WORDS, evidence=WORDS, purpose=WORDS, purpose_class=st.sampled_from(["", "clinical", "education"]),
    audience=WORDS, destination=WORDS, retention_days=st.integers(0, 3), medical_record=st.sampled_from(["", "no"]),
    procedure=WORDS, second_signature=WORDS,
)
PLANTED = replace(
    CONSENT, by="PLANTED by", evidence="PLANTED evidence", audience="PLANTED audience", destination="PLANTED place",
    procedure="PLANTED procedure", second_signature="PLANTED second", patient_ref="PLANTED ref",
)


def policy(**settings: Any) -> Policy:
    return msgspec.convert(settings, Policy)


@pytest.mark.parametrize(("change", "sentence"), LEFT_OUT)
def test_each_thing_left_out_is_a_sentence_of_its_own(change: dict[str, Any], sentence: str) -> None:
    assert case.opening_problems(replace(CONSENT, **change), Policy(), "") == (sentence,)


@pytest.mark.parametrize(("settings", "change", "sentence"), POLICIES)
def test_each_rule_of_the_site_is_a_sentence_of_its_own(
    settings: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    consent = replace(CONSENT, **change)
    assert case.opening_problems(consent, Policy(), "or 3") == ()
    assert case.opening_problems(consent, policy(**settings), "or 3") == (sentence,)
    assert case.start_problems(consent, policy(**settings), "or 3", frozenset()) == (sentence,)


def test_a_start_asks_for_the_moment_the_room_and_the_picture_too() -> None:
    rooms = policy(never_rooms=["OR 3"])
    assert case.start_problems(CONSENT, Policy(), "", {"induction"}) == (
        "policy: never recorded: induction; leave this moment first",
    )
    assert case.start_problems(CONSENT, rooms, "", frozenset()) == (
        "policy: this unit's room is not configured (device.room), and in some nothing is recorded",
    )
    assert case.start_problems(Consent(), rooms, "OR  3", frozenset()) == (
        "consent: none", "policy: nothing is recorded in this room: OR 3",
    )
    sound_only = replace(CONSENT, video=False, audio=True)
    assert case.start_problems(sound_only, Policy(), "", frozenset()) == ("consent: not for video",)


@given(CONSENTS, st.sampled_from(POLICIES), st.sampled_from(["", "OR 3"]))
def test_a_start_that_nothing_stands_against_has_every_item(
    consent: Consent, rule: tuple[dict[str, Any], dict[str, Any], str], room: str
) -> None:
    rules = policy(**rule[0])
    problems = case.start_problems(consent, rules, room, frozenset())
    assert len(set(problems)) == len(problems)
    assert all(sentence.startswith(("consent: ", "policy: ")) for sentence in problems)
    whole = consent.state == "given" and consent.video and all(
        part.strip() if isinstance(part, str) else part
        for part in (consent.by, consent.evidence, consent.purpose, consent.purpose_class, consent.audience,
                     consent.destination, consent.retention_days, consent.medical_record)
    )
    if not problems:
        assert whole
        assert case.allows(consent, "video")
    if not case.start_problems(consent, Policy(), room, frozenset()):
        assert set(problems) == set(case.opening_problems(consent, rules, room)), "a policy only ever adds"


@given(CONSENTS, CONSENTS)
def test_narrowing_only_ever_takes_away(consent: Consent, to: Consent) -> None:
    left = case.narrowed(consent, to)
    for modality in case.MODALITIES:
        assert case.allows(left, modality) == (
            case.allows(consent, modality) and getattr(to, modality)
        )
    assert replace(left, video=consent.video, audio=consent.audio, stills=consent.stills) == consent


@pytest.mark.parametrize(("settings", "change", "_sentence"), POLICIES)
def test_no_sentence_repeats_what_was_typed_in(
    settings: dict[str, Any], change: dict[str, Any], _sentence: str
) -> None:
    for consent in (PLANTED, msgspec.structs.replace(PLANTED, **change), replace(PLANTED, purpose="PLANTED\n")):
        told = case.start_problems(consent, policy(**settings), "PLANTED room", frozenset())
        assert "PLANTED" not in " ".join(told)


def test_the_handbook_lists_each_sentence_and_no_other() -> None:
    text = (Path(__file__).parents[1] / "docs" / "consent.md").read_text(encoding="utf-8")
    listed = [row for row in re.findall("`([^`]*)`", text.split("## Refusals")[1].split("The site writes")[0])
              if row.startswith(("consent: ", "policy: "))]
    told = {sentence for _, sentence in LEFT_OUT} | {sentence for _, _, sentence in POLICIES} | {
        "consent: none", "consent: refused", "consent: withdrawn", "consent: not for video",
        "policy: never recorded: induction; leave this moment first",
        "policy: this unit's room is not configured (device.room), and in some nothing is recorded",
    }
    patterns = [re.sub("ROOM|PROCEDURE|CLASS|KINDS|MOMENT|\\bN\\b", "[A-Za-z0-9 ]+", re.escape(row)) for row in listed]
    assert [sentence for sentence in told if not any(re.fullmatch(one, sentence) for one in patterns)] == []
    assert [one for one in patterns if not any(re.fullmatch(one, sentence) for sentence in told)] == []


@pytest.mark.parametrize(("text", "told"), [
    ('[policy]\nfirst_moments = ["induction"]', "'induction' is not among policy.moments"),
    ('[policy]\nnever_rooms = ["OR 3"]', "say in which room this unit stands"),
    ('[sound]\nenabled = true\n[policy]\naudio = "never"', "sound.enabled must be false"),
    ('[[policy.purposes]]\nname = "quality"\n[[policy.purposes]]\nname = "quality"', "one table at most"),
    ('[[policy.purposes]]\nname = "fun"', 'one of "clinical"'),
    ('[policy]\nrequired = ["name"]', 'a list of any of "evidence_kind", "patient_ref"'),
    ('[policy]\nnever_rooms = [""]', "policy.never_rooms"),
])
def test_a_policy_that_cannot_be_kept_is_a_configuration_error(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"scrubcam\.toml:[1-4]: ") as error:
        loads(text, "scrubcam.toml")
    assert told in str(error.value)
