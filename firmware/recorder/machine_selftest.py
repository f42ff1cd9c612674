"""The self-test of the whole path in the state machine: when it may run, what ends it, what it leaves. Pure.

It runs in the state SELFTEST, told from the one at a start by `path_test`. Whoever presses or asks for something is not
kept waiting by it: it ends at once, and what was asked for is done as in READY.
"""

from __future__ import annotations

from firmware.recorder import machine_power as power
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import Turn


def begin(turn: Turn, origin: str) -> str:
    """Begin; the refusal, "" when it has begun. Only at rest: nothing recorded, no case open."""
    state = turn.state
    turn.put(path_test_due=False)
    if state.path_test:
        return ""
    if state.name != "READY":
        return f"state: {state.name.lower()}"
    if state.consent.state != "none":
        return "selftest: a case is open"
    if state.mains_lost:
        return power.refusal(state)
    turn.go("SELFTEST")
    turn.put(path_test=origin, deadline_ns=turn.now_ns + state.rules.path_test_ns, refusal="")
    turn.emit(t.Journal("selftest-begun", "", {"origin": origin}), t.RunPathTest())
    return ""


def asked(turn: Turn, event: t.PathTestAsked) -> None:
    """The button was held. In READY with a case open that is refused; elsewhere the press has had its answer already,
    and a thumb that rests on the button in a recording asks for nothing more."""
    if turn.state.name != "READY":
        return
    problem = begin(turn, event.origin)
    if problem:
        turn.refuse(problem)
    else:
        turn.emit(t.PlayTone("accepted"))


def tested(turn: Turn, event: t.PathTested) -> None:
    """Its result. One that was ended early has none."""
    if turn.state.path_test:
        turn.emit(t.Journal("selftest", "", {"origin": turn.state.path_test, **event.fields}))
        _back_to_ready(turn)


def end_early(turn: Turn, origin: str) -> None:
    """Somebody needs the unit."""
    if turn.state.path_test:
        turn.emit(t.StopPathTest(), t.Journal("selftest-stopped", "", {"origin": origin}))
        _back_to_ready(turn)


def late(turn: Turn) -> None:
    """It did not say anything in time."""
    turn.emit(t.StopPathTest())
    tested(turn, t.PathTested({"passed": False, "problem": "not done in time"}))


def _back_to_ready(turn: Turn) -> None:
    turn.put(path_test="")
    turn.go("READY")
