"""Where IDRs go, and what an encoder may make of it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware.pipeline.idr import IdrPlan

S = 1_000_000_000
STEPS = st.lists(st.integers(5_000_000, 90_000_000), min_size=1, max_size=200)


def planned(plan: IdrPlan, steps: list[int], forced: set[int] = frozenset()) -> list[tuple[int, bool]]:  # type: ignore[assignment]
    pts_ns, made = 0, []
    for number, step_ns in enumerate(steps):
        if number in forced:
            plan.force()
        made.append((pts_ns, plan.enters(pts_ns)))
        pts_ns += step_ns
    return made


@given(STEPS)
def test_idrs_are_no_further_apart_than_the_interval_and_one_frame(steps: list[int]) -> None:
    at = [pts_ns for pts_ns, idr in planned(IdrPlan(S), steps) if idr]
    assert at[0] == 0
    assert all(after - before <= S + max(steps) for before, after in pairwise(at))


@given(st.integers(10, 120), st.integers(1, 6))
def test_with_slack_an_idr_is_asked_for_so_much_earlier(rate: int, slack: int) -> None:
    """However late the encoder answers within its slack, the interval holds."""
    made = planned(IdrPlan(S, slack), [S // rate] * (4 * rate))
    asked = [number for number, (_, idr) in enumerate(made) if idr]
    latest = [asked[0], *(number + slack for number in asked[1:])]
    last = len(made) - 1
    assert all(made[min(b, last)][0] - made[a][0] <= S + 2000 for a, b in pairwise(latest))


@given(STEPS, st.sets(st.integers(0, 150)), st.integers(0, 4), st.randoms())
def test_an_encoder_that_answers_within_its_slack_is_right(steps: list[int], forced: set[int], slack: int,
                                                           random: object) -> None:
    plan = IdrPlan(S, slack)
    made = planned(plan, steps, forced)
    asked = [number for number, (_, idr) in enumerate(made) if idr]
    last = len(made) - 1
    answers = {0} | {min(last, max(0, number + random.randint(-slack, slack))) for number in asked[1:]}  # type: ignore[attr-defined]
    assert [plan.leaves(number in answers) for number in range(len(made))] == [""] * len(made)


@given(st.integers(0, 4), st.integers(2, 40))
def test_an_unasked_or_an_ignored_one_is_named(slack: int, number: int) -> None:
    for asked, given_at, what in ((None, number + slack + 1, "unasked"), (number + slack + 1, None, "ignored")):
        plan = IdrPlan(100 * S, slack)
        planned(plan, [S // 30] * 60, {asked} if asked is not None else set())
        told = [plan.leaves(n == 0 or n == given_at) for n in range(60)]
        assert next(one for one in told if one).startswith(("made an unasked", "ignored"))
        assert any(what in one for one in told)
