"""How long to wait before the next connection: growing, jittered, forgiven only after a stable minute. No clock."""

from __future__ import annotations

import random


class Backoff:
    """Waits double from `first_s` to `most_s`; a connection that held `stable_s` starts over.

    The jitter (half to whole of the wait) keeps a hospital's devices from returning all at once.
    """

    def __init__(
        self, first_s: float = 1.0, most_s: float = 60.0, stable_s: float = 60.0, rng: random.Random | None = None
    ) -> None:
        self._first_s, self._most_s, self._stable_s = first_s, most_s, stable_s
        self._rng = rng or random.Random()
        self._failures = 0
        self._connected_at_s: float | None = None

    def connected(self, now_s: float) -> None:
        """A connection was accepted."""
        self._connected_at_s = now_s

    def failed(self, now_s: float) -> float:
        """A connection was refused or lost: the seconds to wait before the next."""
        if self._connected_at_s is not None and now_s - self._connected_at_s >= self._stable_s:
            self._failures = 0
        self._connected_at_s = None
        wait_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return wait_s * self._rng.uniform(0.5, 1.0)
