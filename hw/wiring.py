"""What is connected to what, out of a board definition: one row for each wire. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hw.board_definition import BoardDefinition
from hw.header40 import pin_name

ROLES = {"pedal": "Pedal", "privacy": "Privacy button", "power_fail": "Power-fail contact"}


@dataclass(frozen=True, slots=True)
class InputWire:
    """One contact of one input. `normally_closed` says which; `low` whether the pin is low while it is closed."""

    role: str
    pin: int
    normally_closed: bool
    low: bool
    pull_up_ohm: int

    @property
    def title(self) -> str:
        return f"{ROLES[self.role]}, {'normally closed' if self.normally_closed else 'normally open'} contact"

    @property
    def terminals(self) -> tuple[str, str]:
        """How the two terminals of the contact are marked: its own side, and the common one."""
        return ("NC" if self.normally_closed else "NO"), "C"

    @property
    def at_rest(self) -> str:
        """The level at the pin when nobody presses."""
        return "low" if self.normally_closed == self.low else "high"


@dataclass(frozen=True, slots=True)
class OutputWire:
    """One lamp or sounder. `high` says whether it is on while the pin is high; `note` what else matters."""

    title: str
    pin: int
    part: str
    high: bool = True
    note: str = ""


def inputs(definition: BoardDefinition) -> list[InputWire]:
    """Every wire of a contact that ends at a pin of the header."""
    wires = []
    for role, contact in definition.contacts().items():
        for pin, closed in ((contact.pin, False), (contact.nc_pin, True)):
            if pin:
                wires.append(InputWire(role, pin, closed, contact.closed == "low", contact.pull_up_ohm))
    return wires


def outputs(definition: BoardDefinition) -> list[OutputWire]:
    """Every lamp, and the sounder, at a pin of the header."""
    record, ready, sounder = definition.record_light, definition.ready_light, definition.sounder
    tone = f"square wave, {sounder.frequency_hz} Hz" if sounder.frequency_hz else "square wave, pitch by tone"
    wires = [
        OutputWire("Record light", record.pin, "lamp", record.lit == "high"),
        OutputWire("Ready light", ready.pin, "lamp", ready.lit == "high"),
        OutputWire("Sounder", sounder.pin, "sounder", note=tone if sounder.type == "pwm" else "on or off"),
    ]
    return [wire for wire in wires if wire.pin]


def pins(definition: BoardDefinition) -> dict[int, str]:
    """What each used pin is for, in a few words."""
    used = {wire.pin: ROLES[wire.role] + (" NC" if wire.normally_closed else " NO") for wire in inputs(definition)}
    return used | {wire.pin: wire.title for wire in outputs(definition)}


def rows(definition: BoardDefinition) -> list[tuple[str, str, str]]:
    """(pin, what is wired to it, what to know), in the order of the pins; then what is plugged in elsewhere."""
    told: dict[int, tuple[str, str]] = {}
    for wire in inputs(definition):
        level = "low" if wire.low else "high"
        pull = f", pull-up {wire.pull_up_ohm} ohm" if wire.pull_up_ohm else ""
        told[wire.pin] = (wire.title, f"{level} while the contact is closed; at rest {wire.at_rest}{pull}")
    for out in outputs(definition):
        note = out.note or f"on while the pin is {'high' if out.high else 'low'}"
        told[out.pin] = (out.title, f"{note}; through a driver transistor")
    found = [(f"{pin} ({pin_name(pin)})", *told[pin]) for pin in sorted(told)]
    pedal = definition.pedal
    if pedal.usb_id:
        keys = ", ".join(key for key in (pedal.pedal_key, pedal.privacy_key) if key)
        what = "Receiver of the wireless pedal" if pedal.type == "wireless" else "USB pedal"
        found.append(("USB", f"{what} {pedal.usb_id}", f"sends {keys}"))
    if definition.capture.device:
        found.append((definition.capture.device, "Capture device", "the picture, after the monitor's loop-through"))
    if definition.watchdog.device:
        found.append((definition.watchdog.device, "Hardware watchdog", "restarts the unit"))
    return found
