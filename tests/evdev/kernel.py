"""A model of the Linux kernel's evdev (drivers/input/evdev.c and input.c): clients, grabs, overflow, unplug. Pure.

It has the kernel's manners: an overflow drops everything; a device that is unplugged lets go of its keys first, and
what a client has not read by the time it is gone is lost.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

EV_SYN, EV_KEY, EV_REP = 0, 1, 0x14
SYN_REPORT, SYN_DROPPED = 0, 3
KEY_CNT = 0x300
BUFFER_EVENTS = 64
EVENT = struct.Struct("=qqHHi")

Event = tuple[int, int, int, int]
"""(CLOCK_MONOTONIC ns, type, code, value)"""


@dataclass(slots=True)
class Client:
    """One open file. `ready` events can be read; `packet` is one that is not complete yet."""

    ready: list[Event] = field(default_factory=list)
    packet: list[Event] = field(default_factory=list)

    def pass_events(self, events: list[Event]) -> None:
        for event in events:
            self.packet.append(event)
            if len(self.ready) + len(self.packet) >= BUFFER_EVENTS:
                self.ready = []
                self.packet = [(event[0], EV_SYN, SYN_DROPPED, 0), event]
            if event[1:3] == (EV_SYN, SYN_REPORT):
                self.ready += self.packet
                self.packet = []

    def forget_keys(self) -> None:
        """Asking for the key state takes the key events out of the queue: the state already has them."""
        kept: list[Event] = []
        for event in self.ready:
            empty_report = event[1:3] == (EV_SYN, SYN_REPORT) and (not kept or kept[-1][1:3] == (EV_SYN, SYN_REPORT))
            if event[1] != EV_KEY and not empty_report:
                kept.append(event)
        self.ready = kept


class InputDevice:
    """One device with its event node. `now_ns` is CLOCK_MONOTONIC, the clock that libevdev asks for."""

    def __init__(self, name: str, usb_id: str, keys: set[int], now_ns: Callable[[], int]) -> None:
        self.name, self.keys, self._now_ns = name, keys, now_ns
        self.vendor, self.product = (int(part, 16) for part in usb_id.split(":"))
        self.held: set[int] = set()
        self.exists = True
        self.clients: dict[object, Client] = {}
        self.grabbed_by: object | None = None
        self.console: list[int] = []

    # ---- what the hardware does ------------------------------------------------------------------

    def key(self, code: int, down: bool) -> None:
        if self.exists and down != (code in self.held):
            (self.held.add if down else self.held.discard)(code)
            self._emit([(EV_KEY, code, int(down))], 0)

    def repeat(self) -> None:
        """The kernel's autorepeat of every key that is held."""
        for code in self.held:
            self._emit([(EV_KEY, code, 2)], 1)

    def let_go(self) -> None:
        """The first half of unplugging: the kernel releases what is held, in a packet that says it was the kernel."""
        if self.held:
            self._emit([(EV_KEY, code, 0) for code in sorted(self.held)], 1)
            self.held.clear()

    def die(self) -> None:
        """The second half: every call on an open file answers ENODEV from now on."""
        self.exists, self.grabbed_by = False, None

    def _emit(self, events: list[tuple[int, int, int]], report: int) -> None:
        now = self._now_ns()
        packet = [(now, *event) for event in events] + [(now, EV_SYN, SYN_REPORT, report)]
        for who, client in self.clients.items():
            if self.grabbed_by is None or who is self.grabbed_by:
                client.pass_events(packet)
        if self.grabbed_by is None:
            self.console += [code for _, code, value in events if value == 1]

    # ---- what a program asks ---------------------------------------------------------------------

    def open(self, who: object) -> None:
        self.clients[who] = Client()

    def close(self, who: object) -> None:
        self.clients.pop(who, None)
        if self.grabbed_by is who:
            self.grabbed_by = None

    def read(self, who: object, size: int) -> bytes | int:
        """Whole events, at most `size` bytes; or an errno."""
        client = self.clients[who]
        if not self.exists:
            return errno.ENODEV
        if size < EVENT.size:
            return errno.EINVAL
        if not client.ready:
            return errno.EAGAIN
        count = min(len(client.ready), size // EVENT.size)
        taken, client.ready = client.ready[:count], client.ready[count:]
        return b"".join(EVENT.pack(at_ns // 10**9, at_ns // 1000 % 10**6, *rest) for at_ns, *rest in taken)

    def grab(self, who: object, take: bool) -> int:
        """0 or an errno."""
        if not self.exists:
            return errno.ENODEV
        if take and self.grabbed_by is not None:
            return errno.EBUSY
        if not take and self.grabbed_by is not who:
            return errno.EINVAL
        self.grabbed_by = who if take else None
        return 0

    def key_state(self, who: object) -> bytes:
        self.clients[who].forget_keys()
        return bits(self.held, KEY_CNT)


def bits(codes: set[int], count: int) -> bytes:
    """A kernel bit mask."""
    mask = bytearray(count // 8)
    for code in codes:
        mask[code // 8] |= 1 << code % 8
    return bytes(mask)
