"""What each light pattern looks like, as data. Knows nothing of states and of pins."""

from __future__ import annotations

from hw.ports import LightPattern

PATTERNS: dict[LightPattern, tuple[tuple[bool, float], ...]] = {
    "off": ((False, 1.0),),
    "on": ((True, 1.0),),
    "slow": ((True, 1.0), (False, 1.0)),
    "fast": ((True, 0.125), (False, 0.125)),
    "double": ((True, 0.1), (False, 0.15), (True, 0.1), (False, 0.65)),
    "fault": ((True, 0.1), (False, 0.1), (True, 0.1), (False, 0.1), (True, 0.1), (False, 0.5)),
}
"""Pattern -> steps of (lit, seconds), repeated for ever. No blink is faster than 5 a second for longer than 0.5 s
except "fast" (4 Hz), which a person reads as "busy"."""


def period_s(pattern: LightPattern) -> float:
    """Length of one round of the pattern."""
    return sum(seconds for _, seconds in PATTERNS[pattern])


def lit_at(pattern: LightPattern, since_change_ns: int) -> bool:
    """Is the lamp lit `since_change_ns` after the pattern was set?"""
    left_ns = since_change_ns % round(period_s(pattern) * 1e9)
    for lit, seconds in PATTERNS[pattern]:
        left_ns -= round(seconds * 1e9)
        if left_ns < 0:
            return lit
    return PATTERNS[pattern][-1][0]
