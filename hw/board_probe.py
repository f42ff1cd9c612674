"""Looks at the machine for `scrubcam board check`: pins at rest, USB pedal, outputs, nodes. It must not judge."""

from __future__ import annotations

import os
import stat
import time

from firmware.errors import PartMissing
from hw.board_check import Seen
from hw.board_definition import BoardDefinition, Pedal
from hw.linux.key_pedal import key_pedal
from hw.ports import PedalLost
from hw.wiring import inputs, outputs

READINGS = 50
READ_EVERY_S = 0.005


def look(definition: BoardDefinition) -> Seen:
    """Everything that the definition names. Lamps stay dark and the sounder silent. Raises PartMissing when the pins
    cannot be looked at at all (no library, no gpiochip)."""
    levels: dict[int, list[bool] | str] = {}
    problems: dict[int, str] = {}
    if definition.board.kind == "jetson":
        from hw.jetson.gpio import load_gpio, make_tone_generator, set_up  # only a Jetson has the vendor's library

        gpio = load_gpio()
        for wire in inputs(definition):
            try:
                set_up(wire.pin, gpio.IN)
                levels[wire.pin] = _read(gpio, wire.pin)
            except (PartMissing, OSError) as problem:
                levels[wire.pin] = getattr(problem, "what", "") or str(problem)
        for out in outputs(definition):
            try:
                if out.part == "sounder" and definition.sounder.type == "pwm":
                    make_tone_generator(out.pin, 1000)
                else:
                    set_up(out.pin, gpio.OUT, initial=int(not out.high))
                problems[out.pin] = ""
            except PartMissing as problem:
                problems[out.pin] = problem.what
    named = (definition.capture.device, definition.watchdog.device)
    return Seen(levels, problems, {node: _problem(node) for node in named if node},
                _key_pedal(definition.pedal) if definition.pedal.usb_id else "")


def _key_pedal(pedal: Pedal) -> str:
    """Takes the pedal as the recorder does, and gives it back. Raises PartMissing, ConfigError."""
    pins = key_pedal(pedal)
    try:
        pins.read()
    except PedalLost as lost:
        return str(lost)
    finally:
        pins.close()
    return ""


def _read(gpio: object, pin: int) -> list[bool]:
    read = []
    for _ in range(READINGS):
        read.append(bool(gpio.input(pin)))  # type: ignore[attr-defined]  # the vendor's module has no types
        time.sleep(READ_EVERY_S)
    return read


def _problem(node: str) -> str:
    """Why this device cannot be used, "" when it can. It is not opened: opening a watchdog starts it."""
    try:
        mode = os.stat(node).st_mode
    except OSError as error:
        return f"not there ({error.strerror})"
    if not stat.S_ISCHR(mode):
        return "not a device"
    return "" if os.access(node, os.R_OK | os.W_OK) else "this user may not open it: its group is missing"
