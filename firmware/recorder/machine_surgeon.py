"""Whose mapping of the controls holds: chosen for one case, never while something is recorded. Pure."""

from __future__ import annotations

from firmware.recorder.machine_turn import RUNNING, Turn


def choose(turn: Turn, surgeon: str, origin: str) -> str:
    """The surgeon `surgeon` from now on, "" for the site's own mapping; the refusal, "" when it is done."""
    state = turn.state
    if surgeon and surgeon not in state.rules.surgeons:
        return "surgeon: there is no such id in controls.surgeons"
    if surgeon == state.surgeon:
        return ""
    if state.name in RUNNING or state.name == "STOPPING":
        return f"state: {state.name.lower()}; the pedals mean the same until this recording is sealed"
    turn.set_surgeon(surgeon, origin)
    return ""
