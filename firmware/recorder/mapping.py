"""What each gesture means: the site's own mapping, and that of each surgeon who has one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.config import Action, Controls, SurgeonControls
from firmware.recorder.controls import GestureKind, Timing

MEANT: tuple[tuple[str, GestureKind], ...] = (
    ("pedal", "press"), ("pedal", "double"), ("pedal", "hold"),
    ("privacy", "press"), ("privacy", "double"), ("privacy", "hold"),
)
"""Every gesture that can mean something; the setting of each is called like `pedal_press`."""
STOPS: frozenset[Action] = frozenset({"stop", "start-or-stop"})


@dataclass(frozen=True, slots=True)
class Mapping:
    """`actions` by (line, kind), `timing` by line. A line waits for no double press or hold that means nothing."""

    surgeon: str
    actions: dict[tuple[str, GestureKind], Action]
    timing: dict[str, Timing]

    def stops_by_foot(self, privacy_by: str) -> bool:
        """Is there any way to stop without a hand?"""
        lines = ("pedal", "privacy") if privacy_by == "foot" else ("pedal",)
        return any(action in STOPS for (line, _), action in self.actions.items() if line in lines)


def mappings(cfg: Controls) -> dict[str, Mapping]:
    """The mapping of each surgeon by id; "" is the site's, for everybody else."""
    own = SurgeonControls(id="site")
    return {"": _mapping("", cfg, own), **{one.id: _mapping(one.id, cfg, one) for one in cfg.surgeons}}


def _mapping(surgeon: str, cfg: Controls, own: SurgeonControls) -> Mapping:
    actions: dict[tuple[str, GestureKind], Action] = {}
    for line, kind in MEANT:
        setting = f"{line}_{kind}"
        actions[line, kind] = getattr(own, setting) or getattr(cfg, setting)
    timing = {
        line: Timing(
            settle_ns=_ns(own.debounce_s or cfg.debounce_s),
            hold_ns=_ns(own.hold_stop_s or cfg.hold_stop_s) if actions[line, "hold"] != "none" else 0,
            double_ns=_ns(own.double_s or cfg.double_s) if actions[line, "double"] != "none" else 0,
            stuck_ns=_ns(cfg.stuck_s),
        ) for line in ("pedal", "privacy")
    }
    return Mapping(surgeon, actions, timing)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
