"""Puts a look on the lights; and answers a contact that closes by the ready light, before anybody knows what it means.

The answer is the ready light turned over: dark where it was lit at that moment, lit where it was dark. So it can be
seen in every look. The record light has no part in it: it follows bytes on the disk.
"""

from __future__ import annotations

from collections import deque

from firmware.recorder.looks import Look
from firmware.recorder.machine_types import Alerted
from hw.light_patterns import lit_at
from hw.ports import LightPattern, Lights

REMEMBERED = 8
"""So many answers: a press that waits for a second one is told of after that one was answered."""


class Lamps:
    """Remembers what is shown, and since when."""

    def __init__(self, lights: Lights) -> None:
        self._lights = lights
        self._ready: LightPattern | None = None
        self._record: LightPattern | None = None
        self._ready_since_ns = 0
        self._answer: LightPattern | None = None
        self._answered_ns: deque[int] = deque(maxlen=REMEMBERED)
        self._problem = ""

    def show(self, look: Look, touched: bool, now_ns: int) -> None:
        """Show `look`; with the answer in its ready light while a contact is `touched`."""
        if touched and self._answer is None:
            self._answer = turned(self._ready or "off", now_ns - self._ready_since_ns)
            self._answered_ns.append(now_ns)
        elif not touched:
            self._answer = None
        ready = self._answer or look.ready
        if ready != self._ready:
            self._lights.show("ready", ready)
            self._ready, self._ready_since_ns = ready, now_ns
        if look.record != self._record:
            self._lights.show("record", look.record)
            self._record = look.record

    def alerts(self) -> list[Alerted]:
        """What the board cannot show or sound, when that has changed since the last look: nobody may trust it then."""
        problem, self._problem = self._problem, self._lights.problem()
        return [Alerted("lights", self._problem, cleared=not self._problem)] if problem != self._problem else []

    def answered_ns(self, contact_ns: int) -> int:
        """When a contact that closed at `contact_ns` was answered; 0: it is not remembered. CLOCK_MONOTONIC."""
        return next((at_ns for at_ns in self._answered_ns if at_ns >= contact_ns), 0)


def turned(pattern: LightPattern, since_ns: int) -> LightPattern:
    """The opposite of what a light with this pattern shows `since_ns` after it began."""
    return "off" if lit_at(pattern, since_ns) else "on"
