"""The recorder's way from levels to gestures, for tests: its debouncer and its gestures with the default timing."""

from __future__ import annotations

from collections.abc import Mapping

from firmware.recorder import controls

TIMING = dict.fromkeys(("pedal", "privacy"), controls.Timing())


class Gestures:
    """`made` are all gestures so far, (role, kind)."""

    def __init__(self) -> None:
        self._state = controls.ControlsState()
        self.made: list[tuple[str, str]] = []

    def poll(self, levels: Mapping[str, bool], now_ns: int) -> None:
        self._state, gestures = controls.poll(self._state, levels, now_ns, TIMING)
        self.made += [(gesture.line, gesture.kind) for gesture in gestures]

    def lost(self) -> None:
        self._state = controls.lost(self._state)
