"""A simulated contact with its cable: it chatters, a two-wire one travels, and its cable can be cut, crushed or stick.

Moved by a foot (`press`, `release`) and read as wires at a moment in time; it must not know who reads them.
"""

from __future__ import annotations

import random
from typing import Literal

from hw.contacts import Wires
from hw.sim.noise import LineNoise

MIN_BOUNCE_NS, MAX_BOUNCE_NS = 1_000_000, 8_000_000
MIN_TRAVEL_NS, MAX_TRAVEL_NS = 5_000_000, 30_000_000
"""A two-wire contact leaves one side this long before it meets the other."""

CableFault = Literal["unplug", "cut", "crush"]


class _Side:
    """One pair of metals: where it ends up, and the moments at which it still flips on the way."""

    def __init__(self, closed: bool) -> None:
        self.closed = closed
        self._flips_ns: list[int] = []

    def move(self, closed: bool, at_ns: int, rng: random.Random) -> int:
        """Chatter from `at_ns` on; returns when it rests."""
        self.closed = closed
        bounce_ns = rng.randint(MIN_BOUNCE_NS, MAX_BOUNCE_NS)
        inner = (at_ns + rng.randint(0, bounce_ns) for _ in range(2 * rng.randint(1, 4) - 1))
        self._flips_ns = [at_ns, *inner, at_ns + bounce_ns]
        return at_ns + bounce_ns

    def at(self, now_ns: int) -> bool:
        """Flips come in an odd number: while an odd number is still ahead, it reads the other way."""
        if not self._flips_ns or self._flips_ns[-1] <= now_ns:  # the last one is at the end of the bounce
            return self.closed
        ahead = sum(1 for flip_ns in self._flips_ns if flip_ns > now_ns)
        return self.closed ^ bool(ahead & 1)


class SimContact:
    """A contact at the end of a cable; `two_wire` has a normally closed side too."""

    def __init__(self, *, two_wire: bool = False) -> None:
        self.two_wire = two_wire
        self.foot = False
        """Whether a foot is on it: what the contact follows when it is not stuck."""
        self.stuck = False
        self.fault: CableFault | None = None
        self._no, self._nc = _Side(False), _Side(True)
        self._noise = LineNoise()

    def move(self, foot: bool, now_ns: int, rng: random.Random) -> None:
        """A foot comes down on it, or leaves it. A stuck one stays as it is."""
        self.foot = foot
        if not self.stuck:
            self._follow(now_ns, rng)

    def burst(self, seconds: float, now_ns: int, rng: random.Random) -> None:
        """Noise over all wires of its cable."""
        self._noise.burst(seconds, now_ns, rng)

    def stick(self) -> None:
        """From now on it stays as it is, as a welded or jammed contact does."""
        self.stuck = True

    def mend(self, now_ns: int, rng: random.Random) -> None:
        """Cable and contact are whole again; the contact follows the foot."""
        self.stuck, self.fault = False, None
        self._follow(now_ns, rng)

    def wires(self, now_ns: int, rng: random.Random) -> Wires | None:
        """What the wires show; None when the line cannot be read at all."""
        if self.fault == "unplug":
            return None
        closed = self.fault == "crush"
        no, nc = (closed, closed) if self.fault is not None else (self._no.at(now_ns), self._nc.at(now_ns))
        no, nc = self._noise.over(no, now_ns, rng), self._noise.over(nc, now_ns, rng)
        return Wires(no, nc if self.two_wire else None)

    def _follow(self, now_ns: int, rng: random.Random) -> None:
        if self._no.closed == self.foot:
            return
        leaves, arrives = (self._nc, self._no) if self.foot else (self._no, self._nc)
        if self.two_wire:
            rest_ns = leaves.move(False, now_ns, rng)
            arrives.move(True, rest_ns + rng.randint(MIN_TRAVEL_NS, MAX_TRAVEL_NS), rng)
        else:
            self._no.move(self.foot, now_ns, rng)
