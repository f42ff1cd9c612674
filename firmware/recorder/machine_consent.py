"""What a change of consent, a moment that is not recorded, and the order to erase do. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from firmware import case
from firmware.messages import Command, Consent
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn

KEEPS_NOTHING = ("BOOT", "SELFTEST", "RECOVERING", "UPDATING", "SHUTDOWN")
"""States in which no erasure is begun: what it needs is not loaded, or is about to be replaced."""


def changed(turn: Turn, event: t.Asked) -> str:
    """A case is opened, or the consent to the open one changes. The answer holds a sentence for each thing missing."""
    consent, state = event.command.consent, turn.state
    if consent is None:
        return "consent: the command carries none"
    if consent.case_id not in ("", state.consent.case_id):
        return "case: this one is not open"
    if replace(consent, case_id=state.consent.case_id) == state.consent:
        return ""
    if consent.state == "given":
        if state.name == "STOPPING":
            return "state: stopping; give consent for the next recording once this one is sealed"
        problems = case.opening_problems(consent, state.rules.policy, state.rules.room)
        if problems:
            return _incomplete(turn, consent, "; ".join(problems), event.command)
    same = bool(consent.case_id) or state.opened or state.name in RUNNING  # while one is recorded it is this one
    identity = state.consent.case_id if same else event.new_id
    _apply(turn, replace(consent, case_id=identity if consent.state != "none" else ""), event.command)
    return ""


def moment(turn: Turn, name: str, entered: bool, origin: str) -> str:
    """Enter or leave a moment that the site never records: all is filled and mute in between."""
    if name not in turn.state.rules.policy.moments:
        return "policy: there is no such moment in policy.moments"
    if (name in turn.state.moments) != entered:
        _moments(turn, turn.state.moments ^ {name}, origin)
    return ""


def leave_all(turn: Turn, origin: str) -> str:
    """The privacy button in a moment: the person in the room says that it is over."""
    turn.put(hand_paused=False)
    _moments(turn, frozenset(), origin)
    return ""


def erase(turn: Turn, command: Command) -> str:
    """Erase a recording, the running one too: its consent then counts as withdrawn. Who may, is roles.py's business."""
    state, recording_id = turn.state, command.recording
    if not recording_id:
        return "erase: which recording is not said"
    if recording_id in (*state.parts, state.recording_id) and (state.opened or state.name in RUNNING):
        _apply(turn, replace(state.consent, state="withdrawn"), command)
        return ""
    if state.name in KEEPS_NOTHING:
        return f"state: {state.name.lower()}"
    turn.emit(t.Journal("erase-asked", "", {"origin": command.origin}))  # what was typed may be no recording's id
    turn.emit(t.EraseRecording((recording_id,), "asked", command.role, command.origin))
    return ""


def _incomplete(turn: Turn, consent: Consent, reason: str, command: Command) -> str:
    """Nothing is opened; but what an incomplete consent takes away from a running recording is taken away at once."""
    state = turn.state
    turn.refuse(reason)
    left = case.narrowed(state.consent, consent)
    if state.name in RUNNING and left != state.consent:
        _apply(turn, left, command)
    return reason


def _apply(turn: Turn, consent: Consent, command: Command) -> None:
    before = turn.state
    turn.put(consent=consent)
    turn.journal("consent", case_id=consent.case_id, state=consent.state, video=consent.video, audio=consent.audio,
                 stills=consent.stills, purpose_class=consent.purpose_class, origin=command.origin)
    video = case.allows(consent, "video")
    if not video or consent.case_id != before.consent.case_id:
        turn.emit(t.ClearPreroll())  # seen without consent, or in the case before
    if before.opened:
        _while_recording(turn, consent, command)
        return
    if before.name == "STARTING" and not video:
        turn.cancel_start()
    if consent.state != "given":
        turn.set_surgeon("", "case ended")
    if consent.state == "given" and consent.case_id != before.consent.case_id:
        _moments(turn, turn.state.moments | set(turn.state.rules.policy.first_moments), "policy")
    turn.sync_pause("consent")
    turn.sync_pipeline()


def _while_recording(turn: Turn, consent: Consent, command: Command) -> None:
    """Refused: stopped or blanked, from now on. Withdrawn: erased, but for an order from afar, which only stops."""
    running = turn.state.name in RUNNING
    if consent.state == "withdrawn" and command.role != "fleet":
        turn.erase(command.role, command.origin)
    elif running:
        blank = consent.state == "refused" and turn.state.rules.policy.on_refusal == "blank"
        turn.emit(t.WriteConsent(consent))
        if not case.allows(consent, "video") and not blank:
            turn.stop("consent")
            return
        turn.put(blanked=blank)
        turn.sync_pause("consent")
        if turn.state.sound_on and not case.allows(consent, "audio"):
            _silence(turn)
    else:
        turn.sync_pause("")


def _silence(turn: Turn) -> None:
    """Consent to sound went away while recording: the pipeline was told at birth, so it is replaced, with a gap."""
    turn.go("INTERRUPTED")
    turn.emit(t.WriteState("INTERRUPTED", "sound consent"))
    turn.start_pipeline()


def _moments(turn: Turn, moments: frozenset[str], origin: str) -> None:
    for name in sorted(moments ^ turn.state.moments):
        turn.journal("moment-entered" if name in moments else "moment-left", moment=name, origin=origin)
    turn.put(moments=moments)
    turn.sync_pause("moment")
