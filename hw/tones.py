"""What each tone of the sounder sounds like, as data. Knows nothing of states, of volume and of pins.

A plain sounder has one pitch and is only on or off, so the rhythm of short and long sounds alone tells the tones apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.ports import ToneName


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a tone: `frequency_hz` 0 is silence."""

    frequency_hz: int
    seconds: float


LOW_HZ, MIDDLE_HZ, HIGH_HZ = 440, 880, 1320
_GAP = Step(0, 0.12)
_SHORT_LOW, _SHORT, _SHORT_HIGH = (Step(hz, 0.12) for hz in (LOW_HZ, MIDDLE_HZ, HIGH_HZ))
_LONG_LOW, _LONG, _LONG_HIGH = (Step(hz, 0.4) for hz in (LOW_HZ, MIDDLE_HZ, HIGH_HZ))

TONES: dict[ToneName, tuple[Step, ...]] = {
    "accepted": (_SHORT,),
    "start": (_SHORT, _GAP, _LONG_HIGH),
    "stop": (_LONG_LOW,),
    "bookmark": (_SHORT_HIGH, _GAP, _SHORT_HIGH),
    "pause": (_LONG, _GAP, _SHORT_LOW),
    "resume": (_SHORT_LOW, _GAP, _SHORT, _GAP, _LONG_HIGH),
    "refused": (_SHORT_LOW, _GAP, _SHORT_LOW, _GAP, _SHORT_LOW, _GAP, _SHORT_LOW),
    "warning": (_LONG, _GAP, _LONG, _GAP, _LONG),
}
"""Tone -> its steps, in order. Up is on, down is off."""


def length_s(tone: ToneName) -> float:
    """How long a tone takes, with its silences."""
    return sum(step.seconds for step in TONES[tone])


def frequency_at(tone: ToneName, since_ns: int) -> int:
    """What sounds `since_ns` after the tone began, in Hz; 0: silence, or the tone is over."""
    left_ns = since_ns
    for step in TONES[tone]:
        left_ns -= round(step.seconds * 1e9)
        if left_ns < 0:
            return step.frequency_hz
    return 0
