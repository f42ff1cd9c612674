"""Inputs that come in by more than one way, together: a USB pedal beside contacts on a header."""

from __future__ import annotations

from collections.abc import Sequence

from hw.ports import PedalFault, PedalLost, Pins


class SeveralPins:
    """Pins over several Pins, each with roles of its own. One that is lost takes none of the others with it."""

    def __init__(self, parts: Sequence[Pins]) -> None:
        self._parts = tuple(parts)

    def read(self) -> dict[str, bool]:
        """All roles. Raises PedalLost with every fault, and in `others` what can still be trusted."""
        levels: dict[str, bool] = {}
        faults: dict[str, PedalFault] = {}
        told = []
        for part in self._parts:
            try:
                levels |= part.read()
            except PedalLost as lost:
                told.append(str(lost))
                faults |= lost.faults
                levels |= lost.others
        if faults:
            raise PedalLost("; ".join(told), faults=faults, others=levels)
        return levels

    def close(self) -> None:
        for part in self._parts:
            part.close()
