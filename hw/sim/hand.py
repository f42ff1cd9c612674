"""A hand on the contacts of a simulated board: it presses, cuts and crushes; and a log of all that happened.

What drives a board from outside the wire is here, once, for every simulated board.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from hw.board_definition import Contact
from hw.contacts import Wires
from hw.ports import Clock, LightName
from hw.sim.clock import SystemClock
from hw.sim.contact import CableFault, SimContact

LOG_BOUND = 10_000
OUTPUTS = (*get_args(LightName), "sounder")


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One change that a person at the table would see, hear or cause.

    `kind` is "light", "tone", or what was done to a line (a method of Hand); `name` the light, tone or line;
    `value` the light's pattern or the tone's volume in percent, else "".
    """

    monotonic_ns: int
    unix_s: float
    kind: str
    name: str
    value: str = ""


class Hand:
    """Moves the contacts of a board, by role. Any thread may call; ValueError for a role that is not there."""

    def __init__(self, wired: Mapping[str, Contact], *, seed: int = 1, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._rng = random.Random(seed)
        self._contacts = {role: SimContact(two_wire=contact.type == "contact-no-nc") for role, contact in wired.items()}
        self._log: deque[BoardEvent] = deque(maxlen=LOG_BOUND)
        self._jammed: set[str] = set()

    def press(self, line: str) -> None:
        """A foot on `line` ("pedal", "privacy", where fitted "power_fail")."""
        self._move(line, True)

    def release(self, line: str) -> None:
        self._move(line, False)

    def burst(self, line: str, seconds: float) -> None:
        """Electrosurgery beside its cable, for so long."""
        with self._lock:
            self._contact(line).burst(seconds, self._clock.monotonic_ns(), self._rng)

    def unplug(self, line: str) -> None:
        """The line cannot be read any more."""
        self._break(line, "unplug")

    def cut(self, line: str) -> None:
        """All wires of its cable are open. One wire alone cannot show that."""
        self._break(line, "cut")

    def crush(self, line: str) -> None:
        """All wires of its cable touch. On one wire that is a closed contact."""
        self._break(line, "crush")

    def stick(self, line: str) -> None:
        """Its contact stays as it is, whatever the foot does."""
        with self._lock:
            self._contact(line).stick()
            self.note("stick", line)

    def plug(self, line: str) -> None:
        """Plugged in again; the same as `mend`."""
        self._whole(line, "plug")

    def mend(self, line: str) -> None:
        """Cable and contact are whole again, and follow the foot."""
        self._whole(line, "mend")

    def jam(self, part: str) -> None:
        """The pin behind this light, or the sounder, takes nothing any more: what it shows, it shows on."""
        with self._lock:
            self._jammed.add(_output(part))
            self.note("jam", part)

    def free(self, part: str) -> None:
        """It takes what it is told again."""
        with self._lock:
            self._jammed.discard(_output(part))
            self.note("free", part)

    def wires(self, now_ns: int, lines: Iterable[str] | None = None) -> dict[str, Wires | None]:
        """What the wires of `lines` (all) show now; None for a line that cannot be read."""
        with self._lock:
            wanted = self._contacts if lines is None else lines
            return {line: self._contact(line).wires(now_ns, self._rng) for line in wanted}

    def log(self) -> list[BoardEvent]:
        """The last LOG_BOUND changes, oldest first."""
        with self._lock:
            return list(self._log)

    def note(self, kind: str, name: str, value: str = "") -> None:
        """Add to the log what the board itself did."""
        with self._lock:
            self._log.append(BoardEvent(self._clock.monotonic_ns(), self._clock.unix_s(), kind, name, value))

    def _move(self, line: str, foot: bool) -> None:
        with self._lock:
            contact = self._contact(line)
            if contact.foot != foot:
                contact.move(foot, self._clock.monotonic_ns(), self._rng)
                self.note("press" if foot else "release", line)

    def _break(self, line: str, fault: CableFault) -> None:
        with self._lock:
            contact = self._contact(line)
            if contact.fault != fault:
                contact.fault = fault
                self.note(fault, line)

    def _whole(self, line: str, kind: str) -> None:
        with self._lock:
            contact = self._contact(line)
            if contact.fault or contact.stuck:
                contact.mend(self._clock.monotonic_ns(), self._rng)
                self.note(kind, line)

    def _contact(self, line: str) -> SimContact:
        if line not in self._contacts:
            raise ValueError(f"no line {line!r}; there are {', '.join(self._contacts)}")
        return self._contacts[line]


def _output(part: str) -> str:
    if part not in OUTPUTS:
        raise ValueError(f"no light or sounder {part!r}; there are {', '.join(OUTPUTS)}")
    return part
