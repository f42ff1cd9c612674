"""Seeded presses in simulated time, with every fault between them: how many are lost, how many invented?

The adapter, libevdev and the emulated event device are those of host.py; only time is simulated, so that a press of
100 ms takes none. `python -m tests.evdev.trial PRESSES SEED` prints the figures.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

from hw.linux.usb_pedal import UsbPedal, UsbPedalSpec
from hw.ports import PedalLost
from tests.evdev.kernel import InputDevice
from tests.evdev.testbed import Testbed
from tests.gestures import Gestures

MS = 1_000_000
USB_ID, KEY, PORT = "3553:b001", 48, "usb-1-2"
PORTION = 500
FAULTS = {"none": 60, "bounce": 12, "burst": 10, "late poll": 8, "unplugged at rest": 3, "unplugged pressed": 3,
          "plugged in pressed": 2, "overflow": 2}
"""What happens at a press, and how often (of 100)."""


class Trial:
    """One pedal, one adapter, one recorder's way of reading it; `wanted` counts the foot's presses."""

    def __init__(self, bed: Testbed, seed: int) -> None:
        self._bed, self._rng = bed, random.Random(seed)
        self._now_ns = 10**12
        self._plug(held=False)
        self._pedal = UsbPedal(UsbPedalSpec(USB_ID, {"pedal": "KEY_B"}), look_s=0.02, now_ns=self.now_ns)
        self._gestures = Gestures()
        self._lost = False
        self.wanted = 0
        self.faults: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self._wait(100)

    def now_ns(self) -> int:
        return self._now_ns

    def made(self, kind: str) -> int:
        return self._gestures.made.count(("pedal", kind))

    def run(self, presses: int) -> dict[str, int]:
        kinds = self._rng.choices(list(FAULTS), list(FAULTS.values()), k=presses)
        for kind in kinds:
            before = self.wanted, self.made("press")
            self.faults[kind] += 1
            getattr(self, "_" + kind.replace(" ", "_"))()
            self._wait(self._rng.randint(60, 90))
            if self.wanted - before[0] != self.made("press") - before[1]:
                self._wait(200)  # what bounced for long is shown late, one change a poll
            if self.wanted - before[0] != self.made("press") - before[1]:
                self.wrong[kind] += 1
        self._pedal.close()
        return {
            "presses of the foot": self.wanted, "press gestures": self.made("press"),
            "other gestures": len(self._gestures.made) - self.made("press"),
            **{f"{kind}": count for kind, count in sorted(self.faults.items())},
            **{f"wrong: {kind}": count for kind, count in sorted(self.wrong.items())},
        }

    # ---- what happens at the pedal ---------------------------------------------------------------

    def _none(self) -> None:
        self._key(True)
        self._wait(self._rng.randint(70, 140))
        self._key(False)
        self.wanted += 1

    def _bounce(self) -> None:
        """A pedal that does not debounce its contact."""
        self._chatter(self._rng.randint(1, 4), ends=True)
        self._wait(self._rng.randint(70, 140))
        self._chatter(self._rng.randint(1, 4), ends=False)
        self.wanted += 1

    def _burst(self) -> None:
        for _ in range(self._rng.randint(1, 6)):
            self._key(True)
            self._wait(self._rng.randint(1, 15))
            self._key(False)
            self._wait(self._rng.randint(1, 60))

    def _late_poll(self) -> None:
        """The recorder reads nothing while a whole press, or two, go by."""
        for _ in range(self._rng.randint(1, 2)):
            self._key(True)
            self._pass(self._rng.randint(70, 140))
            self._key(False)
            self._pass(self._rng.randint(70, 140))
            self.wanted += 1
        self._wait(1100)

    def _unplugged_at_rest(self) -> None:
        self._wait(100)  # a press is known only once its release has settled
        self._unplug()
        self._wait(self._rng.randint(0, 50))
        self._plug(held=False)
        self._found()

    def _unplugged_pressed(self) -> None:
        """The kernel lets the key go first, and says that the device is gone only later."""
        self._wait(100)
        self._key(True)
        self._wait(self._rng.randint(30, 300))
        self._device.let_go()
        self._wait(self._rng.randint(0, 60))
        self._unplug()
        self._wait(20)
        self._plug(held=False)
        self._found()

    def _plugged_in_pressed(self) -> None:
        self._wait(100)
        self._unplug()
        self._wait(20)
        self._plug(held=True)
        self._found()
        self._wait(self._rng.randint(30, 300))
        self._key(False)

    def _overflow(self) -> None:
        """So many changes at once that the kernel drops them, the release among them."""
        self._key(True)
        self._wait(60)
        for _ in range(40):
            self._key(False)
            self._pass(1)
            self._key(True)
            self._pass(1)
        self._key(False)
        self.wanted += 1

    # ---- means -----------------------------------------------------------------------------------

    def _plug(self, held: bool) -> None:
        self._device = InputDevice("FootSwitch", USB_ID, {KEY}, self.now_ns)
        if held:
            self._device.held.add(KEY)
        self._node = self._bed.plug(self._device, PORT)

    def _unplug(self) -> None:
        self._bed.unplug(self._node)

    def _key(self, down: bool) -> None:
        with self._bed.node(self._node).lock:
            self._device.key(KEY, down)

    def _chatter(self, flips: int, ends: bool) -> None:
        for _ in range(flips):
            for level in (ends, not ends):
                self._key(level)
                self._wait(self._rng.randint(1, 3))
        self._key(ends)

    def _pass(self, ms: int) -> None:
        self._now_ns += ms * MS

    def _wait(self, ms: int) -> None:
        """Time passes, and the recorder polls, as evenly as a busy machine lets it."""
        end = self._now_ns + ms * MS
        while self._now_ns < end:
            step = self._rng.randint(5, 11)
            self._now_ns = min(end, self._now_ns + step * MS)
            self._poll()

    def _found(self) -> None:
        """Until the adapter has taken the pedal up again: in the machine's own time, which its thread lives in."""
        deadline = time.monotonic() + 20
        self._poll()
        while self._lost:
            time.sleep(0.002)
            self._poll()
            assert time.monotonic() < deadline, "the pedal was not taken up again"
        self._wait(60)

    def _poll(self) -> None:
        try:
            levels = self._pedal.read()
        except PedalLost:
            self._lost = True
            self._gestures.lost()
            return
        self._lost = False
        self._gestures.poll(levels, self._now_ns)


def run_trial(bed: Testbed, presses: int, seed: int) -> dict[str, int]:
    """The figures of one trial, over a testbed with nothing plugged in."""
    return Trial(bed, seed).run(presses)


def main() -> None:
    """In portions, each with a testbed of its own: an emulated device that was unplugged is never quite gone."""
    from tests.evdev.remote import host

    presses, seed = (int(word) for word in sys.argv[1:3])
    figures: Counter[str] = Counter()
    while presses > 0:
        with host() as remote:
            figures.update(remote.ask("trial", timeout_s=600, presses=min(presses, PORTION), seed=seed))
        presses, seed = presses - PORTION, seed + 1
    for name, figure in figures.items():
        print(f"{figure:8d}  {name}")


if __name__ == "__main__":
    main()
