"""Key events to levels: no press is lost however late the poll, none is invented, and the last level is true."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hw.key_levels import LATE_NS, MAX_WAITING, PRESSED, RELEASED, KeyLevels
from tests.gestures import Gestures

MS = 1_000_000
KEYS = {48: "pedal", 46: "privacy"}
gaps_ms = st.lists(st.integers(1, 300), min_size=1, max_size=24)


def changed(levels: KeyLevels, at_ns: int, value: int, code: int = 48, source: str = "event0") -> None:
    levels.key(source, code, value)
    assert levels.report(source, 0, at_ns)


def polled(levels: KeyLevels, from_ns: int, seconds: float, step_ms: int = 4) -> list[tuple[int, bool]]:
    """The pedal's level at every poll."""
    times = range(from_ns, from_ns + round(seconds * 1e9), step_ms * MS)
    return [(now, levels.read(now)["pedal"]) for now in times]


@given(gaps_ms, st.integers(2, 9))
def test_polled_in_time_the_level_follows_within_one_poll_of_each_change(gaps: list[int], step_ms: int) -> None:
    """Changes that are further apart than the polls: the level is what the key was one poll ago, or what it is now."""
    levels, begin, closed = KeyLevels(KEYS), 10**12, False
    changes = list(itertools.accumulate((max(gap, 3 * step_ms) * MS for gap in gaps), initial=begin + 50 * MS))
    was = False
    for now in range(begin, changes[-1] + 400 * MS, step_ms * MS):
        before = closed
        while changes and changes[0] <= now:
            closed = not closed
            changed(levels, changes.pop(0), PRESSED if closed else RELEASED)
        level = levels.read(now)["pedal"]
        assert level in (closed, before, was)
        was = before
    assert level == closed


@given(st.lists(st.tuples(st.integers(60, 200), st.integers(60, 200)), min_size=1, max_size=4), st.integers(0, 300))
def test_presses_that_wait_for_a_late_poll_all_come_with_their_true_length(
    presses: list[tuple[int, int]], late_ms: int
) -> None:
    levels, at = KeyLevels(KEYS), 10**12
    for held_ms, apart_ms in presses:
        changed(levels, at, PRESSED)
        changed(levels, at + held_ms * MS, RELEASED)
        at += (held_ms + apart_ms) * MS
    gestures = Gestures()
    for now in range(10**12 - 200 * MS, 10**12 - 100 * MS, 4 * MS):
        gestures.poll({"pedal": False}, now)
    for now, level in polled(levels, at + late_ms * MS, 4.0):
        gestures.poll({"pedal": level}, now)
    assert gestures.made == [("pedal", "press")] * len(presses)


@given(st.lists(st.integers(1, 15), min_size=2, max_size=40).filter(lambda bursts: len(bursts) % 2 == 0))
def test_bursts_of_interference_stay_bursts(spacings_ms: list[int]) -> None:
    """Even read late: what was closed for at most 15 ms is not shown for the 20 ms that make a press."""
    levels, at = KeyLevels(KEYS), 10**12
    gestures = Gestures()
    for now, level in polled(levels, at - 100 * MS, 0.09):
        gestures.poll({"pedal": level}, now)
    for index, spacing in enumerate(spacings_ms):
        at += spacing * MS
        changed(levels, at, PRESSED if index % 2 == 0 else RELEASED)
    for now, level in polled(levels, at, 1.0):
        gestures.poll({"pedal": level}, now)
    assert gestures.made == []
    assert level is False


@given(st.integers(1, 3 * MAX_WAITING), st.integers(0, 5000))
def test_the_last_level_is_true_however_many_changes_wait_and_however_old(changes: int, late_ms: int) -> None:
    levels, at = KeyLevels(KEYS), 10**12
    for index in range(changes):
        at += MS
        changed(levels, at, PRESSED if index % 2 == 0 else RELEASED)
    seen = polled(levels, at + late_ms * MS, 3 * LATE_NS / 1e9)
    assert seen[-1][1] == (changes % 2 == 1)


def test_a_change_older_than_the_limit_is_not_played_out() -> None:
    levels, at = KeyLevels(KEYS), 10**12
    changed(levels, at, PRESSED)
    changed(levels, at + 100 * MS, RELEASED)
    assert not any(level for _, level in polled(levels, at + LATE_NS + MS, 1.0))


def test_a_stroke_without_length_is_shown_to_one_poll() -> None:
    levels, at = KeyLevels(KEYS), 10**12
    changed(levels, at, PRESSED)
    changed(levels, at, RELEASED)
    assert [level for _, level in polled(levels, at, 0.02)] == [True, False, False, False, False]


def test_autorepeat_and_foreign_keys_change_nothing() -> None:
    levels = KeyLevels(KEYS)
    for code, value in ((48, 2), (30, PRESSED), (30, RELEASED)):
        changed(levels, 10**12, value, code)
    assert levels.read(10**12 + MS) == {"pedal": False, "privacy": False}


def test_keys_that_the_kernel_lets_go_are_told_and_change_nothing() -> None:
    levels, at = KeyLevels(KEYS), 10**12
    changed(levels, at, PRESSED)
    assert levels.read(at) == {"pedal": True, "privacy": False}
    levels.key("event0", 48, RELEASED)
    assert not levels.report("event0", 1, at + MS)
    assert levels.read(at + 2 * MS)["pedal"] is True
    levels.key("event0", 48, 2)
    assert levels.report("event0", 1, at + 3 * MS), "autorepeat is the kernel's too, and lets nothing go"


def test_a_key_on_any_of_the_pedals_devices_closes_its_role() -> None:
    levels, at = KeyLevels(KEYS), 10**12
    levels.begin("event0", set())
    levels.begin("event1", {48, 30})
    assert levels.read(at)["pedal"] is True, "held while plugged in is a level at once"
    changed(levels, at + 10 * MS, PRESSED, source="event0")
    changed(levels, at + 20 * MS, RELEASED, source="event1")
    assert levels.read(at + 30 * MS)["pedal"] is True
    changed(levels, at + 40 * MS, RELEASED, source="event0")
    assert levels.read(at + 50 * MS)["pedal"] is False
