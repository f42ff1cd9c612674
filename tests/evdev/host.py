"""The process in which our adapter and the unmodified libevdev run over the emulated event devices.

Started by remote.py under umockdev-wrapper. One JSON request a line on standard input, one JSON answer a line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from hw.board_check import compare
from hw.board_definition import About, BoardDefinition, Pedal
from hw.board_probe import look
from hw.linux.usb_pedal import UsbPedal, UsbPedalSpec
from hw.ports import PedalLost
from tests.evdev.kernel import InputDevice
from tests.evdev.testbed import Node, Testbed
from tests.evdev.trial import run_trial

EVIOCGRAB = 0x40044590


class Host:
    """Each public method is a request."""

    def __init__(self) -> None:
        self._bed = Testbed()
        self._pedal: UsbPedal | None = None
        self._strangers: list[subprocess.Popen[bytes]] = []

    # ---- the pedal, from outside -----------------------------------------------------------------

    def plug(self, usb_id: str, keys: list[int], port: str, interface: int = 0, uniq: str = "",
             held: list[int] | None = None, mode: int | None = None, hangs: bool = False) -> str:
        device = InputDevice("FootSwitch", usb_id, set(keys), time.monotonic_ns)
        device.held |= set(held or [])
        name = self._bed.plug(device, port, interface, uniq)
        self._bed.node(name).hangs = hangs
        if mode is not None:
            self.mode(name, mode)
        return name

    def unplug(self, node: str) -> None:
        self._bed.unplug(node)

    def let_go(self, node: str) -> None:
        """The beginning of unplugging, whose end comes late."""
        found = self._node(node)
        with found.lock:
            found.device.let_go()

    def key(self, node: str, code: int, down: bool) -> None:
        found = self._node(node)
        with found.lock:
            found.device.key(code, down)

    def tap(self, node: str, code: int, seconds: float) -> None:
        self.key(node, code, True)
        time.sleep(seconds)
        self.key(node, code, False)

    def repeat(self, node: str) -> None:
        found = self._node(node)
        with found.lock:
            found.device.repeat()

    def console(self, node: str) -> list[int]:
        """The keys that the kernel's console saw."""
        return self._node(node).device.console

    def clients(self, node: str) -> int:
        """How many have it open."""
        self._node(node).forget_closed()
        return len(self._node(node).device.clients)

    def mode(self, node: str, mode: int) -> None:
        self._bed.set_mode(node, mode)

    def stranger(self, node: str) -> None:
        """Another program opens the device and takes it for itself."""
        program = (f"import fcntl, os, time; fcntl.ioctl(os.open('/dev/input/{node}', 0), {EVIOCGRAB}, 1);"
                   " time.sleep(60)")
        self._strangers.append(subprocess.Popen([sys.executable, "-c", program]))
        while self._node(node).device.grabbed_by is None:
            time.sleep(0.01)

    def stranger_leaves(self) -> None:
        while self._strangers:
            stranger = self._strangers.pop()
            stranger.kill()
            stranger.wait()

    def listen(self, options: list[str]) -> None:
        """`scrubcam pedal listen` begins, in a process of its own."""
        command = [sys.executable, "-m", "firmware.cli.main", "pedal", "listen", *options]
        self._listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def listened(self) -> list[str]:
        """Its next line, or all that is left of them once it has ended."""
        assert self._listener.stdout is not None
        if self._listener.poll() is None:
            return [self._listener.stdout.readline()]
        return self._listener.stdout.readlines()

    def environment(self) -> dict[str, str]:
        """What another process needs to live in this testbed."""
        return {"UMOCKDEV_DIR": self._bed.root, "LD_PRELOAD": os.environ["LD_PRELOAD"]}

    def end(self) -> None:
        """Nothing is left behind: umockdev takes its folder away only where its testbed is destroyed in good order."""
        self.stranger_leaves()
        shutil.rmtree(self._bed.root, ignore_errors=True)

    def become_nobody(self) -> None:
        """Go on as a user who is not root, if this is root."""
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

    # ---- the adapter -----------------------------------------------------------------------------

    def open(self, spec: dict[str, Any]) -> None:
        self._pedal = UsbPedal(UsbPedalSpec(**spec))

    def read(self) -> dict[str, Any]:
        assert self._pedal is not None
        try:
            return {"levels": self._pedal.read()}
        except PedalLost as lost:
            return {"lost": str(lost), "fault": lost.fault}

    def close(self) -> None:
        if self._pedal is not None:
            self._pedal.close()

    def check(self, pedal: dict[str, Any]) -> list[dict[str, Any]]:
        """What `scrubcam board check` finds on a board with this pedal alone."""
        board = BoardDefinition(About(kind="pc"), Pedal(**pedal))
        return [asdict(finding) for finding in compare(board, look(board))]

    def trial(self, presses: int, seed: int) -> dict[str, int]:
        return run_trial(self._bed, presses, seed)

    def _node(self, name: str) -> Node:
        return self._bed.node(name)


def main() -> None:
    host = Host()
    try:
        for line in sys.stdin:
            verb, arguments = json.loads(line)
            print(json.dumps(getattr(host, verb)(**arguments)), flush=True)
    finally:
        host.end()


if __name__ == "__main__":
    main()
