"""Checks that no frame taken during a privacy pause was left unfilled. Pure; the last look before keeping it."""

from __future__ import annotations

from firmware.messages import Fragment

REMEMBERED = 64


class PauseGuard:
    """Remembers pauses (on CLOCK_MONOTONIC, as live frames' times are) and judges fragments by their verdicts."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []
        self._since_ns: int | None = None

    def paused_since(self, at_ns: int) -> None:
        """Every frame taken from `at_ns` on must be filled."""
        if self._since_ns is None:
            self._since_ns = at_ns

    def resumed(self, at_ns: int) -> None:
        """The pause is over for frames taken from `at_ns` on."""
        if self._since_ns is not None:
            self._spans = [*self._spans[1 - REMEMBERED :], (self._since_ns, at_ns)]
            self._since_ns = None

    def admits(self, fragment: Fragment) -> bool:
        """False when a frame taken during a pause is not blanked."""
        return all(verdict.kind == "blanked" or not self._hides(verdict.pts_ns) for verdict in fragment.verdicts)

    def _hides(self, pts_ns: int) -> bool:
        if self._since_ns is not None and pts_ns >= self._since_ns:
            return True
        return any(since <= pts_ns < until for since, until in self._spans)
