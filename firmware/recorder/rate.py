"""How fast recordings grow: measured from what the running or last one was given. Holds figures, decides nothing."""

from __future__ import annotations

from collections import deque

from firmware.messages import Fragment

WINDOW_NS = 60_000_000_000
KNOWN_AFTER_NS = 10_000_000_000
OVERHEAD_BYTES = 400
"""Of each fragment in the file: head, public data, tag, chain value, and its share of signatures."""


class RateMeter:
    """Bytes a second over the last minute of recorded picture; the configured rate until 10 s are known."""

    def __init__(self, configured_bytes_per_s: float) -> None:
        self._configured = configured_bytes_per_s
        self._window: deque[tuple[int, int]] = deque()
        self._bytes = self._span_ns = 0

    def add(self, fragment: Fragment) -> None:
        """A fragment that was given to the running recording."""
        size = len(fragment.data) + 48 * len(fragment.verdicts) + OVERHEAD_BYTES
        self._window.append((fragment.duration_ns, size))
        self._bytes, self._span_ns = self._bytes + size, self._span_ns + fragment.duration_ns
        while self._span_ns - self._window[0][0] >= WINDOW_NS:
            duration_ns, gone = self._window.popleft()
            self._bytes, self._span_ns = self._bytes - gone, self._span_ns - duration_ns

    @property
    def bytes_per_s(self) -> float:
        if self._span_ns < KNOWN_AFTER_NS:
            return self._configured
        return self._bytes / (self._span_ns / 1e9)
