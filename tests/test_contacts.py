"""Two-wire contacts: what a sound cable shows is never a fault, what a broken one shows always is, within its bound."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw import debounce
from hw.contacts import MOST_SEEN_NS, SETTLE_NS, TRANSIT_NS, ContactState, ContactWatch, Wires, step
from hw.debounce import DebouncedLine
from hw.ports import PedalLost

MS = 1_000_000
RELEASED, PRESSED, NEITHER, BOTH = Wires(False, True), Wires(True, False), Wires(False, False), Wires(True, True)
ANY = [RELEASED, PRESSED, NEITHER, BOTH]
polls_ms = st.integers(2, 5)


def run(state: ContactState, readings: Iterable[tuple[Wires | None, int]], now_ns: int = 0) -> list[ContactState]:
    """The states after each (wires, ms since the poll before)."""
    states = []
    for wires, after_ms in readings:
        now_ns += after_ms * MS
        state = step(state, wires, now_ns)
        states.append(state)
    return states


def steady(wires: Wires | None, ms: int, every_ms: int = 4) -> list[tuple[Wires | None, int]]:
    return [(wires, every_ms)] * (ms // every_ms + 1)


AT_REST = run(ContactState(), steady(RELEASED, 100))[-1]


@st.composite
def strokes(draw: st.DrawFn) -> tuple[list[tuple[Wires | None, int]], int]:
    """Presses as a sound two-wire contact makes them: each side chatters, between them it travels. And their number."""
    readings: list[tuple[Wires | None, int]] = []
    presses = draw(st.integers(1, 3))
    for _ in range(presses):
        for leaves, arrives in ((RELEASED, PRESSED), (PRESSED, RELEASED)):
            chatter = st.lists(st.tuples(st.sampled_from([leaves, NEITHER]), polls_ms), max_size=4)
            readings += draw(chatter)
            readings += steady(NEITHER, draw(st.integers(0, 700)), every_ms=5)
            readings += draw(st.lists(st.tuples(st.sampled_from([arrives, NEITHER]), polls_ms), max_size=4))
            readings += steady(arrives, draw(st.integers(SETTLE_NS // MS + 5, 300)))
    return readings, presses


@given(strokes())
def test_a_sound_contact_is_never_a_fault_and_every_press_shows_exactly_once(
    made: tuple[list[tuple[Wires | None, int]], int],
) -> None:
    readings, presses = made
    states = run(AT_REST, readings, now_ns=AT_REST.seen_ns or 0)
    assert [state.fault for state in states if state.fault] == []
    line, edges = DebouncedLine(), []
    for state in [*run(ContactState(), steady(RELEASED, 40)), *states]:
        line, edge = debounce.step(line, state.pressed, (state.seen_ns or 0), SETTLE_NS)
        edges += [edge.closed] if edge else []
    assert edges == [True, False] * presses


@given(st.sampled_from([(NEITHER, "cut"), (BOTH, "crushed")]), st.booleans(), polls_ms)
def test_a_cable_that_breaks_at_any_position_is_named_within_its_bound(
    broken: tuple[Wires, str], pressed: bool, every_ms: int
) -> None:
    before = run(AT_REST, steady(PRESSED if pressed else RELEASED, 100), AT_REST.seen_ns or 0)[-1]
    start_ns = before.seen_ns or 0
    states = run(before, steady(broken[0], 1500, every_ms), start_ns)
    named = next(state for state in states if state.fault)
    assert named.fault == broken[1]
    assert 0 <= (named.seen_ns or 0) - start_ns - TRANSIT_NS <= 2 * every_ms * MS
    assert not any(state.pressed for state in states), "a broken cable neither presses nor holds"


@given(st.lists(st.tuples(st.sampled_from(ANY), st.integers(2, SETTLE_NS // MS - 1)), min_size=1))
def test_a_loose_plug_that_never_settles_is_named_too(flutter: list[tuple[Wires, int]]) -> None:
    loose: list[tuple[Wires | None, int]] = [(NEITHER, 4)]
    while sum(ms for _, ms in loose) < 2 * TRANSIT_NS // MS:
        for wires, ms in flutter:
            loose += [(wires, ms), (NEITHER, 4)]
    assert any(state.fault for state in run(AT_REST, loose, AT_REST.seen_ns or 0))


@given(st.sampled_from([(NEITHER, "cut"), (BOTH, "crushed")]),
       st.lists(st.tuples(st.sampled_from(ANY), st.integers(2, SETTLE_NS // MS - 1)), max_size=40))
def test_a_broken_cable_keeps_its_name_in_noise(broken: tuple[Wires, str], noise: list[tuple[Wires, int]]) -> None:
    lost = run(AT_REST, steady(broken[0], 1200), AT_REST.seen_ns or 0)[-1]
    noisy = [part for wires, ms in noise for part in ((wires, ms), (broken[0], 4))]
    assert {state.fault for state in run(lost, noisy, lost.seen_ns or 0)} <= {broken[1]}


@given(st.sampled_from([NEITHER, BOTH, None]), st.lists(st.tuples(st.sampled_from(ANY), polls_ms), max_size=40),
       polls_ms)
def test_a_fault_heals_by_itself_and_only_at_rest(
    broken: Wires | None, after: list[tuple[Wires, int]], every_ms: int
) -> None:
    lost = run(AT_REST, steady(broken, 1200), AT_REST.seen_ns or 0)[-1]
    assert lost.fault is not None
    pressed = run(lost, steady(PRESSED, 3000), lost.seen_ns or 0)
    assert all(state.fault for state in pressed), "a pressed contact does not show that the NC wire is whole"
    later = run(lost, after, lost.seen_ns or 0)
    end = later[-1] if later else lost
    healed = run(end, steady(RELEASED, SETTLE_NS // MS + 2 * every_ms, every_ms), end.seen_ns or 0)[-1]
    assert healed.fault is None
    assert not healed.pressed


@given(st.lists(st.tuples(st.sampled_from([*ANY, None]), st.integers(1, 5000))))
def test_no_fault_is_invented_in_gaps_that_nobody_saw(readings: list[tuple[Wires | None, int]]) -> None:
    """However late polls come, a wiring fault takes as many polls as fit its bound at MOST_SEEN_NS each."""
    doubtful, state, now_ns = 0, AT_REST, AT_REST.seen_ns or 0
    for wires, after_ms in readings:
        now_ns += after_ms * MS
        before, state = state, step(state, wires, now_ns)
        doubtful = doubtful + 1 if state.doubt_ns or wires in (NEITHER, BOTH) else 0
        if state.fault in ("cut", "crushed") and before.fault is None:
            assert doubtful * MOST_SEEN_NS >= TRANSIT_NS


@given(st.lists(st.tuples(st.booleans(), polls_ms)))
def test_one_wire_shows_its_level_and_knows_no_cut(readings: list[tuple[bool, int]]) -> None:
    states = run(ContactState(), [(Wires(level), ms) for level, ms in readings])
    assert [state.pressed for state in states] == [level for level, _ in readings]
    assert not any(state.fault for state in states)


def test_a_line_that_cannot_be_read_is_named_at_once_and_heals_also_when_pressed_on_one_wire() -> None:
    watch = ContactWatch()
    assert watch.levels({"pedal": Wires(False), "privacy": Wires(True)}, 0) == {"pedal": False, "privacy": True}
    with pytest.raises(PedalLost, match="the pedal is unplugged, or its line cannot be read") as caught:
        watch.levels({"pedal": None, "privacy": Wires(False)}, 4 * MS)
    assert (caught.value.faults, caught.value.others) == ({"pedal": "unplugged"}, {"privacy": False})
    for ms in range(8, 8 + SETTLE_NS // MS, 4):
        with pytest.raises(PedalLost):
            watch.levels({"pedal": Wires(True), "privacy": Wires(False)}, ms * MS)
    assert watch.levels({"pedal": Wires(True), "privacy": Wires(False)}, 40 * MS) == {"pedal": True, "privacy": False}


def test_two_faults_at_once_are_both_told() -> None:
    watch, broken = ContactWatch(), {"pedal": NEITHER, "privacy": BOTH, "power_fail": Wires(False)}
    for ms in range(0, TRANSIT_NS // MS, 4):
        watch.levels(broken, ms * MS)
    with pytest.raises(PedalLost, match=r"the pedal cable is cut .*; the privacy cable is crushed") as caught:
        watch.levels(broken, TRANSIT_NS + 4 * MS)
    assert caught.value.faults == {"pedal": "cut", "privacy": "crushed"}
    assert caught.value.others == {"power_fail": False}
