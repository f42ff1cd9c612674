"""The rules for [controls] that span several settings. Pure; used by config_rules.py."""

from __future__ import annotations

from collections.abc import Iterator

from firmware.config import Controls
from firmware.config_words import Broken
from firmware.recorder.mapping import mappings

LEAST_DEBOUNCE_S, LEAST_HOLD_S, LEAST_DOUBLE_S = 0.016, 0.4, 0.2
MOST_SURGEONS = 64


def broken_controls(controls: Controls) -> Iterator[Broken]:
    """Every rule that the site's mapping, or a surgeon's, breaks."""
    if controls.hold_stop_s >= controls.stuck_s:
        yield Broken(("controls.hold_stop_s", "controls.stuck_s"),
                     "a hold would count as a stuck pedal: hold_stop_s must be below stuck_s")
    if len(controls.surgeons) > MOST_SURGEONS:
        yield Broken(("controls.surgeons",), f"at most {MOST_SURGEONS} surgeons")
        return
    ids = [surgeon.id for surgeon in controls.surgeons]
    for number, one in enumerate(controls.surgeons):
        key = f"controls.surgeons.{number}"
        if one.id in ids[:number]:
            yield Broken((key,), f"{one.id!r} is there twice: each surgeon has one table")
        for value, name, least_s in (
            (one.debounce_s, "debounce_s", LEAST_DEBOUNCE_S), (one.hold_stop_s, "hold_stop_s", LEAST_HOLD_S),
            (one.double_s, "double_s", LEAST_DOUBLE_S),
        ):
            if 0 < value < least_s:
                yield Broken((key,), f"{name} must be at least {least_s:g} s, or 0 for the site's")
        if one.hold_stop_s >= controls.stuck_s:
            yield Broken((key, "controls.stuck_s"),
                         "a hold would count as a stuck pedal: hold_stop_s must be below stuck_s")
    for surgeon, mapping in mappings(controls).items():
        if not mapping.stops_by_foot(controls.privacy_by):
            keys = (f"controls.surgeons.{ids.index(surgeon)}",) if surgeon else ("controls.pedal_hold",)
            by = "" if controls.privacy_by == "foot" else ' (the privacy line counts where privacy_by = "foot")'
            yield Broken(keys, 'there is no way to stop by foot: give "stop" or "start-or-stop" to a press, a double'
                               f" press or a hold of the pedal{by}")
