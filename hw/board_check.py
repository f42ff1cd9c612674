"""Compares a board definition with what was found on the machine: one finding for each part. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firmware.config import Config
from hw.board_definition import BoardDefinition
from hw.wiring import InputWire, inputs, outputs

STOP_RECORDER = "stop the recorder (it holds the pins) and check again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: is it as the definition says, what was seen, and what to do where it is not."""

    part: str
    ok: bool
    told: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found. A text in place of readings says why there are none.

    `levels`: pin -> what it read (True: high) at rest, many times. `problems`: pin of an output -> why it cannot be
    driven, "" when it can. `nodes`: device -> "" when this user can open it, else why not. `key_pedal`: why the USB
    or wireless pedal cannot be read, "" when it can.
    """

    levels: Mapping[int, Sequence[bool] | str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    key_pedal: str = "was not tried"


def compare(definition: BoardDefinition, seen: Seen) -> list[Finding]:
    """Every part of `definition`, in the order of its file."""
    found = [_wire(wire, seen.levels.get(wire.pin, "was not tried")) for wire in inputs(definition)]
    if definition.pedal.usb_id:
        found.append(_key_pedal(f"{definition.pedal.type} pedal {definition.pedal.usb_id}", seen.key_pedal))
    for wire in outputs(definition):
        problem = seen.problems.get(wire.pin, "was not tried")
        found.append(Finding(f"{wire.title}, pin {wire.pin}", not problem, problem or "can be driven",
                             _output_todo(wire.part, problem)))
    for part, node, todo in (
        ("Capture device", definition.capture.device, "plug the grabber in, or correct capture.device"),
        ("Hardware watchdog", definition.watchdog.device, "load its driver, or leave watchdog.device out"),
    ):
        if node:
            problem = seen.nodes.get(node, "was not tried")
            found.append(Finding(f"{part} {node}", not problem, problem or "there", todo if problem else ""))
    return found


def compare_config(definition: BoardDefinition, config: Config) -> list[Finding]:
    """What the configuration asks of the board and the board cannot do."""
    found = []
    device, uri, sounder = definition.capture.device, config.source.uri, config.sounder
    if device and uri != device:
        found.append(Finding(f"Capture device {device}", False, f"the configuration records from {uri}",
                             "set source.uri to it, or correct capture.device"))
    if definition.sounder.type == "on-off" and sounder.quiet_from and sounder.quiet_volume_percent:
        found.append(Finding("Sounder", False, "it is only on or off, so it is as loud in quiet hours as at any time",
                             "set sounder.quiet_volume_percent to 0, or fit a pwm sounder"))
    if definition.sounder.type == "none" and definition.board.kind != "sim" and sounder.volume_percent:
        found.append(Finding("Sounder", False, "the board has none, so no tone is ever heard",
                             "fit one, or set sounder.volume_percent to 0 to say that this is known"))
    return found


def _wire(wire: InputWire, levels: Sequence[bool] | str) -> Finding:
    part = f"{wire.title}, pin {wire.pin}"
    if isinstance(levels, str):
        return Finding(part, False, levels, STOP_RECORDER if "busy" in levels.lower() else "see the message")
    read = {"high" if level else "low" for level in levels}
    if read == {wire.at_rest}:
        return Finding(part, True, f"reads {wire.at_rest}, as at rest")
    if len(read) != 1:
        return Finding(part, False, "flickers between high and low",
                       "nothing drives the pin: fit pull-up and buffer, and look for a loose wire")
    other = "low" if wire.at_rest == "high" else "high"
    return Finding(part, False, f"reads {other}, at rest it should read {wire.at_rest}",
                   "take the foot off; if it stays: is the cable plugged in, are NO and NC exchanged?")


def _key_pedal(part: str, problem: str) -> Finding:
    """The adapter's own words: what is wrong, and after "Do:" what to do."""
    if not problem:
        return Finding(part, True, "is there with its keys, and nobody else has it")
    told, _, todo = problem.partition(". Do: ")
    if "another program" in told:
        todo = "stop the recorder (it holds the pedal), or that program, and check again"
    return Finding(part, False, told, todo or "plug it in; `scrubcam pedal listen` shows what another one is")


def _output_todo(part: str, problem: str) -> str:
    if not problem:
        return ""
    if "busy" in problem.lower():
        return STOP_RECORDER
    return "enable pwm on this pin with jetson-io" if part == "sounder" else "see the message"
