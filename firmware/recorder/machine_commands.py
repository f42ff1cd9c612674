"""What presses and commands do in each state. Pure; a repeated command changes nothing and gets the same answer."""

from __future__ import annotations

from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import Turn, consent_allows_video

RUNNING = ("STARTING", "RECORDING", "PAUSED", "INTERRUPTED")


def pressed(turn: Turn, event: t.Pressed) -> None:
    """A pedal press starts, or bookmarks what runs; a hold stops; the privacy button toggles the pause."""
    name = turn.state.name
    if event.gesture == "stop":
        _stop(turn, "pedal")
    elif event.gesture == "pause":
        problem = _pause(turn, not turn.state.paused, "privacy button")
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
        problem = _stop(turn, command.origin)
    elif command.verb == "bookmark":
        problem = _bookmark(turn, command.origin, command.note)
    elif command.verb == "pause":
        problem = _pause(turn, True, command.origin)
    elif command.verb == "resume":
        problem = _pause(turn, False, command.origin)
    elif command.verb == "consent":
        problem = _consent(turn, event)
    turn.emit(t.Reply(command.id, not problem, problem))


def _start(turn: Turn, new_id: str) -> str:
    state = turn.state
    if state.name in RUNNING:
        return ""
    problem = _why_not(state)
    if problem:
        turn.refuse(problem)
        return problem
    turn.put(
        recording_id=new_id, opened=False, paused=False, durable_bytes=0, durable_grew_ns=0, refusal="", fault="",
        stop_reason="", then="READY",
    )
    turn.go("STARTING")
    if state.pipeline_up:
        turn.open_recording()
    return ""


def _why_not(state: t.MachineState) -> str:
    """The first thing that stands against a start, as a sentence; empty when nothing does."""
    if state.name == "FAULT":
        return "fault: " + state.fault
    if state.name != "READY":
        return f"state: {state.name.lower()}"
    if not consent_allows_video(state.consent):
        return f"consent: {state.consent.state}" if state.consent.state != "given" else "consent: not for video"
    unmet = [sentence for sentence in state.unmet if not sentence.startswith(("consent:", "pipeline: starting"))]
    return unmet[0] if unmet else ""


def _stop(turn: Turn, cause: str) -> str:
    state = turn.state
    if state.name == "STARTING" and not state.opened:
        turn.go("READY")
        turn.put(recording_id="", paused=False)
    elif state.name in RUNNING:
        turn.stop(cause)
    elif state.name == "FAULT":
        turn.retry()
    return ""


def _bookmark(turn: Turn, origin: str, note: str) -> str:
    state = turn.state
    if state.name not in RUNNING or not state.opened:
        return f"not recording: {state.name.lower()}"
    turn.emit(t.WriteBookmark(origin, note), t.PlayTone("bookmark"))
    turn.journal("bookmark", origin=origin)
    return ""


def _pause(turn: Turn, on: bool, origin: str) -> str:
    state = turn.state
    if state.name not in RUNNING or not state.opened:
        return f"not recording: {state.name.lower()}"
    if state.paused == on:
        return ""
    turn.emit(t.PausePipeline(on))
    turn.put(paused=on)
    if state.name in ("RECORDING", "PAUSED"):
        turn.go("PAUSED" if on else "RECORDING")
    turn.emit(t.WriteState("PAUSED" if on else "RECORDING", origin), t.PlayTone("pause" if on else "start"))
    turn.journal("paused" if on else "resumed", origin=origin)
    return ""


def _consent(turn: Turn, event: t.Asked) -> str:
    consent = event.command.consent
    if consent is None:
        return "consent: the command carries none"
    if consent == turn.state.consent:
        return ""
    if turn.state.name == "STOPPING" and consent_allows_video(consent):
        return "state: stopping; give consent for the next recording once this one is sealed"
    turn.put(consent=consent)
    turn.journal("consent", state=consent.state, video=consent.video, audio=consent.audio)
    running = turn.state.name in RUNNING
    if not consent_allows_video(consent):
        turn.emit(t.ClearPreroll())
        if running and turn.state.opened:
            turn.stop("consent")
        elif running:
            _stop(turn, "consent")
    if not turn.state.opened:
        turn.sync_pipeline()
    elif running and turn.state.name != "STOPPING" and turn.state.sound_on and not consent.audio:
        _silence(turn)
    return ""


def _silence(turn: Turn) -> None:
    """Consent to sound went away while recording: the pipeline was told at birth, so it is replaced, with a gap."""
    turn.go("INTERRUPTED")
    turn.emit(t.WriteState("INTERRUPTED", "sound consent"))
    turn.start_pipeline()
