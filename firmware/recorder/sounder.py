"""How loud a tone is: from the configuration and the local time of day. Pure: no clock, no sounder."""

from __future__ import annotations

from firmware.config import Sounder
from hw.ports import ToneName

WARNS: frozenset[ToneName] = frozenset({"warning", "refused"})
"""Tones that keep somebody from believing that all is well. They are heard unless the site says otherwise."""


def volume_percent(tone: ToneName, sounder: Sounder, minute_of_day: int) -> int:
    """0 (silent) to 100. `minute_of_day` is local, 0 to 1439."""
    volume = sounder.quiet_volume_percent if in_quiet_hours(sounder, minute_of_day) else sounder.volume_percent
    if tone in WARNS and sounder.warnings == "always-heard":
        return max(volume, sounder.warning_volume_percent)
    return volume


def in_quiet_hours(sounder: Sounder, minute_of_day: int) -> bool:
    """From `quiet_from` on and before `quiet_to`; over midnight where `quiet_to` is the earlier of the two."""
    if not sounder.quiet_from or not sounder.quiet_to:
        return False
    begin, end = minutes(sounder.quiet_from), minutes(sounder.quiet_to)
    return (minute_of_day - begin) % 1440 < (end - begin) % 1440


def minutes(time_of_day: str) -> int:
    """"HH:MM" as minutes since midnight."""
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])
