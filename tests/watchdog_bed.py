"""LinuxWatchdog, unmodified, over a /dev/watchdog0 that umockdev emulates: its ioctls end in hw.sim.watchdog's device.

Run by tests/test_contract_watchdog.py in a process of its own under umockdev-wrapper, whose preload library stands
between the adapter and the kernel. umockdev cannot refuse a second open, so that is tried on a real device only.
"""

from __future__ import annotations

import errno
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gi
import pytest

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

from firmware.errors import PartMissing  # noqa: E402
from hw.linux.watchdog import CAN_SET_TIMEOUT, GETSUPPORT, GETTIMEOUT, INFO, KEEPALIVE, SETTIMEOUT  # noqa: E402
from hw.linux.watchdog import LinuxWatchdog as Adapter  # noqa: E402
from hw.sim.watchdog import WatchdogDevice  # noqa: E402
from tests.contract.watchdog import TIMEOUT_S, WatchdogContract  # noqa: E402

DEVICE = "/dev/watchdog0"


class Node(UMockdev.IoctlBase):  # type: ignore[misc]
    """The system calls on the device node, as drivers/watchdog/watchdog_dev.c answers them."""

    def __init__(self, device: WatchdogDevice) -> None:
        super().__init__()
        self.device = device
        self.options = CAN_SET_TIMEOUT
        self.fails = 0
        self.refuses_timeout = False
        self._clients: list[Any] = []

    def do_client_connected(self, client: Any) -> None:
        self.forget_closed()
        self._clients.append(client)
        self.device.open()

    def forget_closed(self) -> bool:
        """umockdev tells of a closed file only when it is asked. Is none open now?"""
        for client in [one for one in self._clients if not one.get_connected()]:
            self._clients.remove(client)
            self.device.close()
        return not self._clients

    def do_handle_write(self, client: Any) -> bool:
        data = client.get_arg()
        self.device.write(bytes(data.retrieve()))
        client.complete(data.data_length1, 0)
        return True

    def do_handle_ioctl(self, client: Any) -> bool:
        request = client.get_request() & 0xFFFFFFFF
        if self.fails:
            client.complete(-1, self.fails)
        elif request == GETSUPPORT:
            client.get_arg().resolve(0, INFO.size).update(0, INFO.pack(self.options, 1, b"emulated"))
            client.complete(0, 0)
        elif request == SETTIMEOUT and self.refuses_timeout:
            client.complete(-1, errno.EINVAL)
        elif request in (SETTIMEOUT, GETTIMEOUT):
            value = client.get_arg().resolve(0, 4)
            if request == SETTIMEOUT:
                self.device.set_timeout(struct.unpack("=i", bytes(value.retrieve()))[0])
            value.update(0, struct.pack("=i", self.device.timeout_s))
            client.complete(0, 0)
        elif request == KEEPALIVE:
            self.device.feed()
            client.complete(0, 0)
        else:
            client.complete(-1, errno.ENOTTY)
        return True


@pytest.fixture(scope="module")
def node() -> Node:
    made = Node(WatchdogDevice())
    bed = UMockdev.Testbed.new()
    threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
    bed.attach_ioctl(DEVICE, made)
    bed.add_from_string(
        "P: /devices/virtual/watchdog/watchdog0\nN: watchdog0\nE: SUBSYSTEM=watchdog\nE: DEVNAME=/dev/watchdog0\n"
    )
    made.bed = bed  # it lives as long as the node
    return made


class TestLinuxWatchdog(WatchdogContract):
    adapter = "hw.linux.watchdog.LinuxWatchdog"

    test_a_second_program_is_refused_by_name_and_does_no_harm = None  # type: ignore[assignment]

    @pytest.fixture(autouse=True)
    def _device(self, node: Node) -> Iterator[None]:
        self.node, self.now = node, 0.0
        node.device = self.device = WatchdogDevice(clock=lambda: self.now)
        node.options, node.fails, node.refuses_timeout = CAN_SET_TIMEOUT, 0, False
        yield
        until(self.node.forget_closed)

    def make(self, timeout_s: int = TIMEOUT_S) -> Adapter:
        return Adapter(DEVICE, timeout_s)

    def test_the_timeout_arrives_the_feeding_counts_and_the_word_before_the_end_stops_it(self) -> None:
        watchdog = self.make()
        assert (self.device.timeout_s, self.device.running, watchdog.identity) == (TIMEOUT_S, True, "emulated")
        fed = self.device.feeds
        watchdog.feed()
        assert self.device.feeds == fed + 1
        self.now += TIMEOUT_S - 1
        watchdog.feed()
        self.now += TIMEOUT_S - 1
        assert not self.device.look()
        watchdog.close()
        until(self.node.forget_closed)
        assert not self.device.running

    def test_without_that_word_it_runs_on_and_fires(self) -> None:
        import os

        watchdog = self.make()
        os.close(watchdog._handle)  # what the kernel does for a process that was killed
        watchdog._handle = -1
        until(self.node.forget_closed)
        assert self.device.running
        self.now += TIMEOUT_S + 1
        assert self.device.look()

    @pytest.mark.parametrize("spoil", [
        lambda node: setattr(node, "refuses_timeout", True),
        lambda node: setattr(node.device, "most_s", 60),
        lambda node: setattr(node, "options", 0),
        lambda node: setattr(node, "fails", errno.ENOTTY),
    ])
    def test_one_that_cannot_do_it_is_refused_by_name_and_left_stopped(self, spoil: Callable[[Node], None]) -> None:
        spoil(self.node)
        with pytest.raises(PartMissing, match=r"does not take 120 s|grants 60 s of 120 s|is no watchdog") as caught:
            self.make()
        assert caught.value.todo
        until(self.node.forget_closed)
        assert not self.device.running

    def test_one_that_cannot_be_set_but_is_long_enough_is_taken(self) -> None:
        self.node.options, self.device.timeout_s = 0, 300
        self.make().close()

    def test_feeding_that_fails_is_an_error(self) -> None:
        watchdog = self.make()
        self.node.fails = errno.EIO
        with pytest.raises(OSError, match="Input/output"):
            watchdog.feed()
        watchdog.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
