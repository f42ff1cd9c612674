"""A USB pedal made with uinput: a real kernel's event device, pressed and unplugged from here. Needs /dev/uinput.

Alone, it is a pedal to press by hand: `python -m tests.evdev.uinput_pedal 3553:b001 pedal=KEY_B`, then one command a
line: press ROLE, release ROLE, tap ROLE SECONDS, unplug, plug.
"""

from __future__ import annotations

import gc
import sys
import time

import libevdev


class UinputPedal:
    """`keys` names the key of each role. Nothing is plugged in before `plug()`."""

    def __init__(self, usb_id: str, keys: dict[str, str]) -> None:
        self._device = libevdev.Device()
        self._device.name = "FootSwitch"
        vendor, product = (int(part, 16) for part in usb_id.split(":"))
        self._device.id = {"bustype": 3, "vendor": vendor, "product": product, "version": 0x110}
        self._codes = {role: libevdev.evbit("EV_KEY", name) for role, name in keys.items()}
        for code in self._codes.values():
            self._device.enable(code)
        self._held: set[str] = set()
        self._plugged: libevdev.Device | None = None

    def press(self, role: str) -> None:
        self._held.add(role)
        self._send(role, 1)

    def release(self, role: str) -> None:
        self._held.discard(role)
        self._send(role, 0)

    def plug(self) -> None:
        self._plugged = self._device.create_uinput_device()
        for role in self._held:
            self._send(role, 1)

    def unplug(self) -> None:
        self._plugged = None
        gc.collect()  # destroys it: the parts of a libevdev device refer to each other

    def close(self) -> None:
        self.unplug()

    def _send(self, role: str, value: int) -> None:
        if self._plugged is not None:
            self._plugged.send_events([libevdev.InputEvent(self._codes[role], value),
                                       libevdev.InputEvent(libevdev.EV_SYN.SYN_REPORT, 0)])


def main() -> None:
    pedal = UinputPedal(sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:]))
    pedal.plug()
    for line in sys.stdin:
        match line.split():
            case ["tap", role, seconds]:
                pedal.press(role)
                time.sleep(float(seconds))
                pedal.release(role)
            case ["press" | "release" as verb, role]:
                getattr(pedal, verb)(role)
            case ["plug" | "unplug" as verb]:
                getattr(pedal, verb)()
            case _:
                print("press ROLE, release ROLE, tap ROLE SECONDS, unplug, plug", file=sys.stderr)


if __name__ == "__main__":
    main()
