"""The power-fail input: read, ridden out, acted on once. Pure parts by any waveform; the state machine by any order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware.recorder import machine
from firmware.recorder import machine_types as t
from firmware.recorder.mains_watch import BACK_NS, SETTLE_NS, MainsWatch
from tests.recorder_helpers import CONSENT

POLL_NS = 4_000_000
RIDE_NS = t.SECOND
SLACK_NS = 3 * POLL_NS

segments = st.lists(st.tuples(st.booleans(), st.integers(0, 5 * t.SECOND)), min_size=1, max_size=12)


def told(waveform: list[tuple[bool, int]], ride_ns: int = RIDE_NS) -> list[tuple[int, object]]:
    """Every event with its time, for pieces of (asserted, how long), polled as the recorder polls."""
    watch, now, events = MainsWatch(ride_ns), t.SECOND, []
    for asserted, length_ns in [(False, t.SECOND), *waveform]:
        end = now + length_ns
        while now < end:
            events += [(now, event) for event in watch.poll(asserted, now)]
            now += POLL_NS
    return events


@given(segments)
def test_any_waveform_gives_lost_then_at_most_one_ending_then_back(waveform: list[tuple[bool, int]]) -> None:
    kinds = [type(event) for _, event in told(waveform)]
    for before, after in pairwise([t.MainsBack, *kinds]):
        assert after in {
            t.MainsBack: (t.MainsLost,), t.MainsLost: (t.HoldUpEnding, t.MainsBack), t.HoldUpEnding: (t.MainsBack,),
        }[before]


@given(st.lists(st.tuples(st.booleans(), st.integers(50_000_000, 5 * t.SECOND)), min_size=1, max_size=12))
def test_the_hold_up_is_kept_for_sealing_after_just_the_time_without_mains_that_was_allowed(
    waveform: list[tuple[bool, int]],
) -> None:
    """Whatever the flicker: to the debounce and a few polls for each change."""
    pieces, now = [], t.SECOND
    for asserted, length_ns in [(False, t.SECOND), *waveform]:
        end = now + -(-length_ns // POLL_NS) * POLL_NS
        pieces.append((now, end, asserted))
        now = end
    for (lost_ns, lost), (at_ns, ending) in pairwise(told(waveform)):
        if isinstance(lost, t.MainsLost) and isinstance(ending, t.HoldUpEnding):
            gone = [min(end, at_ns) - max(begin, lost_ns - SETTLE_NS - SLACK_NS) for begin, end, asserted in pieces
                    if asserted and begin < at_ns and end > lost_ns - SETTLE_NS]
            assert abs(sum(gone) - RIDE_NS) <= len(gone) * (SETTLE_NS + SLACK_NS)


def test_a_bounce_is_nothing_a_dip_is_told_and_ridden_out_a_failure_ends_it() -> None:
    assert told([(True, SETTLE_NS // 2), (False, t.SECOND)]) == []
    dip = told([(True, 300_000_000), (False, 10 * t.SECOND)])
    assert [type(event) for _, event in dip] == [t.MainsLost, t.MainsBack]
    assert dip[1][0] - dip[0][0] >= BACK_NS
    ((lost_ns, _), (ending_ns, ending)) = told([(True, 5 * t.SECOND)])
    assert isinstance(ending, t.HoldUpEnding)
    assert RIDE_NS - SETTLE_NS - SLACK_NS <= ending_ns - lost_ns <= RIDE_NS


def test_a_flickering_supply_uses_up_the_ride_through() -> None:
    """Off for 0.3 s, on for 1 s, again and again: each alone is a dip, together they empty the store."""
    flicker = [(True, 300_000_000), (False, t.SECOND)] * 5
    assert [type(event) for _, event in told(flicker)] == [t.MainsLost, t.HoldUpEnding]
    calm = [(True, 300_000_000), (False, 4 * t.SECOND)] * 5
    assert [type(event) for _, event in told(calm)] == [t.MainsLost, t.MainsBack] * 5


def test_at_once_when_nothing_is_ridden_through_and_nothing_for_an_input_that_is_not_wired() -> None:
    ((lost_ns, _), (ending_ns, _)) = told([(True, t.SECOND)], ride_ns=0)
    assert lost_ns == ending_ns
    assert list(MainsWatch(0).poll(None, t.SECOND)) == []


def test_an_input_that_cannot_be_read_for_a_while_changes_nothing() -> None:
    watch = MainsWatch(RIDE_NS)
    for n in range(20):
        events = list(watch.poll(True, t.SECOND + n * POLL_NS))
        if events:
            break
    assert isinstance(events[0], t.MainsLost)
    assert list(watch.poll(None, 10 * t.SECOND)) == []
    assert list(watch.poll(True, 10 * t.SECOND + POLL_NS)) == [], "the time in which nothing was known does not count"


def in_state(name: str) -> t.MachineState:
    """A machine in READY, STARTING (opened or not), RECORDING."""
    now = t.SECOND
    state = machine.initial(t.Rules(), now)
    steps: list[t.MachineEvent] = [t.BootDone(), t.SelfTested(), t.Recovered()]
    if name != "STARTING":
        steps.append(t.PipelineUp())
    for event in steps:
        state, _ = machine.step(state, event, now)
    state, _ = machine.step(state, t.Asked(_command("consent"), "id0"), now)
    if name == "READY":
        return state
    state, _ = machine.step(state, t.Pressed("start-or-bookmark", "id1"), now)
    if name == "RECORDING":
        state, _ = machine.step(state, t.Durable("id1", 1), now)
    assert state.name == name
    return state


def _command(verb: str):  # type: ignore[no-untyped-def]
    from firmware.messages import Command

    return Command("c", verb, consent=CONSENT if verb == "consent" else None)  # type: ignore[arg-type]


def kinds(effects: list[t.Effect]) -> list[str]:
    return [effect.kind for effect in effects if isinstance(effect, t.Journal)]


def test_a_recording_goes_on_at_the_loss_and_is_sealed_once_when_the_hold_up_ends() -> None:
    state, effects = machine.step(in_state("RECORDING"), t.MainsLost(), 2 * t.SECOND)
    assert (state.name, kinds(effects)) == ("RECORDING", ["alert"])
    assert "power-fail" in state.alerts
    state, effects = machine.step(state, t.HoldUpEnding(), 3 * t.SECOND)
    assert state.name == "STOPPING"
    assert t.SealRecording("id1", "power-fail") in effects
    state, effects = machine.step(state, t.HoldUpEnding(), 3 * t.SECOND)
    assert not [effect for effect in effects if isinstance(effect, t.SealRecording)], "stopped twice"
    state, _ = machine.step(state, t.Sealed("id1", 100), 3 * t.SECOND)
    assert state.name == "READY"
    state, effects = machine.step(state, t.MainsBack(), 5 * t.SECOND)
    assert (state.name, state.mains_lost, kinds(effects)) == ("READY", False, ["alert-cleared"])


def test_mains_that_come_back_while_it_is_sealed_change_nothing_but_the_next_start() -> None:
    state = in_state("RECORDING")
    for event in (t.MainsLost(), t.HoldUpEnding(), t.MainsBack()):
        state, _ = machine.step(state, event, 3 * t.SECOND)
    assert state.name == "STOPPING"
    state, _ = machine.step(state, t.Sealed("id1", 100), 3 * t.SECOND)
    assert (state.name, machine.may_tidy(state)) == ("READY", True)


def test_without_mains_nothing_begins_and_nothing_is_deleted() -> None:
    state, _ = machine.step(in_state("READY"), t.MainsLost(), 2 * t.SECOND)
    assert not machine.may_tidy(state)
    state, effects = machine.step(state, t.Pressed("start-or-bookmark", "id2"), 2 * t.SECOND)
    assert state.name == "READY"
    assert "the mains are gone" in state.refusal
    state, effects = machine.step(state, t.UpdateBegun(), 2 * t.SECOND)
    assert (state.name, kinds(effects)) == ("READY", ["update-refused"])
    state, _ = machine.step(state, t.MainsBack(), 5 * t.SECOND)
    state, effects = machine.step(state, t.Pressed("start-or-bookmark", "id3"), 20 * t.SECOND)
    assert t.OpenRecording("id3") in effects


def test_a_start_that_waits_for_a_picture_is_taken_back_with_the_reason() -> None:
    state, effects = machine.step(in_state("STARTING"), t.MainsLost(), 2 * t.SECOND)
    assert (state.name, state.recording_id) == ("READY", "")
    assert "the mains are gone" in state.refusal
    assert not [effect for effect in effects if isinstance(effect, t.OpenRecording)]
