"""Lights and tones as data: told apart without colour, by place and rhythm; and how loud a tone is at which hour."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Sounder
from firmware.recorder import controls_docs
from firmware.recorder.fault_groups import GROUPS, fault_number
from firmware.recorder.looks import LOOKS
from firmware.recorder.sounder import WARNS, in_quiet_hours, minutes, volume_percent
from hw.light_patterns import PATTERNS, lit_at, period_s
from hw.ports import LightPattern, ToneName
from hw.tones import TONES, frequency_at, length_s

MOST_SHORT_S, LEAST_LONG_S = 0.3, 0.6
S = 1_000_000_000

Rhythm = tuple[tuple[bool, str], ...]


def rhythm(pattern: LightPattern) -> Rhythm:
    """What somebody sees who looks at any moment: lit and dark, short and long, from wherever the round is begun."""
    steps = PATTERNS[pattern]
    if len(steps) == 1:
        return ((steps[0][0], "steady"),)
    seen = [(lit, "short" if seconds <= MOST_SHORT_S else "long") for lit, seconds in steps]
    return min(tuple(seen[turn:] + seen[:turn]) for turn in range(len(seen)))


@pytest.mark.parametrize("pattern", get_args(LightPattern))
def test_a_pattern_alternates_in_steps_that_are_clearly_short_or_clearly_long(pattern: LightPattern) -> None:
    steps = PATTERNS[pattern]
    for (lit, _), (next_lit, _) in itertools.pairwise((*steps, steps[0])):
        assert lit != next_lit or len(steps) == 1
    for _, seconds in steps:
        assert 0.1 <= seconds <= MOST_SHORT_S or seconds >= LEAST_LONG_S


@pytest.mark.parametrize("pattern", get_args(LightPattern))
def test_no_more_than_three_flashes_in_any_second(pattern: LightPattern) -> None:
    starts, at = [], 0.0
    for lit, seconds in PATTERNS[pattern] * 8:
        starts += [at] if lit and len(PATTERNS[pattern]) > 1 else []
        at += seconds
    for begin in starts:
        assert sum(begin <= other < begin + 1.0 - 1e-9 for other in starts) <= 3


@given(st.sampled_from(get_args(LightPattern)), st.floats(0, 60))
def test_a_pattern_repeats_for_ever_as_its_steps_say(pattern: LightPattern, at_s: float) -> None:
    at_ns = round(at_s * S)
    assert lit_at(pattern, at_ns) == lit_at(pattern, at_ns + round(period_s(pattern) * S))
    assert lit_at(pattern, 0) == PATTERNS[pattern][0][0]


def test_no_two_looks_are_the_same_to_somebody_who_sees_no_colour() -> None:
    seen = {name: (rhythm(look.ready), rhythm(look.record)) for name, look in LOOKS.items()}
    for (one, its), (other, theirs) in itertools.combinations(seen.items(), 2):
        assert its != theirs, f"{one} looks like {other}"


def test_the_record_light_is_steady_in_recording_alone() -> None:
    assert {name for name, look in LOOKS.items() if look.record == "on"} == {
        "recording", "recording-marked", "recording-warning", "recording-refused"
    }
    assert all(look.record == "off" for name, look in LOOKS.items() if not name.startswith(
        ("recording", "paused", "interrupted")))


@pytest.mark.parametrize("number", GROUPS)
def test_the_short_flashes_after_the_long_one_are_the_faults_number(number: int) -> None:
    steps = PATTERNS[f"fault-{number}"]  # type: ignore[index]
    flashes = [seconds for lit, seconds in steps if lit]
    assert flashes[0] >= LEAST_LONG_S
    assert len(flashes[1:]) == number
    assert max(flashes[1:]) <= MOST_SHORT_S


def test_each_code_has_one_number_and_an_unknown_one_is_the_last() -> None:
    codes = [code for group in GROUPS.values() for code in group.codes]
    assert len(codes) == len(set(codes))
    assert fault_number("disk: nothing was stored in time") == 1
    assert fault_number("pipeline: no picture after restart") == 2
    assert fault_number("key: the device key cannot be read") == 3
    assert fault_number("part-missing: no pins") == 4
    assert fault_number("selftest: not done in time") == fault_number("") == fault_number("no colon at all") == 5


# ---- tones ---------------------------------------------------------------------------------------


def sounds(tone: ToneName) -> tuple[str, ...]:
    """The rhythm: what an on-off sounder of one pitch still tells."""
    return tuple("short" if step.seconds < 0.2 else "long" for step in TONES[tone] if step.frequency_hz)


def test_tones_differ_by_rhythm_alone() -> None:
    heard = [sounds(tone) for tone in get_args(ToneName)]
    assert len(set(heard)) == len(heard)


@pytest.mark.parametrize("tone", get_args(ToneName))
def test_a_tone_is_short_has_sound_between_silences_and_ends(tone: ToneName) -> None:
    assert length_s(tone) <= 1.5
    assert [bool(step.frequency_hz) for step in TONES[tone]] == [n % 2 == 0 for n in range(len(TONES[tone]))]
    assert frequency_at(tone, 0) == TONES[tone][0].frequency_hz
    assert frequency_at(tone, round(length_s(tone) * S)) == 0
    assert {frequency_at(tone, at * S // 100) for at in range(150)} == {
        0, *(step.frequency_hz for step in TONES[tone])}


# ---- volume --------------------------------------------------------------------------------------

times = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
percents = st.integers(0, 100)
sounders = st.builds(
    Sounder, volume_percent=percents, quiet_from=times, quiet_to=times, quiet_volume_percent=percents,
    warnings=st.sampled_from(["always-heard", "may-be-silent"]), warning_volume_percent=st.integers(10, 100),
)
minutes_of_day = st.integers(0, 1439)


@given(sounders, minutes_of_day, st.sampled_from(get_args(ToneName)))
def test_a_volume_is_one_of_those_configured(sounder: Sounder, minute: int, tone: ToneName) -> None:
    volume = volume_percent(tone, sounder, minute)
    assert volume in (sounder.volume_percent, sounder.quiet_volume_percent, sounder.warning_volume_percent)
    if tone not in WARNS or sounder.warnings == "may-be-silent":
        quiet = in_quiet_hours(sounder, minute)
        assert volume == (sounder.quiet_volume_percent if quiet else sounder.volume_percent)


@given(sounders, minutes_of_day, st.sampled_from(sorted(WARNS)))
def test_what_warns_is_heard_unless_the_site_says_otherwise(sounder: Sounder, minute: int, tone: ToneName) -> None:
    if sounder.warnings == "always-heard":
        assert volume_percent(tone, sounder, minute) >= sounder.warning_volume_percent > 0


@given(times, times)
def test_quiet_hours_are_as_long_as_from_one_time_to_the_other_over_midnight_too(begin: str, end: str) -> None:
    sounder = Sounder(quiet_from=begin, quiet_to=end)
    quiet = [minute for minute in range(1440) if in_quiet_hours(sounder, minute)]
    assert len(quiet) == (minutes(end) - minutes(begin)) % 1440
    if begin != end:
        assert in_quiet_hours(sounder, minutes(begin))
        assert not in_quiet_hours(sounder, minutes(end))


@given(minutes_of_day)
def test_without_quiet_hours_no_hour_is_quiet(minute: int) -> None:
    assert volume_percent("start", Sounder(quiet_volume_percent=1), minute) == Sounder().volume_percent


# ---- the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "table"), controls_docs.tables().items())
def test_the_page_shows_what_the_recorder_goes_by(name: str, table: str) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "controls.md").read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n{table}" in page, "run python -m firmware.recorder.controls_docs and put its tables there"
