"""What gestures mean, for the site and for each surgeon; which mappings are refused; the light that answers a foot."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Action, Controls, SurgeonControls
from firmware.config_file import load
from firmware.controls_rules import broken_controls
from firmware.errors import ConfigError
from firmware.recorder import machine_types as t
from firmware.recorder.controls import ControlsState, Gesture, Timing, at_rest, poll, touched
from firmware.recorder.lamps import Lamps, turned
from firmware.recorder.looks import LOOKS
from firmware.recorder.mapping import MEANT, mappings
from firmware.recorder.pedal_desk import Made, PedalDesk
from hw.light_patterns import lit_at
from hw.ports import LightPattern, PedalLost
from hw.sim.board import SimBoard

MS = 1_000_000
SETTINGS = [f"{line}_{kind}" for line, kind in MEANT]
actions = st.sampled_from(get_args(Action))
own_actions = st.sampled_from(["", *get_args(Action)])
controls_of = st.builds(
    Controls, **dict.fromkeys(SETTINGS, actions), privacy_by=st.sampled_from(["hand", "foot"]),
    surgeons=st.lists(st.builds(SurgeonControls, id=st.sampled_from(["kim", "sam"]), **dict.fromkeys(
        SETTINGS, own_actions)), max_size=2, unique_by=lambda one: one.id),
)


@given(controls_of)
def test_no_mapping_passes_that_leaves_no_way_to_stop_by_foot(controls: Controls) -> None:
    stops = ("stop", "start-or-stop")
    lines = ("pedal", "privacy") if controls.privacy_by == "foot" else ("pedal",)
    without = [
        name for name, mapping in mappings(controls).items()
        if not any(action in stops and line in lines for (line, _), action in mapping.actions.items())
    ]
    told = list(broken_controls(controls))
    assert len(told) == len(without)
    assert all("no way to stop by foot" in one.text for one in told)


@given(controls_of)
def test_what_a_surgeon_does_not_say_is_the_sites(controls: Controls) -> None:
    found = mappings(controls)
    for own in controls.surgeons:
        for line, kind in MEANT:
            setting = f"{line}_{kind}"
            assert found[own.id].actions[line, kind] == (getattr(own, setting) or getattr(controls, setting))
    for mapping in found.values():
        for line, timing in mapping.timing.items():
            assert bool(timing.hold_ns) == (mapping.actions[line, "hold"] != "none")
            assert bool(timing.double_ns) == (mapping.actions[line, "double"] != "none")


@pytest.mark.parametrize(("text", "told"), [
    ('[controls]\npedal_hold = "none"', "no way to stop by foot"),
    ('[controls]\npedal_hold = "none"\nprivacy_hold = "stop"', "no way to stop by foot"),
    ('[[controls.surgeons]]\nid = "kim"\npedal_hold = "bookmark"', "no way to stop by foot"),
    ('[[controls.surgeons]]\nid = "kim"\n[[controls.surgeons]]\nid = "kim"', "there twice"),
    ('[[controls.surgeons]]\nid = "Dr. Kim"', "id"),
    ('[[controls.surgeons]]\nid = "kim"\ndebounce_s = 0.005', "at least 0.016 s"),
    ('[[controls.surgeons]]\nid = "kim"\nhold_stop_s = 2.5\n[controls]\nstuck_s = 2.5', "stuck"),
    ("[controls]\ndebounce_s = 0.01", "0.016"),
    ('[sounder]\nquiet_from = "22:00"', "a beginning and an end"),
    ('[sounder]\nquiet_from = "22:00"\nquiet_to = "22:00"', "the same time twice"),
    ('[sounder]\nquiet_from = "22:00"\nquiet_to = "24:00"', "quiet_to"),
    ('[sounder]\nquiet_from = "22:00"\nquiet_to = "06:00"\nvolume_percent = 10', "louder"),
    ("[sounder]\nwarning_volume_percent = 0", "10 to 100"),
])
def test_a_mapping_or_a_volume_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "scrubcam.toml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError, match=told):
        load(path)


def test_a_left_pedal_that_stops_is_enough_where_it_is_a_foot_that_presses_it(tmp_path: Path) -> None:
    path = tmp_path / "scrubcam.toml"
    path.write_text('[controls]\nprivacy_by = "foot"\nprivacy_press = "stop"\npedal_hold = "pause-or-resume"\n')
    assert list(broken_controls(load(path).controls)) == []


# ---- gestures as the lines' meaning wants them ---------------------------------------------------


def play(spans: list[tuple[bool, int]], timing: Timing, line: str = "pedal") -> list[Gesture]:
    """Poll one line through (closed, milliseconds) spans."""
    state, now, made = ControlsState(), 5_000 * MS, []
    for closed, length_ms in spans:
        end = now + length_ms * MS
        while now < end:
            state, gestures = poll(state, {line: closed}, now, {line: timing})
            made += gestures
            now += 4 * MS
    return made


@given(st.integers(60, 9_000))
def test_a_line_without_hold_and_double_press_acts_when_it_closes_however_long_it_is_held(held_ms: int) -> None:
    (made,) = play([(False, 100), (True, held_ms), (False, 100)], Timing(hold_ns=0))
    assert made.kind == "press"
    assert made.at_ns - made.closed_ns <= 24 * MS


@given(st.integers(60, 9_000))
def test_a_line_without_hold_that_knows_double_presses_reads_any_length_as_a_press(held_ms: int) -> None:
    made = play([(False, 100), (True, held_ms), (False, 800)], Timing(hold_ns=0, double_ns=400 * MS))
    assert [one.kind for one in made] == ["press"]


def test_a_stuck_line_is_no_press_when_it_comes_free() -> None:
    for timing in (Timing(hold_ns=0, double_ns=400 * MS), Timing()):
        kinds = [one.kind for one in play([(False, 100), (True, 11_000), (False, 800)], timing)]
        assert kinds[-2:] == ["stuck", "unstuck"]
        assert "press" not in kinds


@given(st.lists(st.tuples(st.integers(60, 700), st.integers(60, 900)), min_size=1, max_size=6))
def test_every_press_is_in_one_gesture_and_carries_the_time_its_contact_closed(taps: list[tuple[int, int]]) -> None:
    spans, closings, at = [(False, 100)], [], 100
    for held_ms, rest_ms in taps:
        closings.append((5_000 + at) * MS)
        spans += [(True, held_ms - held_ms % 4), (False, rest_ms - rest_ms % 4)]  # whole polls: a test's own clock
        at += held_ms - held_ms % 4 + rest_ms - rest_ms % 4
    made = play([*spans, (False, 1000)], Timing(double_ns=400 * MS))
    assert sum(2 if one.kind == "double" else 1 for one in made) == len(taps)
    for one in made:
        assert min(abs(one.closed_ns - closing) for closing in closings) <= 4 * MS


def test_at_rest_between_gestures_only() -> None:
    timing = {"pedal": Timing(double_ns=400 * MS)}
    state, now, seen = ControlsState(), 5_000 * MS, []
    for closed, length_ms in [(False, 100), (True, 100), (False, 200), (False, 500), (True, 900), (True, 100)]:
        end = now + length_ms * MS
        while now < end:
            state, _ = poll(state, {"pedal": closed}, now, timing)
            now += 4 * MS
        seen.append(at_rest(state))
    assert seen == [True, False, False, True, True, True], "a press waits for its double; a hold that was told is over"


# ---- the light that answers ----------------------------------------------------------------------


class Remembering:
    """Two lamps; a lamp shows its pattern from the moment it was told to."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, LightPattern]] = []

    def show(self, light: str, pattern: LightPattern) -> None:
        self.shown.append((light, pattern))

    def tone(self, tone: str, volume_percent: int) -> None:
        raise AssertionError("lamps make no sound")

    def problem(self) -> str:
        return ""

    def close(self) -> None: ...


