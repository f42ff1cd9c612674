"""Ten thousand presses are ten thousand presses, and ten thousand bursts of noise are none."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from firmware.recorder.controls import ControlsState, Timing, poll
from hw.debounce import LEAST_POLLS, DebouncedLine, step
from tests.contact_trains import MS, bursts, presses

COUNT = 10_000


def test_every_bouncing_press_is_one_press() -> None:
    found = presses(COUNT)
    assert found.made == Counter({"pedal press": COUNT})
    assert found.alerts == 0


def test_no_burst_of_electrosurgery_is_a_press() -> None:
    found = bursts(COUNT)
    assert found.made == Counter()
    assert found.alerts == 0


def test_two_wires_lose_no_press_invent_none_and_are_no_fault_in_noise() -> None:
    pressed, noisy = presses(COUNT // 10, definition="sim-two-wire"), bursts(COUNT // 10, definition="sim-two-wire")
    assert pressed.made == Counter({"pedal press": COUNT // 10})
    assert noisy.made == Counter()
    assert pressed.alerts == noisy.alerts == 0


@given(st.lists(st.integers(1, 200), min_size=1, max_size=LEAST_POLLS - 2))
def test_polls_that_come_late_and_each_meet_another_burst_make_no_press(gaps_ms: list[int]) -> None:
    line, now = DebouncedLine(), 1_000 * MS
    for _ in range(10):
        line, _ = step(line, False, now, 20 * MS)
        now += 5 * MS
    for gap_ms in [0, *gaps_ms]:
        now += gap_ms * MS
        line, edge = step(line, True, now, 20 * MS)
        assert edge is None
    line, edge = step(line, False, now + 5 * MS, 20 * MS)
    assert edge is None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 15)), max_size=60))
def test_noise_makes_no_gesture_on_any_line_whatever_it_means(levels: list[tuple[bool, int]]) -> None:
    """Each level lasts at most 15 ms, as a burst does, and a rest comes in between."""
    timings = {"hold": Timing(), "double": Timing(double_ns=400 * MS), "at-once": Timing(hold_ns=0)}
    state, now = ControlsState(), 1_000 * MS
    for closed, length_ms in [(False, 200), *[part for level in levels for part in (level, (False, 30))]]:
        end = now + length_ms * MS
        while now < end:
            state, made = poll(state, dict.fromkeys(timings, closed), now, timings)
            assert made == []
            now += 4 * MS
