"""A USB pedal that sends keys: found by what it is, grabbed, read without waiting, taken up again when replugged.

A thread looks for the pedal and opens it, because opening can take long (the device is woken up) or hang. What a press
means is not known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from firmware.errors import ConfigError
from hw.key_levels import KeyLevels
from hw.linux.evdev_library import load_libevdev
from hw.linux.event_nodes import EventNode, choose, event_nodes, unplugged
from hw.linux.grabbed_device import GrabbedDevice
from hw.ports import PedalLost

LOOK_S = 0.5
FIRST_LOOK_S = 2.0
HUNG_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class UsbPedalSpec:
    """Which pedal, and what its keys are. `usb_id` is "05f3:00ff"; `keys` names the key (KEY_B, BTN_0) of each role.

    `serial` and `port` tell one pedal from an equal one; empty: any.
    """

    usb_id: str
    keys: dict[str, str]
    serial: str = ""
    port: str = ""


class UsbPedal:
    """Pins over the event devices of one USB pedal. Raises PartMissing (no libevdev), ConfigError (no such key)."""

    def __init__(self, spec: UsbPedalSpec, *, look_s: float = LOOK_S,
                 now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._lib = load_libevdev()
        self._spec, self._look_s, self._now_ns = spec, look_s, now_ns
        self._roles: dict[int, str] = {}
        for role, name in spec.keys.items():
            code = self._lib.evbit("EV_KEY", name)
            if code is None:
                raise ConfigError(f"there is no key {name!r}", meaning="Nobody could press it, so nothing was started",
                                  todo="correct the board definition; `scrubcam pedal listen` shows what a pedal sends")
            self._roles[code.value] = role
        self._lock = threading.Lock()
        self._opened: tuple[GrabbedDevice, ...] = ()
        self._gone: list[GrabbedDevice] = []
        self._levels = KeyLevels(self._roles)
        self._problem = "the USB pedal was not found yet"
        self._opening_ns = 0
        self._seen: list[EventNode] = []
        self._looked, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="usb-pedal", daemon=True)
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)

    def read(self) -> dict[str, bool]:
        """All roles; True is pressed. Never waits. Raises PedalLost: what is wrong, and what to do about it."""
        with self._lock:
            if not self._opened:
                raise PedalLost(self._hung() or self._problem)
            try:
                for device in self._opened:
                    if not device.drain(self._levels):
                        raise OSError("the kernel lets its keys go")
            except Exception as error:  # a pedal must never end the recorder's loop
                self._gone += self._opened
                self._opened = ()
                self._problem = (unplugged(self._spec.usb_id, self._spec.serial, self._spec.port)
                                 if isinstance(error, OSError) else
                                 f"the USB pedal {self._spec.usb_id} cannot be read: {error!r}")
                raise PedalLost(self._problem) from None
            return self._levels.read(self._now_ns())

    def close(self) -> None:
        """Let go of the pedal. May be called twice."""
        self._ended.set()
        self._thread.join(timeout=HUNG_NS / 1e9)
        with self._lock:
            opened, self._opened = self._opened, ()
            self._problem = "the pedal was closed"
        for device in opened:
            device.close()

    # ---- the looking thread ----------------------------------------------------------------------

    def _keep_looking(self) -> None:
        while not self._ended.is_set():
            self._look()
            self._looked.set()
            self._ended.wait(self._look_s)

    def _look(self) -> None:
        with self._lock:
            gone, self._gone = self._gone, []
            opened = {device.node for device in self._opened}
        for device in gone:
            device.close()
        try:
            nodes = event_nodes()
            if opened and nodes == self._seen:
                return  # all is well, and nothing was plugged in or out since
            self._open([node for node in self._fitting(nodes, opened) if node not in opened])
            self._seen = nodes
        except PedalLost as problem:
            self._problem = str(problem)
        except Exception as error:  # whatever it is: without this thread the pedal would never be found again
            self._problem = f"the USB pedal {self._spec.usb_id} cannot be opened: {error!r}"

    def _fitting(self, nodes: list[EventNode], opened: set[EventNode]) -> list[EventNode]:
        """While a pedal is in use, an equal one beside it must not take it away: only the first one's nodes count."""
        spec, one = self._spec, next(iter(opened), None)
        return choose(nodes, spec.usb_id, *((one.serial, one.port) if one else (spec.serial, spec.port)))

    def _open(self, nodes: list[EventNode]) -> None:
        """All of `nodes` or none. Raises PedalLost, OSError."""
        fresh: list[GrabbedDevice] = []
        try:
            for node in nodes:
                self._opening_ns = self._now_ns()
                fresh.append(GrabbedDevice(self._lib, node))
                self._opening_ns = 0
            with self._lock:
                self._take(fresh)
        except BaseException:
            self._opening_ns = 0
            for device in fresh:
                device.close()
            raise

    def _take(self, fresh: list[GrabbedDevice]) -> None:
        keys = {key for device in (*self._opened, *fresh) for key in device.keys}
        missing = [self._spec.keys[role] for code, role in self._roles.items() if code not in keys]
        if missing:
            raise PedalLost(f"the USB pedal {self._spec.usb_id} has no key {missing[0]}. Do: `scrubcam pedal listen`"
                            " shows what it sends; name that in the board definition")
        if not self._opened:
            self._levels = KeyLevels(self._roles)
        for device in fresh:
            self._levels.begin(device.node.path, device.held)
        self._opened = (*self._opened, *fresh)

    def _hung(self) -> str:
        since_ns = self._opening_ns
        if not since_ns or self._now_ns() - since_ns < HUNG_NS:
            return ""
        return (f"the USB pedal {self._spec.usb_id} does not answer. Do: unplug it and plug it in again, at another"
                " socket if that does not help")