@given(st.sampled_from(sorted(LOOKS)), st.integers(0, 20_000))
def test_a_contact_that_closes_turns_the_ready_light_over_and_leaves_the_record_light(look: str, after_ms: int) -> None:
    lights = Remembering()
    lamps = Lamps(lights)
    began_ns = 1_000 * MS
    lamps.show(LOOKS[look], False, began_ns)
    now = began_ns + after_ms * MS
    before = lit_at(LOOKS[look].ready, now - began_ns)
    lights.shown.clear()
    lamps.show(LOOKS[look], True, now)
    wanted: LightPattern = "off" if before else "on"
    assert lights.shown == ([("ready", wanted)] if wanted != LOOKS[look].ready else [])
    assert turned(LOOKS[look].ready, now - began_ns) == wanted
    assert lamps.answered_ns(now - 30 * MS) == now
    assert lamps.answered_ns(now + 1) == 0
    lights.shown.clear()
    lamps.show(LOOKS[look], True, now + 50 * MS)
    assert lights.shown == []
    lamps.show(LOOKS[look], False, now + 100 * MS)
    assert lights.shown == ([("ready", LOOKS[look].ready)] if wanted != LOOKS[look].ready else [])


def test_a_contact_closed_at_boot_is_answered_by_no_light() -> None:
    state, now = ControlsState(), 5_000 * MS
    for closed in [True] * 50 + [False] * 10 + [True] * 10:
        state, _ = poll(state, {"pedal": closed}, now, {"pedal": Timing()})
        now += 4 * MS
        if closed and now < 5_200 * MS:
            assert not touched(state, now)
    assert touched(state, now)


