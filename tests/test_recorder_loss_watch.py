"""What a power cut would cost: told when it is more than is promised, once, and taken back when all has been well."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.recorder.loss_watch import CALM_NS, CATCH_UP_NS, LossWatch

MS = 1_000_000
S = 1_000 * MS
steps = st.lists(st.tuples(st.integers(50, 500), st.integers(0, 2000)), min_size=1, max_size=80)


@given(steps)
def test_too_much_at_risk_is_told_at_once_and_calm_takes_it_back(turns: list[tuple[int, int]]) -> None:
    watch, now, told, bad_at = LossWatch(), 100 * S, False, 0
    assert watch.look(now, "a", now, now - 700 * MS) is None
    for passed_ms, lost_ms in turns:
        now += passed_ms * MS
        alert = watch.look(now, "a", now, now - lost_ms * MS)
        if lost_ms > 1000:
            bad_at = now
            assert (alert is not None) == (not told)
            assert alert is None or (not alert.cleared and f"{lost_ms / 1000:.1f} s" in alert.text)
            told = True
        elif told and now - bad_at > CALM_NS:
            assert alert is not None
            assert alert.cleared
            told = False
        else:
            assert alert is None


@given(st.integers(2, 30), st.integers(100, 4900))
def test_a_pre_roll_that_is_being_written_is_no_loss(preroll_s: int, writing_ms: int) -> None:
    watch, now = LossWatch(), 100 * S
    assert watch.look(now, "a", now, 0) is None, "nothing is on the disk yet: the start has its own deadline"
    assert watch.look(now + MS, "a", now, now - preroll_s * S) is None
    now += writing_ms * MS
    assert watch.look(now, "a", now, now - 2 * S) is None
    assert watch.look(now, "a", now, now - 600 * MS) is None
    assert watch.look(now + S, "a", now + S, now - 600 * MS) is not None


def test_a_disk_that_never_catches_up_is_told() -> None:
    watch, now = LossWatch(), 100 * S
    assert watch.look(now, "a", now, now - 5 * S) is None
    now += CATCH_UP_NS + 1
    assert watch.look(now, "a", now, now - 5 * S) is not None


def test_without_a_recording_or_a_clock_there_is_nothing_to_tell() -> None:
    watch, now = LossWatch(), 100 * S
    assert watch.look(now, "", now, now - 5 * S) is None
    assert watch.look(now + 20 * S, "", now, now - 5 * S) is None
    assert watch.look(now, "a", 0, now - 5 * S) is None
    assert watch.look(now + 20 * S, "a", 0, now - 5 * S) is None
