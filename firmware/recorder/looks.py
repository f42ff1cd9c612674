"""Every picture that the two lights can show together, and what each means: one table, also that of docs/controls.md.

Read by place and rhythm alone. The record light is lit in those looks only that stand for bytes on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.recorder.fault_groups import GROUPS, FaultNumber
from hw.ports import LightPattern


@dataclass(frozen=True, slots=True)
class Look:
    """The patterns of both lights, and what they say."""

    ready: LightPattern
    record: LightPattern
    meaning: str


def _fault(number: FaultNumber, pattern: LightPattern) -> Look:
    return Look(pattern, "off", f"fault {number}: {GROUPS[number].name}")


LOOKS: dict[str, Look] = {
    "off": Look("off", "off", "the recorder does not run"),
    "starting-up": Look("wink", "off", "starting up, wait; or testing itself, which a press ends at once"),
    "updating": Look("short-long", "off", "updating, wait"),
    "ready": Look("on", "off", "ready: a press starts"),
    "not-ready": Look("slow", "off", "something is missing for a start: consent, room on the disk, a picture"),
    "ready-warning": Look("double", "off", "ready, but somebody should look at a warning"),
    "refused": Look("triple", "off", "refused: nothing is recorded; `scrubcam ask status` and the fleet say why"),
    "starting": Look("fast", "off", "the press is taken; nothing is on the disk yet"),
    "recording": Look("off", "on", "recording: bytes reach the disk"),
    "recording-marked": Look("on", "on", "recording; a bookmark was just set"),
    "recording-warning": Look("double", "on", "recording, with a warning"),
    "recording-refused": Look("triple", "on", "recording goes on; what was just asked is refused"),
    "paused": Look("off", "slow", "privacy pause: filled and mute, the file goes on"),
    "paused-marked": Look("on", "slow", "privacy pause; a bookmark was just set"),
    "paused-warning": Look("double", "slow", "privacy pause, with a warning"),
    "paused-refused": Look("triple", "slow", "privacy pause goes on; what was just asked is refused"),
    "interrupted": Look("short-short-long", "fast", "the picture is lost: what came before is on the disk, restarting"),
    "not-stored": Look("short-short-long", "off", "a recording runs, but NOTHING reaches the disk now"),
    "stopping": Look("break", "off", "stopping: being sealed, do not switch off"),
    "fault-1": _fault(1, "fault-1"),
    "fault-2": _fault(2, "fault-2"),
    "fault-3": _fault(3, "fault-3"),
    "fault-4": _fault(4, "fault-4"),
    "fault-5": _fault(5, "fault-5"),
}
"""Name -> look. A fault is one long flash and then as many short ones as its number."""
