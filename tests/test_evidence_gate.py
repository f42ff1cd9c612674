"""The privacy gate: no schedule of late, missing, doubled, reordered or crashed detections lets a frame through
that has no evidence from every required detector on both sides of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.messages import BlankReason
from firmware.pipeline.evidence import EvidenceGate

KINDS = ("face", "text")
BOUND = 500
times = st.integers(0, 3000)
step = st.tuples(st.sampled_from(["ask", "answer", "fail", "hang", "well", "forget"]), st.sampled_from(KINDS), times)


@given(st.lists(step, max_size=120), times)
def test_only_answered_questions_on_both_sides_open_the_gate(steps: list[tuple[str, str, int]], pts: int) -> None:
    gate = EvidenceGate(KINDS, BOUND)
    asked: set[tuple[str, int]] = set()
    answered: set[tuple[str, int]] = set()
    for what, kind, at in steps:
        if what == "ask":
            gate.asked(kind, at)
            asked.add((kind, at))
        elif what == "answer":
            if gate.answered(kind, at):
                assert (kind, at) in asked
                answered.add((kind, at))
        elif what == "fail":
            gate.failed(kind, at, "detector-failed")
        elif what == "hang":
            gate.hung(kind, True)
        elif what == "well":
            gate.hung(kind, False)
        else:
            gate.forget_before(at)
    stands = all(
        any(k == kind and 0 <= pts - at <= BOUND for k, at in answered)
        and any(k == kind and 0 <= at - pts <= BOUND for k, at in answered)
        for kind in KINDS
    )
    if gate.verdict(pts) == "":
        assert stands, "a frame passed without evidence"
    elif all(what != "forget" for what, _, _ in steps):
        assert not stands, "evidence stood and the frame was filled all the same"


@given(st.lists(times, unique=True, min_size=1), st.randoms())
def test_order_and_repetition_of_answers_do_not_matter(asked: list[int], random: object) -> None:
    straight, shuffled = EvidenceGate(("face",), BOUND), EvidenceGate(("face",), BOUND)
    for at in asked:
        straight.asked("face", at)
        shuffled.asked("face", at)
    for at in asked:
        straight.answered("face", at)
    mixed = asked * 2
    random.shuffle(mixed)  # type: ignore[attr-defined]
    for at in mixed:
        shuffled.answered("face", at)
    for pts in range(0, 3000, 37):
        assert straight.verdict(pts) == shuffled.verdict(pts)


@given(st.lists(times, unique=True, min_size=2), times)
def test_forgetting_the_past_changes_nothing_for_later_frames(asked: list[int], now: int) -> None:
    kept, pruned = EvidenceGate(("face",), BOUND), EvidenceGate(("face",), BOUND)
    for gate in (kept, pruned):
        for at in asked:
            gate.asked("face", at)
            gate.answered("face", at)
    pruned.forget_before(now)
    for pts in range(now, 3600, 41):
        assert kept.verdict(pts) == pruned.verdict(pts)


def test_without_a_detector_nothing_passes() -> None:
    assert EvidenceGate((), BOUND).verdict(0) != ""


def reasons(gate: EvidenceGate) -> list[BlankReason]:
    return [gate.verdict(pts) for pts in (0, 300, 600, 900)]


def test_the_reason_names_what_is_missing() -> None:
    gate = EvidenceGate(("face",), BOUND)
    for at in (0, 400):
        gate.asked("face", at)
        gate.answered("face", at)
    assert reasons(gate) == ["", "", "no-evidence-after", "no-evidence-after"]
    assert gate.verdict(901) == "no-evidence-before"
    gate.asked("face", 700)
    gate.failed("face", 700, "bad-detection")
    assert reasons(gate) == ["", "", "bad-detection", "bad-detection"]
    gate.hung("face", True)
    assert reasons(gate) == ["", "", "detector-hung", "detector-hung"]


def test_an_answer_nobody_asked_for_is_no_evidence() -> None:
    gate = EvidenceGate(("face",), BOUND)
    assert not gate.answered("face", 100)
    assert not gate.answered("hand", 100)
    assert gate.verdict(100) != ""


def test_outstanding_questions_are_known() -> None:
    gate = EvidenceGate(("face",), BOUND)
    gate.asked("face", 100)
    assert gate.any_outstanding(100)
    assert not gate.any_outstanding(99)
    gate.failed("face", 100, "detector-failed")
    assert not gate.any_outstanding(100)
