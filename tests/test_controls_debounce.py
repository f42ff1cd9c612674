"""Debounce and gestures: bounce trains, late polls, stuck and unplugged lines."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware.recorder import controls
from firmware.recorder.controls import ControlsState, Gesture, Timing
from hw.debounce import DebouncedLine, step

MS = 1_000_000
TIMING = Timing()


def bouncing(level: bool, bounces_ms: list[int], length_ms: int) -> list[tuple[bool, int]]:
    """A contact that goes to `level`, bounces, and then stays for `length_ms`."""
    toggles = [(level if index % 2 == 0 else not level, ms) for index, ms in enumerate(bounces_ms)]
    return [*toggles, (level, length_ms)]


def play(spans: list[tuple[bool, int]], poll_ms: int = 4, timing: Timing = TIMING) -> list[Gesture]:
    """Poll a pedal through (closed, milliseconds) spans and collect what it was read as."""
    ends = list(itertools.accumulate(ms for _, ms in spans))
    state, made, start = ControlsState(), [], 5_000
    for at in range(0, ends[-1], poll_ms):
        closed = next(level for (level, _), end in zip(spans, ends, strict=True) if at < end)
        state, gestures = controls.poll(state, {"pedal": closed}, (start + at) * MS, {"pedal": timing})
        made += gestures
    return made


def kinds(gestures: list[Gesture]) -> list[str]:
    return [gesture.kind for gesture in gestures]


# A contact bounces for less than the settling time in all; with gaps of its own, polled, it would be a second press.
bounce_trains = (
    st.lists(st.integers(1, 6), max_size=8)
    .map(lambda ms: ms if len(ms) % 2 == 0 else ms[:-1])
    .filter(lambda ms: sum(ms) <= 18)
)


@given(bounce_trains, bounce_trains, st.integers(60, 700), st.integers(2, 5))
def test_a_bouncing_press_is_one_press(down: list[int], up: list[int], held_ms: int, poll_ms: int) -> None:
    spans = [(False, 100), *bouncing(True, down, held_ms), *bouncing(False, up, 200)]
    total = sum(down) + held_ms + sum(up)
    made = kinds(play(spans, poll_ms))
    assert made == ["press"] if total < 780 else made in (["press"], ["hold"])


@given(bounce_trains, bounce_trains, st.integers(900, 3000), st.integers(2, 5))
def test_a_bouncing_hold_is_one_hold_and_no_press(
    down: list[int], up: list[int], held_ms: int, poll_ms: int
) -> None:
    assert kinds(play([(False, 100), *bouncing(True, down, held_ms), *bouncing(False, up, 200)], poll_ms)) == ["hold"]


@given(st.lists(st.integers(1, 18), min_size=1, max_size=30))
def test_spikes_shorter_than_the_settling_time_are_nothing(spikes_ms: list[int]) -> None:
    spans = [(False, 100)]
    for spike in spikes_ms:
        spans += [(True, spike), (False, 40)]
    assert play(spans, poll_ms=3) == []


@given(st.integers(1, 6), st.integers(60, 300), st.integers(60, 300))
def test_as_many_presses_as_were_made(count: int, held_ms: int, between_ms: int) -> None:
    spans = [(False, 100)]
    for _ in range(count):
        spans += [(True, held_ms), (False, between_ms)]
    assert kinds(play(spans)) == ["press"] * count


def test_a_hold_is_told_while_still_held() -> None:
    made = play([(False, 100), (True, 900), (False, 100)])
    assert kinds(made) == ["hold"]
    assert 5_900 <= made[0].at_ns / MS <= 5_910  # closed at 100 ms, hold at 0.8 s


def test_a_stuck_line_is_told_once_and_again_when_free() -> None:
    assert kinds(play([(False, 100), (True, 12_000), (False, 100)])) == ["hold", "stuck", "unstuck"]


def test_a_line_closed_at_boot_makes_no_gesture_until_it_was_open() -> None:
    assert kinds(play([(True, 3000), (False, 100), (True, 100), (False, 100)])) == ["press"]
    assert kinds(play([(True, 12_000), (False, 100)])) == ["stuck", "unstuck"]


def test_double_presses_when_asked_for() -> None:
    timing = Timing(double_ns=400 * MS)
    tap = [(True, 100), (False, 100)]
    assert kinds(play([(False, 100), *tap, *tap, (False, 800)], timing=timing)) == ["double"]
    assert kinds(play([(False, 100), *tap, (False, 800)], timing=timing)) == ["press"]
    assert kinds(play([(False, 100), *tap, *tap, *tap, (False, 800)], timing=timing)) == ["double", "press"]
    assert kinds(play([(False, 100), *tap, (True, 900), (False, 800)], timing=timing)) == ["press", "hold"]


def test_plugging_in_again_makes_no_gesture() -> None:
    state, now = ControlsState(), 5_000 * MS
    for closed in [False] * 20 + [True] * 20:
        state, gestures = controls.poll(state, {"pedal": closed}, now, {"pedal": TIMING})
        assert gestures == []
        now += 4 * MS
    state = controls.lost(state)
    for closed in [True] * 5 + [False] * 20:
        state, gestures = controls.poll(state, {"pedal": closed}, now, {"pedal": TIMING})
        assert gestures == []
        now += 4 * MS


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=60), st.integers(5, 50))
def test_edges_alternate_and_settle_on_what_was_seen(polls: list[tuple[bool, int]], settle_ms: int) -> None:
    line, now, edges = DebouncedLine(), 1_000 * MS, []
    for closed, gap_ms in polls:
        now += gap_ms * MS
        line, edge = step(line, closed, now, settle_ms * MS)
        if edge is not None:
            edges.append(edge)
            assert edge.closed == closed
            assert now - edge.at_ns >= settle_ms * MS
    assert all(a.closed != b.closed and a.at_ns < b.at_ns for a, b in itertools.pairwise(edges))


def test_one_late_poll_of_a_bounce_is_not_a_press() -> None:
    line, settle = DebouncedLine(), 20 * MS
    for at_ms, closed in [(0, False), (30, False), (34, True), (300, False), (330, False)]:
        line, edge = step(line, closed, (1_000 + at_ms) * MS, settle)
        assert edge is None
