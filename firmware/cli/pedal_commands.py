"""`scrubcam pedal listen`: shows what keys a USB pedal sends, and the lines that go into the board definition."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from firmware.cli.console import err, out
from firmware.errors import PartMissing
from hw.linux.evdev_library import load_libevdev
from hw.linux.event_nodes import EventNode, choose, event_nodes, plugged_in_since
from hw.linux.grabbed_device import GrabbedDevice
from hw.linux.pedal_talk import Press, definition, remarks, udev_rule
from hw.ports import PedalLost

WAIT_S = 60.0
ALL_THERE_S = 1.0
LOOK_S = 0.02

pedal_app = typer.Typer(help="Foot pedals.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(pedal_app, name="pedal")


@pedal_app.command("listen")
def listen(
    usb_id: Annotated[str, typer.Option(help="A pedal that is plugged in, as lsusb shows it: 05f3:00ff.")] = "",
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Listen for so long.")] = 20.0,
) -> None:
    """Show which keys a USB pedal sends, and what to write into the board definition.

    Without --usb-id it waits for a pedal to be plugged in. It listens to that one device only, and grabs it: what is
    typed on a keyboard stays unseen. The recorder must not run, or it has the pedal.
    """
    lib = load_libevdev()
    try:
        nodes = choose(event_nodes(), usb_id.lower()) if usb_id else _plugged_in()
        devices = [GrabbedDevice(lib, node) for node in nodes]
    except (PedalLost, OSError) as problem:
        raise PartMissing(f"no pedal to listen to: {problem}", meaning="Nothing was changed",
                          todo="plug it in, stop the recorder if it runs, and run this as root") from None
    out.print(f"{escape(nodes[0].name)} ({nodes[0].usb_id} at {escape(nodes[0].port)}): press each switch, one after"
              f" the other. Listening for {seconds:g} s.")
    try:
        presses = _heard(devices, seconds)
    finally:
        for device in devices:
            device.close()
    for remark in remarks(presses):
        err.print(f"[yellow]{escape(remark)}[/]")
    if not presses:
        raise PartMissing("nothing was pressed, or the pedal sends no keys", meaning="Nothing was changed",
                          todo="press each switch while it listens; a pedal that is no keyboard cannot be used")
    lines = [*definition(nodes[0], presses), "", "# /etc/udev/rules.d/72-scrubcam-pedal.rules",
             udev_rule(nodes[0].usb_id)]
    out.print("\nFor the board definition:\n\n" + escape("\n".join(lines)))


def _plugged_in() -> list[EventNode]:
    before = event_nodes()
    out.print(f"Plug the pedal in now (unplug it first if it is in). Waiting for {WAIT_S:g} s.")
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if plugged_in_since(before):
            time.sleep(ALL_THERE_S)  # a pedal may be several devices, which come one after the other
            return plugged_in_since(before)
        time.sleep(LOOK_S)
    raise PedalLost("none was plugged in")


def _heard(devices: list[GrabbedDevice], seconds: float) -> list[Press]:
    presses: list[Press] = []
    down_ns: dict[str, int] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for device in devices:
            try:
                changes = device.changes()
            except OSError:
                err.print("The pedal was unplugged.")
                return presses
            for key, pressed, at_ns in changes:
                if pressed:
                    down_ns[key] = at_ns
                elif key in down_ns:
                    press = Press(key, at_ns - down_ns.pop(key))
                    presses.append(press)
                    out.print(f"{key}, held for {press.held_ns / 1e9:.2f} s")
        time.sleep(LOOK_S)
    return presses
