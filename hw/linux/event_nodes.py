"""Which event devices belong to the configured USB pedal, read from sysfs: no device is opened to find out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hw.ports import PedalLost

SYS_INPUT = Path("/sys/class/input")
DEV_INPUT = Path("/dev/input")


@dataclass(frozen=True, slots=True)
class EventNode:
    """One /dev/input/eventN. `usb_id` is "vendor:product" in hex, `port` the socket that it hangs on in kernel's words.

    One USB device may have several nodes (a pedal that can also play a mouse): they share port and serial number.
    """

    path: str
    usb_id: str
    serial: str
    port: str
    name: str


def event_nodes() -> list[EventNode]:
    """All event devices of this machine. One that goes away while it is looked at is left out."""
    try:
        names = os.listdir(SYS_INPUT)
    except FileNotFoundError:
        return []
    return sorted((node for name in names if re.fullmatch(r"event\d+", name) and (node := _node(name)) is not None),
                  key=lambda node: node.path)


def choose(nodes: list[EventNode], usb_id: str, serial: str = "", port: str = "") -> list[EventNode]:
    """The nodes of the one pedal that fits; `serial` and `port` count where they are given.

    Raises PedalLost when there is none, or when two pedals fit.
    """
    fitting = [node for node in nodes
               if node.usb_id == usb_id and serial in ("", node.serial) and port in ("", node.port)]
    if not fitting:
        raise PedalLost(unplugged(usb_id, serial, port))
    pedals = {(node.port, node.serial) for node in fitting}
    if len(pedals) > 1:
        ports = " and ".join(sorted(port for port, _ in pedals))
        raise PedalLost(f"two USB pedals {usb_id} are plugged in (at {ports}), and it is not configured which one"
                        " counts. Do: unplug one, or name the port in the board definition")
    return fitting


def plugged_in_since(before: list[EventNode]) -> list[EventNode]:
    """The nodes of the first device that was plugged in since `before` was read; none yet: an empty list."""
    fresh = [node for node in event_nodes() if node not in before]
    return [node for node in fresh if (node.usb_id, node.port, node.serial) ==
            (fresh[0].usb_id, fresh[0].port, fresh[0].serial)]


def unplugged(usb_id: str, serial: str = "", port: str = "") -> str:
    """What a person is told when that pedal is not there."""
    where = (f" with the serial number {serial}" if serial else "") + (f" at the USB port {port}" if port else "")
    return f"the USB pedal {usb_id}{where} is unplugged"


def _node(name: str) -> EventNode | None:
    device = SYS_INPUT / name / "device"
    try:
        vendor, product = ((device / "id" / key).read_text().strip() for key in ("vendor", "product"))
        phys, serial, title = (_text(device / key) for key in ("phys", "uniq", "name"))
    except OSError:
        return None
    return EventNode(str(DEV_INPUT / name), f"{vendor}:{product}", serial, phys.partition("/")[0], title)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace").strip()
