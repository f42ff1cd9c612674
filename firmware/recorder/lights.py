"""Which light pattern is shown: from the state and, for the record light, only from durable bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.recorder.machine import recording_evident
from firmware.recorder.machine_types import MachineState
from hw.ports import LightPattern


@dataclass(frozen=True, slots=True)
class Shown:
    """The patterns of both lights."""

    ready: LightPattern
    record: LightPattern


def choose(state: MachineState, now_ns: int) -> Shown:
    """The patterns for this moment. Without bytes that lately reached the disk the record light is off, always."""
    return Shown(ready=_ready(state), record=_record(state, now_ns))


def _record(state: MachineState, now_ns: int) -> LightPattern:
    if not recording_evident(state, now_ns):
        return "off"
    return {"RECORDING": "on", "PAUSED": "slow"}.get(state.name, "fast")  # type: ignore[return-value]


def _ready(state: MachineState) -> LightPattern:
    if state.name == "FAULT":
        return "fault"
    if state.refusal:
        return "double"
    if state.name in ("INTERRUPTED", "STARTING", "STOPPING"):
        return "fast"
    if state.alerts:
        return "double"
    if state.name == "READY":
        return "slow" if state.unmet else "on"
    return "off"


def describe(shown: Shown) -> str:
    """For people and MQTT: "record on, ready off"."""
    return f"record {shown.record}, ready {shown.ready}"
