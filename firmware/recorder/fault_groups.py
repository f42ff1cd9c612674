"""The number that the ready light blinks in a fault: which group the fault belongs to, and whom to call. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultNumber = Literal[1, 2, 3, 4, 5]


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """`codes` are the words before the colon of a fault's text ("disk: nothing was stored in time")."""

    name: str
    codes: frozenset[str]
    todo: str


GROUPS: dict[FaultNumber, FaultGroup] = {
    1: FaultGroup("disk", frozenset({"disk", "recording", "journal", "erasure", "damaged"}),
                  "the disk does not take or give what it should: change it, or make room"),
    2: FaultGroup("picture", frozenset({
        "pipeline", "pipeline-died", "source-missing", "source-lost", "no-video", "format-changed", "media-unreadable",
    }), "no picture comes: look at the camera, its cable and the tower"),
    3: FaultGroup("keys", frozenset({"key"}), "a key cannot be read: call biomed"),
    4: FaultGroup("parts and power", frozenset({"part-missing", "board", "power", "thermal", "unsupported"}),
                  "a part of the unit is missing, too hot or without power: call biomed"),
    5: FaultGroup("the unit itself", frozenset(), "anything else: switch it off and on once, then call biomed"),
}
"""Number -> group. Never renumber: people know the numbers by heart."""


def fault_number(fault: str) -> FaultNumber:
    """The number for a fault's text; 5 for whatever has no group of its own."""
    code = fault.split(":", 1)[0]
    return next((number for number, group in GROUPS.items() if code in group.codes), 5)
