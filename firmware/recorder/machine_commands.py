"""What commands do in each state. Pure; a repeated command changes nothing and gets the same answer."""

from __future__ import annotations

from firmware.recorder import machine_consent as consents
from firmware.recorder import machine_power as power
from firmware.recorder import machine_selftest as selftests
from firmware.recorder import machine_surgeon as surgeons
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn

PRIVACY_BUTTON = "privacy button"


def asked(turn: Turn, event: t.Asked) -> None:
    """One command, one reply."""
    command = event.command
    problem = ""
    if command.verb not in ("status", "selftest"):
        selftests.end_early(turn, command.origin)
    if command.verb == "start":
        problem = start(turn, event.new_id, turn.now_ns)
    elif command.verb == "stop":
        problem = stop(turn, command.origin)
    elif command.verb == "bookmark":
        problem = bookmark(turn, command.origin, command.note, turn.now_ns)
    elif command.verb == "pause":
        problem = pause(turn, True, command.origin)
    elif command.verb == "resume":
        problem = pause(turn, False, command.origin)
    elif command.verb == "consent":
        problem = consents.changed(turn, event)
    elif command.verb in ("enter", "leave"):
        problem = consents.moment(turn, command.moment, command.verb == "enter", command.origin)
    elif command.verb == "selftest":
        problem = selftests.begin(turn, command.origin)
    elif command.verb == "surgeon":
        problem = surgeons.choose(turn, command.surgeon, command.origin)
    elif command.verb == "erase":
        problem = consents.erase(turn, command)
    turn.emit(t.Reply(command.id, not problem, problem))


def start(turn: Turn, new_id: str, asked_ns: int) -> str:
    """Begin; the refusal, "" when it has begun, or had already. `asked_ns`: when the pedal closed, or the command came.
    """
    state = turn.state
    if state.name in RUNNING:
        return ""
    problem = _why_not(turn)
    if problem:
        turn.refuse(problem)
        return problem
    turn.put(
        recording_id=new_id, parts=(), opened=False, durable_bytes=0, durable_grew_ns=0, refusal="", fault="",
        stop_reason="", then="READY", asked_ns=asked_ns,
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
    return turn.forbidden() or (unmet[0] if unmet else power.refusal(state))


def stop(turn: Turn, cause: str) -> str:
    """End what runs. Never refused: where nothing runs, it holds already."""
    state = turn.state
    if state.name == "STARTING" and not state.opened:
        turn.cancel_start()
        turn.emit(t.PlayTone("stop"))
    elif state.name in RUNNING:
        turn.stop(cause)
    elif state.name == "FAULT":
        turn.retry()
    return ""


def bookmark(turn: Turn, origin: str, note: str, at_ns: int) -> str:
    state = turn.state
    if state.name not in RUNNING or not state.opened:
        return f"not recording: {state.name.lower()}"
    turn.put(marked_ns=turn.now_ns)
    turn.emit(t.WriteBookmark(origin, note, at_ns), t.PlayTone("bookmark"))
    turn.journal("bookmark", origin=origin)
    return ""


def pause(turn: Turn, on: bool, origin: str) -> str:
    """Fill and mute, or stop doing so; while a recording is being started it begins so."""
    state = turn.state
    if state.name not in RUNNING:
        return f"not recording: {state.name.lower()}"
    if not on and (state.moments or state.blanked):
        return turn.forbidden()
    changed = on != state.hand_paused
    turn.put(hand_paused=on)
    turn.sync_pause(origin)
    if changed and not state.opened:
        turn.emit(t.PlayTone("pause" if on else "resume"))
        turn.journal("paused" if on else "resumed", origin=origin)
    return ""
