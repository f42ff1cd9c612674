"""A wireless pedal over its receiver: the receiver's keys, trusted only while the pedal is in reach."""

from __future__ import annotations

import time
from collections.abc import Callable

from hw.ports import PedalLost, Pins
from hw.wireless_link import Link, LinkSign, step

TOLD = "the wireless pedal is out of reach, or its battery is empty"


class WirelessPins:
    """Pins over the receiver's Pins, which have the role "link" too unless `sign` is "device"."""

    def __init__(self, receiver: Pins, sign: LinkSign, silence_s: float, *,
                 now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._receiver, self._sign, self._now_ns = receiver, sign, now_ns
        self._silence_ns = round(silence_s * 1e9)
        self._link = Link()

    def read(self) -> dict[str, bool]:
        """The pedal's roles. Raises PedalLost: "unplugged" is the receiver, "link" the pedal."""
        try:
            levels = self._receiver.read()
        except PedalLost:
            self._link = Link()
            if self._sign != "device":
                raise
            raise PedalLost(TOLD, fault="link") from None
        now_ns = self._now_ns()
        self._link = step(self._link, levels, now_ns, self._sign, self._silence_ns)
        if not self._link.trusted(now_ns):
            raise PedalLost(TOLD, fault="link")
        return {role: level for role, level in levels.items() if role != "link"}

    def close(self) -> None:
        self._receiver.close()
