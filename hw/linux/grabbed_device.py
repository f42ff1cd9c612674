"""One event device, grabbed: nobody else, not even the kernel's console, sees its keys while it is open."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from hw.key_levels import KeyLevels
from hw.linux.event_nodes import EventNode
from hw.ports import PedalLost


class GrabbedDevice:
    """Opens and grabs `node`. Raises PedalLost (not allowed, or another program has it) or OSError (gone).

    `keys` are the key codes that it can send, `held` those held when it was opened.
    """

    def __init__(self, lib: Any, node: EventNode) -> None:
        self.node, self._lib = node, lib
        try:
            self._file = os.fdopen(os.open(node.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
        except PermissionError:
            raise PedalLost(f"the pedal at {node.path} may not be opened by this user. Do: install the udev rule for"
                            " it (docs/wiring.md) and plug it in again") from None
        try:
            self._device = lib.Device(self._file)
            self._device.grab()
        except lib.device.DeviceGrabError as error:
            self._file.close()
            if getattr(error.__context__, "errno", 0) != errno.EBUSY:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None
            raise PedalLost(f"another program has taken the pedal at {node.path} for itself"
                            f"{_holders(node.path)}. Do: end that program") from None
        except BaseException:
            self._file.close()
            raise
        keys = self._device.evbits.get(lib.EV_KEY, [])
        self.keys = {code.value for code in keys}
        self.held = {code.value for code in keys if self._device.value[code]}

    def drain(self, levels: KeyLevels) -> bool:
        """Everything that has arrived; never waits. False: it is being unplugged or reset. Raises OSError when gone."""
        whole = True
        for event in self._events():
            if event.matches(self._lib.EV_KEY):
                levels.key(self.node.path, event.code.value, event.value)
            elif event.matches(self._lib.EV_SYN.SYN_REPORT):
                whole = levels.report(self.node.path, event.value, _at_ns(event)) and whole
        return whole

    def changes(self) -> list[tuple[str, bool, int]]:
        """The key changes that have arrived: (key's name, pressed, ns); never waits. Raises OSError when gone."""
        return [(event.code.name, event.value == 1, _at_ns(event)) for event in self._events()
                if event.matches(self._lib.EV_KEY) and event.value != 2]

    def close(self) -> None:
        self._file.close()

    def _events(self) -> list[Any]:
        events: list[Any] = []
        try:
            for event in self._device.events():
                events.append(event)
        except self._lib.EventsDroppedException:  # too many to keep: libevdev asks for the state of all keys instead
            events += self._device.sync()
        return events


def _at_ns(event: Any) -> int:
    return int(event.sec * 1_000_000_000 + event.usec * 1000)


def _holders(path: str) -> str:
    """Who has `path` open, as far as this user may see: " (evtest, process 812)"."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            others = int(process.name) != os.getpid()
            if others and any(os.path.samefile(handle, path) for handle in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()}, process {process.name}")
        except OSError:
            continue  # another user's, or it has ended
    return f" ({'; '.join(found)})" if found else ""
