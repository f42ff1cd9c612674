"""What the state machine does when the mains go, when the hold-up must be kept for sealing, and when they are back.

Pure. Nothing is begun without mains; what runs goes on until the hold-up time is needed to close it. It is stopped
once: the next recording is begun by a person, with a consent of its own.
"""

from __future__ import annotations

from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn

CODE = "power-fail"
PROBLEM = "the mains are gone, the unit lives on its hold-up supply"


def mains_problem(state: t.MachineState) -> str:
    """Why nothing may be begun; "" when it may."""
    return PROBLEM if state.mains_lost else ""


def refusal(state: t.MachineState) -> str:
    """The same as a start condition's sentence."""
    return f"power: {PROBLEM}" if state.mains_lost else ""


def mains_lost(turn: Turn, _event: t.MainsLost) -> None:
    """Told at once; a start that still waits for a picture is taken back."""
    if turn.state.mains_lost:
        return
    turn.put(mains_lost=True)
    turn.alert(CODE, f"{PROBLEM}. A recording is closed before that ends. Do: check the mains plug and the supply")
    if turn.state.name == "STARTING" and not turn.state.opened:
        turn.cancel_start()
        turn.refuse(refusal(turn.state))


def hold_up_ending(turn: Turn, _event: t.HoldUpEnding) -> None:
    """What is left of the hold-up time is for sealing."""
    if turn.state.mains_lost and turn.state.opened and turn.state.name in RUNNING:
        turn.stop(CODE)


def mains_back(turn: Turn, _event: t.MainsBack) -> None:
    turn.put(mains_lost=False)
    turn.alert(CODE, cleared=True)
