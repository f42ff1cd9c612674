"""Puts model devices behind /dev/input and /sys of this process, through umockdev's preload library.

The process is to be started by `umockdev-wrapper`. The system calls of the unmodified libevdev end in kernel.py.
"""

from __future__ import annotations

import errno
import struct
import threading
from pathlib import Path
from typing import Any

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

from tests.evdev.kernel import EV_KEY, EV_REP, EV_SYN, KEY_CNT, InputDevice, bits  # noqa: E402

EVIOCGVERSION, EVIOCGID, EVIOCGNAME, EVIOCGPHYS, EVIOCGUNIQ = 0x01, 0x02, 0x06, 0x07, 0x08
EVIOCGKEY, EVIOCGBIT, EVIOCGRAB, EVIOCSCLOCKID = 0x18, 0x20, 0x90, 0xA0
BUS_USB = 3


class Node(UMockdev.IoctlBase):  # type: ignore[misc]
    """The system calls on one event node. While `hangs` is set, no ioctl comes back."""

    def __init__(self, device: InputDevice, phys: str, uniq: str) -> None:
        super().__init__()
        self.device, self.phys, self.uniq = device, phys, uniq
        self.hangs = False
        self.lock = threading.Lock()

    def do_client_connected(self, client: Any) -> None:
        with self.lock:
            self.device.open(client)

    def forget_closed(self) -> None:
        """umockdev tells of a closed file only when it is asked."""
        with self.lock:
            for client in [client for client in self.device.clients if not client.get_connected()]:
                self.device.close(client)

    def do_handle_read(self, client: Any) -> bool:
        data = client.get_arg()
        with self.lock:
            answer = self.device.read(client, data.data_length1)
        if isinstance(answer, int):
            client.complete(-1, answer)
        else:
            data.update(0, answer)
            client.complete(len(answer), 0)
        return True

    def do_handle_ioctl(self, client: Any) -> bool:
        if self.hangs:
            return True  # taken, and never answered
        self.forget_closed()
        request = client.get_request()
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        with self.lock:
            if not self.device.exists:
                client.complete(-1, errno.ENODEV)
            elif number == EVIOCGRAB:
                (pointer,) = struct.unpack("=q", bytes(client.get_arg().retrieve()))
                problem = self.device.grab(client, pointer != 0)
                client.complete(-1 if problem else 0, problem)
            elif number == EVIOCSCLOCKID:
                client.complete(0, 0)
            else:
                self._tell(client, number, size)
        return True

    def _tell(self, client: Any, number: int, size: int) -> None:
        device = self.device
        known = {
            EVIOCGVERSION: lambda: struct.pack("=i", 0x010001),
            EVIOCGID: lambda: struct.pack("=4H", BUS_USB, device.vendor, device.product, 0x0110),
            EVIOCGNAME: lambda: device.name.encode() + b"\0",
            EVIOCGPHYS: lambda: self.phys.encode() + b"\0",
            EVIOCGUNIQ: lambda: self.uniq.encode() + b"\0",
            EVIOCGKEY: lambda: device.key_state(client),
            EVIOCGBIT: lambda: bits({EV_SYN, EV_KEY, EV_REP}, 32),
            EVIOCGBIT + EV_KEY: lambda: bits(device.keys, KEY_CNT),
        }
        answer = known[number]()[:size] if number in known else bytes(size)
        client.get_arg().resolve(0, size).update(0, answer)
        client.complete(len(answer), 0)


class Testbed:
    """This process's /sys/class/input and /dev/input."""

    __test__ = False

    def __init__(self) -> None:
        self._bed = UMockdev.Testbed.new()
        self._nodes: dict[str, tuple[Node, str]] = {}
        self._made = 0
        threading.Thread(target=GLib.MainLoop().run, daemon=True).start()

    def plug(self, device: InputDevice, port: str, interface: int = 0, uniq: str = "") -> str:
        """Plug a device in; its node's name ("event0"). A replugged pedal gets another number, as it may on Linux."""
        name, number = f"event{self._made}", self._made
        self._made += 1
        phys = f"{port}/input{interface}"
        node = Node(device, phys, uniq)
        parent = f"/devices/usb1/1-{number}/input/input{number}"
        self._nodes[name] = (node, parent)
        self._bed.attach_ioctl(f"/dev/input/{name}", node)  # before it can be found, and opened
        self._bed.add_from_string(
            f"P: {parent}\nE: SUBSYSTEM=input\nA: name={device.name}\nA: phys={phys}\nA: uniq={uniq}\n"
            f"A: id/bustype={BUS_USB:04x}\nA: id/vendor={device.vendor:04x}\nA: id/product={device.product:04x}\n\n"
            f"P: {parent}/{name}\nN: input/{name}\nE: SUBSYSTEM=input\nE: DEVNAME=/dev/input/{name}\nL: device=../\n"
        )
        return name

    @property
    def root(self) -> str:
        return str(self._bed.get_root_dir())

    def node(self, name: str) -> Node:
        return self._nodes[name][0]

    def set_mode(self, name: str, mode: int) -> None:
        """Who may open the node; the emulation behind it is open to all."""
        root = Path(self._bed.get_root_dir())
        root.chmod(0o755)
        (root / "ioctl" / "dev" / "input" / name).chmod(0o666)
        (root / "dev" / "input" / name).chmod(mode)

    def unplug(self, name: str) -> None:
        """The device lets its keys go and dies; its node and its sysfs folder go away."""
        node, parent = self._nodes.pop(name)
        with node.lock:
            node.device.let_go()
            node.device.die()
        self._bed.remove_device(f"/sys{parent}/{name}")
        self._bed.remove_device(f"/sys{parent}")
        (Path(self._bed.get_root_dir()) / "dev" / "input" / name).unlink(missing_ok=True)
