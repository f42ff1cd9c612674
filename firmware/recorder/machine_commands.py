"""What presses and commands do in each state. Pure; a repeated command changes nothing and gets the same answer."""

from __future__ import annotations

from firmware.recorder import machine_consent as consents
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn

PRIVACY_BUTTON = "privacy button"


def pressed(turn: Turn, event: t.Pressed) -> None:
    """A pedal press starts, or bookmarks what runs; a hold stops; the privacy button toggles the pause, or ends the
    moment that is not recorded."""
    name = turn.state.name
    if event.gesture == "stop":
        stop(turn, "pedal")
    elif event.gesture == "pause":
        problem = consents.leave_all(turn, PRIVACY_BUTTON) if turn.state.moments else _toggle_pause(turn)
        if problem:
            turn.emit(t.PlayTone("refused"))
    elif name in RUNNING:
        _bookmark(turn, "pedal", "")
    elif name == "FAULT":
        turn.retry()
    else:
        _start(turn, event.new_id)


def asked(turn: Turn, event: t.Asked) -> None:
    """One command, one reply."""
    command = event.command
    problem = ""
    if command.verb == "start":
        problem = _start(turn, event.new_id)
    elif command.verb == "stop":
        problem = stop(turn, command.origin)
    elif command.verb == "bookmark":
        problem = _bookmark(turn, command.origin, command.note)
    elif command.verb == "pause":
        problem = _pause(turn, True, command.origin)
    elif command.verb == "resume":
        problem = _pause(turn, False, command.origin)
    elif command.verb == "consent":
        problem = consents.changed(turn, event)
    elif command.verb in ("enter", "leave"):
        problem = consents.moment(turn, command.moment, command.verb == "enter", command.origin)
    elif command.verb == "erase":
        problem = consents.erase(turn, command)
    turn.emit(t.Reply(command.id, not problem, problem))


def _start(turn: Turn, new_id: str) -> str:
    state = turn.state
    if state.name in RUNNING:
        return ""
    problem = _why_not(turn)
    if problem:
        turn.refuse(problem)
        return problem
    turn.put(
        recording_id=new_id, parts=(), opened=False, durable_bytes=0, durable_grew_ns=0, refusal="", fault="",
        stop_reason="", then="READY",
    )
    turn.go("STARTING")
    turn.emit(t.PlayTone("accepted"))
    if state.pipeline_up:
        turn.open_recording()
    return ""


def _why_not(turn: Turn) -> str:
    """The first thing that stands against a start, as a sentence; empty when nothing does."""
    state = turn.state
    if state.name == "FAULT":
        return "fault: " + state.fault
    if state.name != "READY":
        return f"state: {state.name.lower()}"
    ours = ("consent:", "policy:", "pipeline: starting")
    unmet = [sentence for sentence in state.unmet if not sentence.startswith(ours)]
    return turn.forbidden() or (unmet[0] if unmet else "")


def stop(turn: Turn, cause: str) -> str:
    state = turn.state
    if state.name == "STARTING" and not state.opened:
        turn.go("READY")
        turn.put(recording_id="")
    elif state.name in RUNNING:
        turn.stop(cause)
    elif state.name == "FAULT":
        turn.retry()
    return ""


def _bookmark(turn: Turn, origin: str, note: str) -> str:
    state = turn.state
    if state.name not in RUNNING or not state.opened:
        return f"not recording: {state.name.lower()}"
    turn.put(marked_ns=turn.now_ns)
    turn.emit(t.WriteBookmark(origin, note), t.PlayTone("bookmark"))
    turn.journal("bookmark", origin=origin)
    return ""


def _pause(turn: Turn, on: bool, origin: str) -> str:
    state = turn.state
    if state.name not in RUNNING or not state.opened:
        return f"not recording: {state.name.lower()}"
    if not on and (state.moments or state.blanked):
        return turn.forbidden()
    turn.put(hand_paused=on)
    turn.sync_pause(origin)
    return ""


def _toggle_pause(turn: Turn) -> str:
    return _pause(turn, not turn.state.hand_paused, PRIVACY_BUTTON)
