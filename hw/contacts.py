"""From the wires of a contact to "pressed", "released" or a fault of the wiring. Pure: no clock, no pins.

A two-wire contact has a normally open (NO) and a normally closed (NC) side. At rest only NC is closed, pressed only NO.
Neither closed is a contact on its way, or a cut cable; both closed a bounce, or a crushed cable: what lasts is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hw.ports import PedalFault, PedalLost

SETTLE_NS = 20_000_000
"""So long a position must last unbroken before it ends a doubt, or heals a fault."""
TRANSIT_NS = 1_000_000_000
"""A foot may take so long from one contact to the other. Longer without a settled position is a fault."""
LOOSE_NS = 1_250_000_000
"""After so long the fault is called a cut, also when the wires never show the same for SETTLE_NS: a loose plug."""
MOST_SEEN_NS = 50_000_000
"""Of the time between two polls at most so much counts: nobody saw what the wires did in a longer gap."""

Position = Literal["released", "pressed", "cut", "crushed", "unplugged"]

_TOLD: dict[PedalFault, str] = {
    "cut": "the {line} cable is cut or pulled out (both contacts open)",
    "crushed": "the {line} cable is crushed, or a contact is welded (both contacts closed)",
    "unplugged": "the {line} is unplugged, or its line cannot be read",
    "link": "the {line} pedal is out of reach",
}


@dataclass(frozen=True, slots=True)
class Wires:
    """One reading: is the normally open contact closed, is the normally closed one? `nc` None: one wire only."""

    no: bool
    nc: bool | None = None


@dataclass(frozen=True, slots=True)
class ContactState:
    """What is known of one contact. `held_ns`: how long the present position was seen unbroken; `doubt_ns`: how long no
    settled one was seen."""

    fault: PedalFault | None = None
    position: Position = "released"
    held_ns: int = 0
    doubt_ns: int = 0
    seen_ns: int | None = None

    @property
    def pressed(self) -> bool:
        """Only while every wire says so: a cable that breaks under a foot ends the press, and never holds it."""
        return self.position == "pressed"


def step(state: ContactState, wires: Wires | None, now_ns: int) -> ContactState:
    """Take one poll; `wires` None: the line could not be read, which is a fault at once.

    A fault keeps its name until it heals, whatever noise does to its wires. On two wires it heals only at rest: there
    both show that they are whole. Nothing is debounced here.
    """
    position = _position(wires)
    if wires is not None and wires.nc is None and state.fault is None:
        return ContactState(None, position, 0, 0, now_ns)  # one wire: there is nothing to doubt
    seen_ns = 0 if state.seen_ns is None else min(now_ns - state.seen_ns, MOST_SEEN_NS)
    held_ns = state.held_ns + seen_ns if position == state.position else 0
    if wires is None:
        return ContactState("unplugged", position, held_ns, 0, now_ns)
    valid = position == "released" or position == "pressed"
    settled = valid and held_ns >= SETTLE_NS
    if state.fault is not None:
        whole = settled and (position == "released" or wires.nc is None)
        return ContactState(None if whole else state.fault, position, held_ns, 0, now_ns)
    if settled:
        doubt_ns = 0
    elif valid:  # a doubt goes on until a position settles
        doubt_ns = state.doubt_ns + seen_ns if state.doubt_ns else 0
    else:
        doubt_ns = state.doubt_ns + max(seen_ns, 1)
    return ContactState(_fault(position, held_ns, doubt_ns), position, held_ns, doubt_ns, now_ns)


def _position(wires: Wires | None) -> Position:
    if wires is None:
        return "unplugged"
    if wires.nc is None:
        return "pressed" if wires.no else "released"
    if wires.no == wires.nc:
        return "crushed" if wires.no else "cut"
    return "pressed" if wires.no else "released"


def _fault(position: Position, held_ns: int, doubt_ns: int) -> PedalFault | None:
    """What a doubt of so long amounts to: named after what the wires show, once they show it unbroken."""
    if doubt_ns >= TRANSIT_NS and held_ns >= SETTLE_NS and (position == "cut" or position == "crushed"):
        return position
    return "cut" if doubt_ns >= LOOSE_NS else None


class ContactWatch:
    """The contacts of one board, by role; keeps what `step` knows of each between two polls."""

    def __init__(self) -> None:
        self._states: dict[str, ContactState] = {}

    def levels(self, wires: Mapping[str, Wires | None], now_ns: int) -> dict[str, bool]:
        """True is pressed. Raises PedalLost with the faults of all lines named, the other lines' levels in `others`."""
        self._states = {role: step(self._states.get(role, ContactState()), of, now_ns) for role, of in wires.items()}
        pressed = {role: state.pressed for role, state in self._states.items() if state.fault is None}
        faults = {role: state.fault for role, state in self._states.items() if state.fault is not None}
        if faults:
            told = "; ".join(_TOLD[fault].format(line=role) for role, fault in faults.items())
            raise PedalLost(told, faults=faults, others=pressed)
        return pressed
