"""The pedals under their contract: simulated, and USB through the unmodified libevdev over emulated event devices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from hil import qemu_hand
from hil.qemu_hand import QemuHand
from hw.linux.usb_pedal import UsbPedal, UsbPedalSpec
from hw.sim.board import SimBoard
from hw.wireless_pins import WirelessPins
from tests.contract.pedal import PedalContract
from tests.evdev.remote import Remote, host

USB_ID, PORT = "3553:b001", "usb-0000:00:14.0-2"
KEYS = {"pedal": 48, "privacy": 46}
NAMES = {"pedal": "KEY_B", "privacy": "KEY_C"}
LINK = 193  # KEY_F23


class TestSimPedal(PedalContract):
    adapter = "hw.sim.board.SimBoard"
    ran_on = "nothing: simulated contacts that bounce"

    @pytest.fixture
    def pins(self) -> Iterator[SimBoard]:
        board = SimBoard(seed=5)
        yield board
        board.close()

    @pytest.fixture
    def hand(self, pins: SimBoard) -> SimHand:
        return SimHand(pins)


class SimHand:
    """A foot and a hand on the simulated board."""

    def __init__(self, board: SimBoard) -> None:
        self.press, self.release = board.press, board.release
        self._board = board

    def unplug(self) -> None:
        self._board.unplug("pedal")

    def plug(self) -> None:
        self._board.plug("pedal")


class EmulatedHand:
    """A foot on an emulated USB pedal, a hand on its plug."""

    def __init__(self, remote: Remote, keys: dict[str, str], held: int | None = None) -> None:
        self._remote = remote
        self._held = set() if held is None else {held}
        self.node = ""
        self.plug()
        remote.ask("open", spec={"usb_id": USB_ID, "keys": keys})

    def press(self, role: str) -> None:
        self._move(KEYS[role], True)

    def release(self, role: str) -> None:
        self._move(KEYS[role], False)

    def unplug(self) -> None:
        self._remote.ask("unplug", node=self.node)
        self.node = ""

    def plug(self) -> None:
        self.node = self._remote.ask("plug", usb_id=USB_ID, keys=[*KEYS.values(), LINK], port=PORT, held=[*self._held])

    def _move(self, code: int, down: bool) -> None:
        (self._held.add if down else self._held.discard)(code)
        if self.node:
            self._remote.ask("key", node=self.node, code=code, down=down)


class TestUsbPedal(PedalContract):
    adapter = "hw.linux.usb_pedal.UsbPedal"
    ran_on = "event devices emulated by umockdev, under the unmodified libevdev"

    @pytest.fixture
    def hand(self) -> Iterator[EmulatedHand]:
        with host() as remote:
            yield EmulatedHand(remote, NAMES)
            remote.close()

    @pytest.fixture
    def pins(self, hand: EmulatedHand) -> Remote:
        return hand._remote


class TestWirelessPedal(PedalContract):
    """In reach; what a lost link does is tried in test_wireless_pedal.py."""

    adapter = "hw.wireless_pins.WirelessPins"
    ran_on = "a receiver emulated by umockdev, under the unmodified libevdev"

    @pytest.fixture
    def hand(self) -> Iterator[EmulatedHand]:
        with host() as remote:
            yield EmulatedHand(remote, NAMES | {"link": "KEY_F23"}, held=LINK)
            remote.close()

    @pytest.fixture
    def pins(self, hand: EmulatedHand) -> WirelessPins:
        return WirelessPins(hand._remote, "key-held", 3.0)


class TestUsbPedalOnUinput(PedalContract):
    """A real kernel's event device; the keys come from a uinput device that this test makes. Needs /dev/uinput."""

    adapter = "hw.linux.usb_pedal.UsbPedal"
    bench = "pedal.uinput"
    ran_on = "virtual bench: a uinput device of Debian's 6.12 kernel"

    @pytest.fixture
    def hand(self) -> Iterator[object]:
        from tests.evdev.uinput_pedal import UinputPedal

        with contextlib.closing(UinputPedal(USB_ID, NAMES)) as hand:
            hand.plug()
            yield hand

    @pytest.fixture
    def pins(self, hand: object) -> Iterator[UsbPedal]:
        pedal = UsbPedal(UsbPedalSpec(USB_ID, NAMES))
        yield pedal
        pedal.close()


class TestUsbPedalOnQemu(PedalContract):
    """A USB device under the real USB, HID and input drivers of the virtual bench's guest; QEMU moves it."""

    adapter = "hw.linux.usb_pedal.UsbPedal"
    bench = "pedal.qemu"
    ran_on = "virtual bench: QEMU's USB keyboard under Debian's 6.12 kernel"

    @pytest.fixture
    def hand(self) -> Iterator[QemuHand]:
        with contextlib.closing(QemuHand()) as hand:
            yield hand

    @pytest.fixture
    def pins(self, hand: QemuHand) -> Iterator[UsbPedal]:
        pedal = UsbPedal(UsbPedalSpec(qemu_hand.USB_ID, qemu_hand.KEYS))
        yield pedal
        pedal.close()
