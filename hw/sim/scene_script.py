"""Who stands where at what time in the scene: pure functions of seed and time. Draws nothing."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

CLAPPER_EVERY_S = 5
CLAPPER_LENGTH_S = Fraction(1, 10)

_FAMILY = ("MARLOWE", "OKONKWO", "LINDQVIST", "HARGREAVES", "TANIGUCHI", "VELAZQUEZ", "ABERNATHY", "KOWALCZYK")
_GIVEN = ("IRIS", "THEO", "NADIA", "OSCAR", "LENA", "MARCUS", "PRIYA", "HUGO")


@dataclass(frozen=True, slots=True)
class Actor:
    """One person: the face's height at 1080 lines, and a slow swing around a place (parts of width and height)."""

    name: str
    face_px: int
    x: float
    y: float
    swing_x: float
    swing_y: float
    period_s: float
    phase: float
    masked: bool = False
    tilt_deg: float = 0.0
    mirrored: bool = False
    skin: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gown: tuple[int, int, int] = (60, 130, 140)

    def centre(self, t: float) -> tuple[float, float]:
        """Centre of the face at `t` seconds, as parts of the picture's width and height."""
        angle = 2 * math.pi * t / self.period_s + self.phase
        return self.x + self.swing_x * math.sin(angle), self.y + self.swing_y * math.sin(angle)


@dataclass(frozen=True, slots=True)
class Script:
    """All that the seed decides."""

    actors: tuple[Actor, ...]
    patient: str
    number: str
    born: str
    clock_start: datetime
    sway_phase: float

    def clock_text(self, t: float) -> str:
        return (self.clock_start + timedelta(seconds=math.floor(t))).strftime("%H:%M:%S")


def write_script(seed: int) -> Script:
    """The script of one seed. One face never leaves, one comes from the right, one from above, one walks far behind."""
    rng = random.Random(seed)

    def phase() -> float:
        return rng.uniform(0, 2 * math.pi)

    actors = (
        Actor("far", 60, 0.42, 0.16, 0.085, 0.008, 15.0, phase(), mirrored=True, skin=(0.66, 0.60, 0.56)),
        Actor("tilted", 110, 0.70, 0.05, 0.012, 0.14, 13.0, phase(), tilt_deg=rng.choice((-24.0, 24.0)),
              skin=(0.85, 0.80, 0.76), gown=(50, 110, 160)),
        Actor("masked", 150, 0.15, 0.40, 0.028, 0.012, 9.0, phase(), masked=True, gown=(58, 140, 118)),
        Actor("near", 260, 0.90, 0.50, 0.17, 0.008, 17.0, phase(), gown=(46, 120, 150)),
    )
    born = datetime(rng.randint(1935, 2005), rng.randint(1, 12), rng.randint(1, 28))
    return Script(
        actors=actors,
        patient=f"{rng.choice(_FAMILY)}, {rng.choice(_GIVEN)} {rng.choice('ABDEHKLMNRT')}.",
        number=f"{rng.randint(1000, 9999)}-{rng.randint(0, 9999):04d}-{rng.randint(10, 99)}",
        born=born.strftime("%Y-%m-%d"),
        clock_start=datetime(2031, 3, 14, rng.randint(7, 16), rng.randint(0, 59), rng.randint(0, 59)),
        sway_phase=phase(),
    )


def clapper_index(number: int, rate: Fraction, every_s: int = CLAPPER_EVERY_S) -> int:
    """The frame in which clap `number` (1, 2, ...) begins: the first one at or after its time."""
    return math.ceil(number * every_s * rate)


def clapper_open(index: int, rate: Fraction, every_s: int = CLAPPER_EVERY_S) -> bool:
    """Does the clapper show white in frame `index`?"""
    number = math.floor(index / (every_s * rate))
    first = clapper_index(number, rate, every_s)
    if index < first:  # the claps' frames are rounded up, so this one may still belong to the clap before
        number -= 1
        first = clapper_index(number, rate, every_s)
    return number >= 1 and Fraction(index - first) / rate < CLAPPER_LENGTH_S
