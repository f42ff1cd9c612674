"""A foot on the virtual unit's USB pedal and a hand at its plug: from inside the guest, through QEMU's monitor (QMP) on
a serial port. The pedal is QEMU's USB keyboard, so the guest's USB, HID and input drivers are the real ones."""

from __future__ import annotations

import json
import os
import select
import time
from pathlib import Path
from typing import Any

PORTS = Path("/sys/class/virtio-ports")
PORT_NAME = "bench.hand"
DEVICE = "pedal"
USB_ID = "0627:0001"
KEYS = {"pedal": "KEY_B", "privacy": "KEY_C"}
"""The key of each role, as Linux names it; QEMU calls it by the letter alone."""
ANSWER_S = 60.0


class QemuHand:
    """`press`, `release`, `unplug`, `plug`; the pedal is plugged in at first. Raises OSError outside a virtual unit."""

    def __init__(self) -> None:
        self._port = os.open(_port(), os.O_RDWR | os.O_CLOEXEC)
        self._held: set[str] = set()
        self._buffer = b""
        self._number = 0
        self._plugged = True
        self._ask("qmp_capabilities", may_fail=True)  # refused when somebody before us has asked already

    def press(self, role: str) -> None:
        self._held.add(role)
        self._key(role, True)

    def release(self, role: str) -> None:
        self._held.discard(role)
        self._key(role, False)

    def unplug(self) -> None:
        if self._plugged:
            self._ask("device_del", id=DEVICE)
        self._plugged = False

    def plug(self) -> None:
        """Plug in again, with whatever is pressed at that moment."""
        if not self._plugged:
            self._ask("device_add", driver="usb-kbd", id=DEVICE, bus="usb.0")
        self._plugged = True
        for role in self._held:
            self._key(role, True)

    def close(self) -> None:
        """Leave the pedal plugged in and at rest."""
        for role in list(self._held):
            self.release(role)
        self.plug()
        os.close(self._port)

    def _key(self, role: str, down: bool) -> None:
        if self._plugged:
            key = {"type": "qcode", "data": KEYS[role].removeprefix("KEY_").lower()}
            self._ask("input-send-event", events=[{"type": "key", "data": {"down": down, "key": key}}])

    def _ask(self, command: str, *, may_fail: bool = False, **arguments: Any) -> None:
        """Send and wait for the answer. Raises RuntimeError when QEMU refuses, TimeoutError when it says nothing."""
        self._number += 1
        message = {"execute": command, "arguments": arguments, "id": f"{os.getpid()}-{self._number}"}
        os.write(self._port, json.dumps(message).encode() + b"\n")
        deadline = time.monotonic() + ANSWER_S
        while (answer := self._line(deadline)).get("id") != message["id"]:
            pass  # the greeting, an event, or an answer to somebody before us
        if "error" in answer and not may_fail:
            raise RuntimeError(f"QEMU refuses {command}: {answer['error']}")

    def _line(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            if not select.select([self._port], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("QEMU's monitor does not answer")
            self._buffer += os.read(self._port, 65536)
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _port() -> str:
    """The device of the serial port that ends in QEMU's monitor. Raises FileNotFoundError outside a virtual unit."""
    for name in PORTS.glob("*/name"):
        if name.read_text(encoding="utf-8").strip() == PORT_NAME:
            return f"/dev/{name.parent.name}"
    raise FileNotFoundError(f"no serial port named {PORT_NAME}: this is not the virtual bench's guest")
