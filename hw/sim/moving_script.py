"""The words a moving scene is written in: poses, paths, people, cards. Pure functions of time; draws nothing.

Places are parts of the picture's width and height, sizes are pixels at 1080 lines unless a name says otherwise, times
are seconds. A show lasts SHOW_S and then begins again with a cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Show = Literal["operation", "enter", "rise", "turn", "shrink", "bands", "overlays", "codes", "pan"]
SHOWS: tuple[Show, ...] = ("operation", "enter", "rise", "turn", "shrink", "bands", "overlays", "codes", "pan")
Light = Literal["normal", "dim", "bright", "switching"]
LIGHTS: tuple[Light, ...] = ("normal", "dim", "bright", "switching")
SHOW_S = 20.0
LEAST_FACE_PX = 24.0
"""The smallest face, in pixels of the picture whatever its size."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a thing is: its middle, its size (face height, or letter height), turned in the picture by `tilt_deg`
    (clockwise) and, a head, away from the camera by `yaw_deg`."""

    x: float
    y: float
    size: float
    tilt_deg: float = 0.0
    yaw_deg: float = 0.0


Path = Callable[[float], Pose | None]
"""The pose at a time; None while the thing is not there."""


@dataclass(frozen=True, slots=True)
class Player:
    """A person. `door`: seen only between these two parts of the picture's width, as a function of time."""

    name: str
    path: Path
    cap: bool = True
    mask: bool = True
    goggles: bool = False
    mirrored: bool = False
    skin: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gown: tuple[int, int, int] = (60, 130, 140)
    door: Callable[[float], tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A piece with writing or a code on it. Its pose's size is the letters' height in pixels of the picture.

    "overlay" is burned in after the camera: no light and no blur touches it. `ticks`: the text is a clock.
    """

    name: str
    text: str
    path: Path
    style: Literal["band", "label", "board", "overlay"] = "band"
    code: Literal["", "QRCode", "DataMatrix", "Code128"] = ""
    ticks: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """All that the seed decides. `camera` is how far the picture has moved over the room, in picture widths."""

    players: tuple[Player, ...] = ()
    cards: tuple[Card, ...] = ()
    camera: Callable[[float], float] = lambda t: 0.0
    ground: Literal["room", "tissue"] = "room"


def line(start_s: float, one: Pose, end_s: float, other: Pose) -> Path:
    """Evenly from one pose to the other, and not there before and after."""

    def path(t: float) -> Pose | None:
        return mixed(one, other, (t - start_s) / (end_s - start_s)) if start_s <= t <= end_s else None

    return path


def keyed(*keys: tuple[float, Pose]) -> Path:
    """Through poses at given times, starting and stopping softly at each; still before and after."""

    def path(t: float) -> Pose | None:
        for (start_s, one), (end_s, other) in pairwise(keys):
            if start_s <= t < end_s:
                return mixed(one, other, 0.5 - 0.5 * math.cos(math.pi * (t - start_s) / (end_s - start_s)))
        return keys[0][1] if t < keys[0][0] else keys[-1][1]

    return path


def wave(middle: float, reach: float, period_s: float, phase: float) -> Callable[[float], float]:
    """A swing around `middle`."""
    return lambda t: middle + reach * math.sin(2 * math.pi * t / period_s + phase)


def mixed(one: Pose, other: Pose, share: float) -> Pose:
    def between(a: float, b: float) -> float:
        return a + (b - a) * share

    return Pose(
        between(one.x, other.x), between(one.y, other.y), between(one.size, other.size),
        between(one.tilt_deg, other.tilt_deg), between(one.yaw_deg, other.yaw_deg),
    )
