"""Which look the lights have: from the state and, for the record light, only from durable bytes. Pure."""

from __future__ import annotations

from firmware.recorder.fault_groups import fault_number
from firmware.recorder.looks import LOOKS, Look
from firmware.recorder.machine_turn import recording_evident
from firmware.recorder.machine_types import MachineState

MARK_SHOWN_NS = 600_000_000
_RESTING = {
    "BOOT": "starting-up", "SELFTEST": "starting-up", "RECOVERING": "starting-up", "UPDATING": "updating",
    "STARTING": "starting", "STOPPING": "stopping", "SHUTDOWN": "off",
}


def choose(state: MachineState, now_ns: int) -> Look:
    """The look for this moment. Without bytes that lately reached the disk the record light is off, always."""
    return LOOKS[look_name(state, now_ns)]


def look_name(state: MachineState, now_ns: int) -> str:
    """Its name in looks.LOOKS."""
    if state.name == "FAULT":
        return f"fault-{fault_number(state.fault)}"
    if state.name in ("RECORDING", "PAUSED", "INTERRUPTED"):
        return _recording(state, now_ns)
    if state.refusal and state.name not in ("STARTING", "STOPPING"):
        return "refused"
    if state.name == "READY":
        return "ready-warning" if state.alerts else "not-ready" if state.unmet else "ready"
    return _RESTING[state.name]


def _recording(state: MachineState, now_ns: int) -> str:
    if not recording_evident(state, now_ns):
        return "not-stored"
    if state.name == "INTERRUPTED":
        return "interrupted"
    name = state.name.lower()
    if state.refusal:
        return f"{name}-refused"
    if state.marked_ns and now_ns - state.marked_ns < MARK_SHOWN_NS:
        return f"{name}-marked"
    return f"{name}-warning" if state.alerts else name


def describe(look: Look) -> str:
    """For people and MQTT: "record on, ready off"."""
    return f"record {look.record}, ready {look.ready}"
