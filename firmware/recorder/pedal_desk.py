"""Reads the contacts, one poll at a time: gestures with the meaning they have for the present surgeon, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware.config import Action, Controls
from firmware.recorder import controls
from firmware.recorder import machine_types as t
from firmware.recorder.mapping import mappings
from hw.ports import PedalFault, PedalLost, Pins

BATTERY = "pedal-battery"


@dataclass(frozen=True, slots=True)
class Made:
    """A gesture, and what it means for `surgeon`."""

    gesture: controls.Gesture
    action: Action
    surgeon: str


class PedalDesk:
    """Keeps what is known of the contacts. `problem` is why they cannot be trusted now, "" while they can.

    `refusal` is why nothing may be started by it, "" where the site starts without a pedal.
    """

    def __init__(self, cfg: Controls, pins: Pins) -> None:
        self._pins, self._mappings = pins, mappings(cfg)
        self._needed = not cfg.start_without_pedal
        self._mapping = self._mappings[""]
        self._state = controls.ControlsState()
        self.problem = ""
        self._told: set[str] = set()
        self.levels: dict[str, bool] = {}
        """The last reading of the lines that can be trusted."""

    def read(self, now_ns: int, surgeon: str) -> list[Made | t.Alerted]:
        """One poll. Another surgeon's mapping takes effect as soon as no gesture is under way."""
        if surgeon != self._mapping.surgeon and controls.at_rest(self._state):
            self._mapping = self._mappings[surgeon]
        try:
            levels = self._pins.read()
        except PedalLost as problem:
            return self._lost(problem, now_ns)
        return [*self._alerts("", {}, levels), *self._gestures(levels, now_ns)]

    def touched(self, now_ns: int) -> bool:
        """Is a contact closed whose press counts?"""
        return controls.touched(self._state, now_ns)

    def held_ns(self, line: str, now_ns: int) -> int:
        """For how long this contact has been closed by somebody who closed it since it was first seen; 0: it is not."""
        known = self._state.lines.get(line)
        if known is None or not known.line.closed or not known.counts or known.stuck:
            return 0
        return now_ns - known.closed_at_ns

    @property
    def refusal(self) -> str:
        return self.problem if self._needed else ""

    def _lost(self, problem: PedalLost, now_ns: int) -> list[Made | t.Alerted]:
        """What can still be trusted goes on working: a privacy button beside a cut pedal."""
        others = problem.others
        self._state = controls.lost(self._state, frozenset(self._mapping.timing) - set(others))
        told = self._alerts(str(problem) or "lost", problem.faults, others)
        return [*told, *self._gestures(others, now_ns)]

    def _alerts(self, problem: str, faults: Mapping[str, PedalFault], levels: Mapping[str, bool]) -> list[t.Alerted]:
        """What changed: one alert for each line in doubt, "pedal" when it is unplugged, else "pedal-cut" and its like;
        and the battery, which is taken to be as it was while nothing is heard of it.
        """
        self.problem = problem
        codes = {line if fault == "unplugged" else f"{line}-{fault}": problem for line, fault in faults.items()}
        if levels.get("battery_low", BATTERY in self._told):
            codes[BATTERY] = "the pedal's battery is low. Do: charge or change it before the next case"
        told = [t.Alerted(code, cleared=True) for code in sorted(self._told - codes.keys())]
        told += [t.Alerted(code, codes[code]) for code in sorted(codes.keys() - self._told)]
        self._told = set(codes)
        return told

    def _gestures(self, levels: dict[str, bool], now_ns: int) -> list[Made | t.Alerted]:
        self.levels = levels
        self._state, gestures = controls.poll(self._state, levels, now_ns, self._mapping.timing)
        return [self._meant(gesture) for gesture in gestures]

    def _meant(self, gesture: controls.Gesture) -> Made | t.Alerted:
        if gesture.kind in ("stuck", "unstuck"):
            return t.Alerted(f"{gesture.line}-stuck", f"the {gesture.line} contact does not open",
                             cleared=gesture.kind == "unstuck")
        return Made(gesture, self._mapping.actions[gesture.line, gesture.kind], self._mapping.surgeon)


def press_fields(made: Made, answer: t.PressAnswer, answered_ns: int) -> dict[str, t.Scalar]:
    """What the journal's line "pressed" holds. Times are CLOCK_MONOTONIC.

    `contact_ns`: when the contact closed to stay; `light_ns`: when the light answered it; `gesture_ns`: when it was
    known which gesture it was.
    """
    gesture = made.gesture
    fields: dict[str, t.Scalar] = {
        "origin": gesture.line, "how": gesture.kind, "action": made.action, "did": answer.did,
        "contact_ns": gesture.closed_ns, "light_ns": answered_ns, "gesture_ns": gesture.at_ns,
    }
    optional = {"reason": answer.reason, "surgeon": made.surgeon}
    return fields | {name: value for name, value in optional.items() if value}
