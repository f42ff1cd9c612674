"""Noise on a simulated line: what an electrosurgical unit couples into a cable, read as a level that flickers."""

from __future__ import annotations

import random

LEAST_SHARE, MOST_SHARE = 0.3, 1.0


class LineNoise:
    """Bursts over one line. While one lasts, a resting line reads closed for a random share of the readings; a share of
    1 is a solid closing, the worst that can come."""

    def __init__(self) -> None:
        self._until_ns = 0
        self._share = 0.0

    def burst(self, seconds: float, now_ns: int, rng: random.Random) -> None:
        """One burst from now on."""
        self._until_ns = now_ns + round(seconds * 1e9)
        self._share = rng.uniform(LEAST_SHARE, MOST_SHARE) if rng.random() < 0.5 else MOST_SHARE

    def over(self, closed: bool, now_ns: int, rng: random.Random) -> bool:
        """What is read of a contact that is `closed`."""
        return closed or (now_ns < self._until_ns and rng.random() < self._share)