# ---- the desk ------------------------------------------------------------------------------------


class Wires:
    """Pins that say what they are told."""

    def __init__(self) -> None:
        self.levels = {"pedal": False, "privacy": False, "power_fail": True}
        self.problem: PedalLost | None = None

    def read(self) -> dict[str, bool]:
        if self.problem is not None:
            raise self.problem
        return dict(self.levels)

    def close(self) -> None: ...


def read_for(desk: PedalDesk, now: int, length_ms: int, surgeon: str = "") -> tuple[int, list[Made | t.Alerted]]:
    told: list[Made | t.Alerted] = []
    end = now + length_ms * MS
    while now < end:
        told += desk.read(now, surgeon)
        now += 4 * MS
    return now, told


def test_another_surgeons_mapping_waits_until_the_foot_is_up() -> None:
    wires = Wires()
    desk = PedalDesk(Controls(surgeons=[SurgeonControls(id="kim", pedal_press="start-or-stop")]), wires)
    now, _ = read_for(desk, 5_000 * MS, 100)
    wires.levels["pedal"] = True
    now, _ = read_for(desk, now, 100)
    wires.levels["pedal"] = False
    now, (first,) = read_for(desk, now, 100, "kim")
    wires.levels["pedal"] = True
    now, _ = read_for(desk, now, 100, "kim")
    wires.levels["pedal"] = False
    now, (second,) = read_for(desk, now, 100, "kim")
    assert isinstance(first, Made)
    assert isinstance(second, Made)
    assert (first.action, first.surgeon) == ("start-or-bookmark", "")
    assert (second.action, second.surgeon) == ("start-or-stop", "kim")


def test_beside_a_lost_pedal_the_privacy_button_goes_on_working() -> None:
    wires = Wires()
    desk = PedalDesk(Controls(), wires)
    now, _ = read_for(desk, 5_000 * MS, 100)
    wires.problem = PedalLost("the pedal cable is cut", fault="cut", others={"privacy": False})
    now, told = read_for(desk, now, 100)
    assert told == [t.Alerted("pedal-cut", "the pedal cable is cut")]
    wires.problem = PedalLost("the pedal cable is cut", fault="cut", others={"privacy": True})
    now, told = read_for(desk, now, 100)
    assert [one.action for one in told if isinstance(one, Made)] == ["pause-or-resume"]
    wires.problem = None
    _, told = read_for(desk, now, 100)
    assert told == [t.Alerted("pedal-cut", cleared=True)]


def test_two_pedals_at_once_each_count_for_themselves() -> None:
    wires = Wires()
    desk = PedalDesk(Controls(), wires)
    now, _ = read_for(desk, 5_000 * MS, 100)
    wires.levels |= {"pedal": True, "privacy": True}
    now, told = read_for(desk, now, 200)
    wires.levels |= {"pedal": False, "privacy": False}
    now, more = read_for(desk, now, 200)
    assert [one.action for one in (*told, *more) if isinstance(one, Made)] == ["pause-or-resume", "start-or-bookmark"]


def test_a_power_fail_line_is_nobodys_pedal() -> None:
    desk = PedalDesk(Controls(stuck_s=2), Wires())
    _, told = read_for(desk, 5_000 * MS, 3_000)
    assert told == []


def test_a_board_drives_the_desk() -> None:
    board = SimBoard(seed=3)
    assert PedalDesk(Controls(), board).read(1_000 * MS, "") == []
    board.close()
