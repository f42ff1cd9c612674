"""Turns a count of frames that fare badly into news: when a bad spell begins and when it is over. Pure."""

from __future__ import annotations

from firmware.messages import Alert

OVER_AFTER_FRAMES = 100
"""How many frames must fare well before a spell counts as over."""


class Spell:
    """Give it every frame. `over` may hold {} for how many frames fared badly since the start."""

    def __init__(self, code: str, begun: str, over: str) -> None:
        self._code, self._begun, self._over = code, begun, over
        self._total = 0
        self._left = 0

    def note(self, bad: int) -> Alert | None:
        """`bad` more frames fared badly; 0: one fared well."""
        self._total += bad
        if bad:
            begins = self._left == 0
            self._left = OVER_AFTER_FRAMES
            return Alert(self._code, self._begun) if begins else None
        if self._left:
            self._left -= 1
            if self._left == 0:
                return Alert(self._code, self._over.format(self._total), True)
        return None
