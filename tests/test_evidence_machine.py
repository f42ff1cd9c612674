"""The privacy gate against a brute-force oracle written from the rule: any number of detectors, any order of events."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from firmware.messages import BlankReason
from firmware.pipeline.evidence import EvidenceGate

KINDS = ("face", "text", "code", "hand")
BOUND = 5
LAST = 24
times = st.integers(0, LAST)
some_kind = st.sampled_from(KINDS)
failures = st.sampled_from(["detector-failed", "bad-detection", "detector-hung"])


class Gate(RuleBasedStateMachine):
    """Questions are asked, answered late, twice, in any order, never, or by nobody who was asked; frames leave.

    The oracle keeps every event for ever and scans all of them for each frame.
    """

    questions = Bundle("questions")

    @initialize(kinds=st.sampled_from([0, 1, 1, 1, 2, 2, 3, 4]).map(lambda count: list(KINDS[:count])))
    def begin(self, kinds: list[str]) -> None:
        self.kinds = kinds
        self.gate = EvidenceGate(kinds, BOUND)
        self.open: set[tuple[str, int]] = set()
        self.evidence: list[tuple[str, int]] = []
        self.left = -1

    @rule(target=questions, kind=some_kind, at=times)
    def ask(self, kind: str, at: int) -> object:
        if kind not in self.kinds or at <= self.left:
            return multiple()
        self.gate.asked(kind, at)
        self.open.add((kind, at))
        return kind, at

    @rule(at=times)
    def every_detector_looks(self, at: int) -> None:
        for kind in self.kinds:
            if at > self.left:
                self.gate.asked(kind, at)
                self.open.add((kind, at))
                self._answered(kind, at)

    @rule(question=questions)
    def answer(self, question: tuple[str, int]) -> None:
        self._answered(*question)

    @rule(question=consumes(questions))
    def answer_for_the_last_time(self, question: tuple[str, int]) -> None:
        self._answered(*question)

    @rule(kind=some_kind, at=times)
    def answer_out_of_the_blue(self, kind: str, at: int) -> None:
        self._answered(kind, at)

    def _answered(self, kind: str, at: int) -> None:
        counted = self.gate.answered(kind, at)
        if (kind, at) not in self.open:
            assert not counted, "an answer counted that nobody was waiting for"
        elif at >= self.left - 2 * BOUND:
            assert counted, "an honest answer did not count"
        if counted:
            self.open.discard((kind, at))
            self.evidence.append((kind, at))

    @rule(kind=some_kind, at=times, reason=failures)
    def fail(self, kind: str, at: int, reason: BlankReason) -> None:
        self.gate.failed(kind, at, reason)
        self.open.discard((kind, at))

    @rule(kind=some_kind, is_hung=st.booleans())
    def hang(self, kind: str, is_hung: bool) -> None:
        self.gate.hung(kind, is_hung)

    @rule(by=st.integers(1, 4))
    def frames_leave(self, by: int) -> None:
        self.left += by
        self.gate.forget_before(self.left)

    @invariant()
    def every_frame_still_here_is_judged_by_the_rule(self) -> None:
        if not hasattr(self, "gate"):
            return
        for pts in range(max(self.left, 0), LAST + BOUND + 2):
            stands = bool(self.kinds) and all(
                any(k == kind and pts - BOUND <= at <= pts for k, at in self.evidence)
                and any(k == kind and pts <= at <= pts + BOUND for k, at in self.evidence)
                for kind in self.kinds
            )
            assert (self.gate.verdict(pts) == "") == stands, (pts, self.evidence)

    @invariant()
    def a_frame_that_is_waited_for_has_a_question_open(self) -> None:
        if hasattr(self, "gate"):
            for up_to in range(max(self.left - 2 * BOUND, 0), LAST + BOUND + 2):
                waits = any(self.left - 2 * BOUND <= at <= up_to for _, at in self.open)
                assert self.gate.any_outstanding(up_to) == waits


TestGate = Gate.TestCase
TestGate.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
