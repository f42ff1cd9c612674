"""What each light pattern looks like, as data. Knows nothing of states and of pins.

Only lit and dark, short and long: no colour carries a meaning. No pattern flashes more than three times in any second
(WCAG 2.3.1), and every step is clearly short (at most 0.3 s) or clearly long (at least 0.6 s).
"""

from __future__ import annotations

from hw.ports import LightPattern

Steps = tuple[tuple[bool, float], ...]
SHORT_S, LONG_S = 0.2, 0.8
_FLASH, _LONG_FLASH = (True, SHORT_S), (True, LONG_S)
_GAP, _END = (False, SHORT_S), (False, 1.0)


def _fault(number: int) -> Steps:
    """One long flash, then as many short ones as the number of the fault's group."""
    return (_LONG_FLASH, _GAP, *((_FLASH, _GAP) * (number - 1)), _FLASH, _END)


PATTERNS: dict[LightPattern, Steps] = {
    "off": ((False, 1.0),),
    "on": ((True, 1.0),),
    "slow": ((False, 1.0), (True, 1.0)),
    "fast": ((False, 0.2), (True, 0.2)),
    "wink": (_FLASH, (False, 1.8)),
    "break": ((False, SHORT_S), _LONG_FLASH),
    "double": (_FLASH, _GAP, _FLASH, _END),
    "triple": (_FLASH, _GAP, _FLASH, _GAP, _FLASH, _END),
    "short-long": (_FLASH, _GAP, _LONG_FLASH, _END),
    "short-short-long": (_FLASH, _GAP, _FLASH, _GAP, _LONG_FLASH, _END),
    "fault-1": _fault(1), "fault-2": _fault(2), "fault-3": _fault(3), "fault-4": _fault(4), "fault-5": _fault(5),
}
"""Pattern -> steps of (lit, seconds), repeated for ever."""


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
