"""The rules that span the settings of a board definition. Pure: a definition in, the broken rules out."""

from __future__ import annotations

from collections.abc import Iterator

from firmware.config_words import Broken
from hw.board_definition import BoardDefinition, Contact, Pedal
from hw.header40 import BUSES, CARRIERS, POWER


def broken_rules(definition: BoardDefinition) -> list[Broken]:
    """Every rule that `definition` breaks. Each setting on its own is assumed to be in its range."""
    return [*_carrier(definition), *_pins(definition), *_contacts(definition), *_usb(definition.pedal),
            *_lights(definition), *_sounder(definition)]


def pins_in_use(definition: BoardDefinition) -> list[tuple[str, int]]:
    """("section.key", pin) of every pin that is given, in the order of the file's sections."""
    found = [("pedal.pin", definition.pedal.pin), ("pedal.nc_pin", definition.pedal.nc_pin)]
    for name, contact in (("privacy", definition.privacy), ("power_fail", definition.power_fail)):
        found += [(f"{name}.pin", contact.pin), (f"{name}.nc_pin", contact.nc_pin)]
    found += [("record_light.pin", definition.record_light.pin), ("ready_light.pin", definition.ready_light.pin),
              ("sounder.pin", definition.sounder.pin)]
    return [(key, pin) for key, pin in found if pin]


def _carrier(definition: BoardDefinition) -> Iterator[Broken]:
    about = definition.board
    if about.kind == "jetson" and about.carrier == "none":
        yield Broken(("board.kind", "board.carrier"), "say on which carrier's header the pins are")
    if about.kind != "jetson" and about.carrier != "none":
        yield Broken(("board.kind", "board.carrier"), "only a board of kind jetson has a carrier with a header")


def _pins(definition: BoardDefinition) -> Iterator[Broken]:
    carrier = CARRIERS.get(definition.board.carrier)
    used: dict[int, str] = {}
    for key, pin in pins_in_use(definition):
        if carrier is None:
            yield Broken((key, "board.carrier"), "there is no header for this pin")
        elif pin in POWER:
            yield Broken((key,), f"pin {pin} of the 40-pin header is {POWER[pin]}")
        elif pin in BUSES:
            yield Broken((key,), f"pin {pin} of the 40-pin header belongs to a bus ({BUSES[pin]})")
        elif pin in carrier.output_only and key.split(".")[0] in ("pedal", "privacy", "power_fail"):
            yield Broken((key, "board.carrier"), f"this carrier passes pin {pin} outwards only: it cannot be an input")
        elif pin in used:
            yield Broken((key, used[pin]), "one pin cannot do two jobs")
        used.setdefault(pin, key)


def _contacts(definition: BoardDefinition) -> Iterator[Broken]:
    on_header = definition.board.carrier != "none"
    inputs: tuple[tuple[str, Contact | Pedal], ...] = (
        ("pedal", definition.pedal), ("privacy", definition.privacy), ("power_fail", definition.power_fail))
    for name, contact in inputs:
        wired = contact.type in ("contact-no", "contact-no-nc")
        if wired and on_header and not contact.pin:
            yield Broken((f"{name}.type", f"{name}.pin"), "a contact on a header needs its pin")
        if not wired and contact.pin:
            yield Broken((f"{name}.type", f"{name}.pin"), "only a contact has a pin")
        if contact.type == "contact-no-nc" and on_header and not contact.nc_pin:
            yield Broken((f"{name}.type", f"{name}.nc_pin"), "two-wire: give the pin of the normally closed contact")
        if contact.type != "contact-no-nc" and contact.nc_pin:
            yield Broken((f"{name}.type", f"{name}.nc_pin"), "only contact-no-nc has a second wire")
        if contact.pull_up_ohm and contact.closed == "high":
            yield Broken((f"{name}.pull_up_ohm", f"{name}.closed"),
                         "with a pull-up a closed contact reads low: an interface that drives it high needs none")


def _usb(pedal: Pedal) -> Iterator[Broken]:
    by_usb, wireless = pedal.type in ("usb", "wireless"), pedal.type == "wireless"
    for key in ("usb_id", "pedal_key"):
        if by_usb and not getattr(pedal, key):
            yield Broken(("pedal.type", f"pedal.{key}"), f"a {pedal.type} pedal needs its {key}")
    for key in ("usb_id", "pedal_key", "privacy_key", "usb_serial", "usb_port"):
        if not by_usb and getattr(pedal, key):
            yield Broken(("pedal.type", f"pedal.{key}"), "only a usb or wireless pedal has this")
    for key in ("link_key", "battery_key"):
        if not wireless and getattr(pedal, key):
            yield Broken(("pedal.type", f"pedal.{key}"), "only a wireless pedal has this")
    if wireless != (pedal.link_sign != "none"):
        yield Broken(("pedal.type", "pedal.link_sign"), "say how a wireless pedal's lost link shows; if its receiver"
                     ' tells nothing, it is a pedal of type "usb" here, and out of reach it looks like one at rest')
    if wireless and (pedal.link_sign in ("key-held", "key-lost", "heartbeat")) != bool(pedal.link_key):
        yield Broken(("pedal.link_sign", "pedal.link_key"), "a key and what it means go together")
    used: dict[str, str] = {}
    for name in ("pedal_key", "privacy_key", "link_key", "battery_key"):
        key = getattr(pedal, name)
        if key and key in used:
            yield Broken((f"pedal.{name}", f"pedal.{used[key]}"), "one key cannot do two jobs")
        used.setdefault(key, name)


def _lights(definition: BoardDefinition) -> Iterator[Broken]:
    if definition.board.carrier == "none":
        return
    for name, lamp in (("record_light", definition.record_light), ("ready_light", definition.ready_light)):
        if not lamp.pin:
            yield Broken((f"{name}.pin",), "nobody at the table could see what the unit does: give its pin")


def _sounder(definition: BoardDefinition) -> Iterator[Broken]:
    sounder, carrier = definition.sounder, CARRIERS.get(definition.board.carrier)
    if sounder.type == "none" and sounder.pin:
        yield Broken(("sounder.type", "sounder.pin"), "say whether it is on-off or pwm")
    if sounder.type != "none" and carrier is not None and not sounder.pin:
        yield Broken(("sounder.type", "sounder.pin"), "a sounder on a header needs its pin")
    if sounder.type != "pwm" and sounder.frequency_hz:
        yield Broken(("sounder.type", "sounder.frequency_hz"), "only a pwm sounder's pitch can be chosen")
    if sounder.type == "pwm" and carrier is not None and sounder.pin and sounder.pin not in carrier.pwm:
        pins = ", ".join(str(pin) for pin in sorted(carrier.pwm))
        yield Broken(("sounder.type", "sounder.pin"), f"no tone generator is behind this pin; there is one at {pins}")
