"""What may be deleted: never what was not handed over and verified, whatever time, class, room and settings say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_settings

from firmware.config import Retention
from firmware.export.handover import to_hand_over
from firmware.vault.ledger import HandOver
from firmware.vault.retention import DAY_S, OnDevice, due, handed_over_unix_s, standing

NOW = 2_000_000_000.0
CHAINS = ["aa", "bb", ""]
TIMES = st.floats(NOW - 400 * DAY_S, NOW + 10 * DAY_S)
HANDOVERS = st.builds(HandOver, st.just("usb"), st.sampled_from(CHAINS), st.just(1), TIMES, st.booleans())
RECORDINGS = st.lists(
    st.builds(
        OnDevice, recording_id=st.text("abc", min_size=1, max_size=4), folder=st.just("/r"),
        state=st.sampled_from(["sealed", "sealed", "interrupted", "unfinished", "damaged"]), made_unix_s=TIMES,
        ended_unix_s=TIMES, size_bytes=st.integers(0, 10**10), chain=st.sampled_from(CHAINS),
        purpose_class=st.sampled_from(["", "clinical", "education", "quality", "public-media", "of tomorrow"]),
        own_days=st.integers(-1, 500), handovers=st.lists(HANDOVERS, max_size=3).map(tuple),
        held=st.sampled_from(["", "", "", "inquiry"]),
    ),
    max_size=8, unique_by=lambda one: one.recording_id,
)
DAYS = st.integers(0, 60)
RULES = st.builds(
    Retention, clinical_days=DAYS, education_days=DAYS, quality_days=DAYS, public_media_days=DAYS,
    unclassified_days=DAYS, own_days=st.sampled_from(["longer", "shorter", "instead", "ignore"]),
    after_handover_days=st.integers(0, 30), make_room=st.booleans(),
)


@given(RECORDINGS, RULES, st.integers(0, 10**11), TIMES)
def test_only_what_was_handed_over_and_verified_is_ever_deleted(
    recordings: list[OnDevice], rules: Retention, missing: int, now: float
) -> None:
    known = {one.recording_id: one for one in recordings}
    chosen = due(recordings, rules, now, missing)
    assert len({choice.recording_id for choice in chosen}) == len(chosen)
    for choice in chosen:
        one = known[choice.recording_id]
        copies = [copy for copy in one.handovers if copy.verified and copy.chain == one.chain]
        assert copies
        assert one.chain
        assert now >= min(copy.unix_s for copy in copies) + rules.after_handover_days * DAY_S
        assert one.state in ("sealed", "interrupted")
        assert not one.held
        if choice.reason == "time-over":
            until = standing(one, rules, now).kept_until_unix_s
            assert until is not None
            assert until <= now
        else:
            assert rules.make_room
            assert missing > 0
    by_reason = [[known[c.recording_id].ended_unix_s for c in chosen if c.reason == why] for why in
                 ("time-over", "room-needed")]
    assert all(ends == sorted(ends) for ends in by_reason), "the oldest first"


@given(RECORDINGS, RULES, st.integers(0, 10**11), TIMES)
def test_deleting_is_settled_and_takes_no_more_than_the_room_needs(
    recordings: list[OnDevice], rules: Retention, missing: int, now: float
) -> None:
    chosen = due(recordings, rules, now, missing)
    gone = {choice.recording_id for choice in chosen}
    left = [one for one in recordings if one.recording_id not in gone]
    freed = sum(one.size_bytes for one in recordings if one.recording_id in gone)
    again = due(left, rules, now, max(0, missing - freed))
    assert all(missing > freed for _ in again), "a second look finds something though there is room"
    assert not [choice for choice in again if choice.reason == "time-over"]
    for_room = [choice.recording_id for choice in chosen if choice.reason == "room-needed"]
    if for_room:
        last = next(one.size_bytes for one in recordings if one.recording_id == for_room[-1])
        assert freed - last < missing, "the last one need not have gone"


@given(RECORDINGS, st.booleans())
def test_what_is_not_handed_over_is_offered_for_it(recordings: list[OnDevice], again: bool) -> None:
    offered = to_hand_over(recordings, again=again)
    for one in recordings:
        closed = one.state in ("sealed", "interrupted")
        assert (one in offered) == (closed and (again or handed_over_unix_s(one) is None))


SEALED = OnDevice("r", "/r", "sealed", NOW - 41 * DAY_S, NOW - 40 * DAY_S, 5, "aa", "clinical",
                  handovers=(HandOver("usb", "aa", 5, NOW - 30 * DAY_S, True),))
RULE = Retention(clinical_days=35, education_days=0)


@pytest.mark.parametrize(
    ("change", "rules", "over", "why"),
    [
        ({}, {}, True, "its time is over"),
        ({}, {"clinical_days": 45}, False, "its time is not over"),
        ({"own_days": 45}, {}, False, "its time is not over"),
        ({"own_days": 10}, {"clinical_days": 45, "own_days": "shorter"}, True, "its time is over"),
        ({"own_days": 10}, {"clinical_days": 45, "own_days": "instead"}, True, "its time is over"),
        ({"own_days": 45}, {"own_days": "ignore"}, True, "its time is over"),
        ({"purpose_class": "education"}, {}, False, "its time is not over"),
        ({"handovers": ()}, {}, False, "not handed over, though its time is over"),
        ({"handovers": (HandOver("usb", "aa", 5, NOW - DAY_S, True),)}, {}, False, "handed over a short time ago"),
        ({"handovers": (HandOver("usb", "bb", 5, NOW - 30 * DAY_S, True),)}, {}, False,
         "not handed over, though its time is over"),
        ({"handovers": (HandOver("usb", "aa", 5, NOW - 30 * DAY_S, False),)}, {"clinical_days": 45}, False,
         "its copy was changed; hand it over again"),
        ({"held": "inquiry 7"}, {}, False, "held: inquiry 7"),
        ({"state": "damaged"}, {}, False, "damaged"),
        ({}, {"clinical_days": 45, "make_room": True}, False, "until room is needed"),
    ],
)
def test_each_recording_has_its_reason(
    change: dict[str, object], rules: dict[str, object], over: bool, why: str
) -> None:
    one = replace(SEALED, **change)  # type: ignore[arg-type]
    stands = standing(one, with_settings(RULE, **rules), NOW)
    assert (stands.over, stands.why) == (over, why)
