"""What a press does in each state, and what it is answered: each press gets exactly one answer, and a tone. Pure.

The table of all states and actions stands in docs/controls.md, and a test holds this file to it.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware.recorder import machine_commands as commands
from firmware.recorder import machine_consent as consents
from firmware.recorder import machine_selftest as selftests
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn, recording_evident

Answer = tuple[t.Did, str]


def pressed(turn: Turn, event: t.Pressed) -> None:
    """Do what the gesture means, and say what that was. A self-test of the whole path gives way, as if it never ran."""
    selftests.end_early(turn, event.line)
    did, reason = _ACTIONS[event.action](turn, event)
    turn.emit(t.PressAnswer(did, reason))


def _start(turn: Turn, event: t.Pressed) -> Answer:
    name = turn.state.name
    if name == "FAULT":
        return _retry(turn)
    if name in RUNNING:  # it does already; but a tone that all is well needs bytes on the disk
        stored = name == "STARTING" or (name != "INTERRUPTED" and recording_evident(turn.state, turn.now_ns))
        turn.emit(t.PlayTone("accepted" if stored else "warning"))
        return "nothing", f"already {name.lower()}"
    problem = commands.start(turn, event.new_id, event.contact_ns)
    return ("refused", problem) if problem else ("started", "")


def _bookmark(turn: Turn, event: t.Pressed) -> Answer:
    problem = commands.bookmark(turn, event.line, "", event.contact_ns)
    if problem:
        turn.refuse(problem)
        return "refused", problem
    return "bookmark", ""


def _start_or_bookmark(turn: Turn, event: t.Pressed) -> Answer:
    return _bookmark(turn, event) if turn.state.opened and turn.state.name in RUNNING else _start(turn, event)


def _start_or_stop(turn: Turn, event: t.Pressed) -> Answer:
    return _stop(turn, event) if turn.state.name in RUNNING else _start(turn, event)


def _stop(turn: Turn, event: t.Pressed) -> Answer:
    """Where nothing runs, its tone says that too: what was asked for holds."""
    before = turn.state
    if before.name in RUNNING:
        commands.stop(turn, event.line)
        return ("stopped", "") if before.opened else ("cancelled", "")
    turn.emit(t.PlayTone("stop"))
    if before.name == "FAULT":
        commands.stop(turn, event.line)
        return "retried", f"fault: {before.fault}"
    return "nothing", f"not recording: {before.name.lower()}"


def _pause_or_resume(turn: Turn, event: t.Pressed) -> Answer:
    """A pause by hand, on or off; in a moment that is never recorded, its end."""
    origin = commands.PRIVACY_BUTTON if event.line == "privacy" else event.line
    before = turn.state
    if before.moments:
        consents.leave_all(turn, origin)
        if not any(isinstance(effect, t.PlayTone) for effect in turn.effects):
            turn.emit(t.PlayTone("resume"))
        return "moment-left", ""
    problem = turn.forbidden() if before.blanked else commands.pause(turn, not before.hand_paused, origin)
    if problem:
        turn.refuse(problem)
        return "refused", problem
    return ("resumed" if before.hand_paused else "paused"), ""


def _retry(turn: Turn) -> Answer:
    """Who presses in a fault wants to record: that is refused, and the unit looks again from the self-test on."""
    reason = f"fault: {turn.state.fault}"
    turn.refuse(reason)
    turn.retry()
    return "retried", reason


def _nothing(turn: Turn, event: t.Pressed) -> Answer:
    """A gesture that the mapping gives no meaning."""
    turn.emit(t.PlayTone("refused"))
    return "nothing", "this gesture has no meaning"


_ACTIONS: dict[str, Callable[[Turn, t.Pressed], Answer]] = {
    "none": _nothing, "start": _start, "bookmark": _bookmark, "start-or-bookmark": _start_or_bookmark,
    "start-or-stop": _start_or_stop, "stop": _stop, "pause-or-resume": _pause_or_resume,
}
