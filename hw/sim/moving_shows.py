"""The moving shows: who and what goes where, decided by the show's name and the seed. Pure; draws nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from hw.sim.moving_script import LEAST_FACE_PX, SHOW_S, Card, Cast, Path, Player, Pose, Show, keyed, line, wave

_FAMILY = ("MARLOWE", "OKONKWO", "LINDQVIST", "HARGREAVES", "TANIGUCHI", "VELAZQUEZ", "ABERNATHY", "KOWALCZYK")
_GIVEN = ("IRIS", "THEO", "NADIA", "OSCAR", "LENA", "MARCUS", "PRIYA", "HUGO")


def cast_of(show: Show, seed: int, scale: float) -> Cast:
    """The cast of one show; `scale` is the picture's size relative to 1080 lines."""
    rng = random.Random(f"{show} {seed}")
    return _SHOWS[show](rng, scale)


def _dressed(rng: random.Random, name: str, path: Path) -> Player:
    """Somebody: mostly masked and capped, as staff in an operating room are."""
    shade = rng.uniform(0.55, 1.0)
    return Player(
        name, path, cap=rng.random() < 0.8, mask=rng.random() < 0.8, goggles=rng.random() < 0.3,
        mirrored=rng.random() < 0.5, skin=(shade, shade * rng.uniform(0.9, 1.0), shade * rng.uniform(0.82, 0.98)),
        gown=rng.choice(((58, 140, 118), (46, 120, 150), (50, 110, 160), (70, 100, 150))),
    )


def _patient(rng: random.Random) -> str:
    return f"{rng.choice(_FAMILY)}, {rng.choice(_GIVEN)} {rng.randint(1000, 9999)}-{rng.randint(10, 99)}"


# ---- the shows -----------------------------------------------------------------------------------


def _enter(rng: random.Random, scale: float) -> Cast:
    """People cross the picture from side to side, each lane one after the other, at 0.05 to 0.5 widths a second."""
    players: list[Player] = []
    for lane, largest in ((0.13, 80.0), (0.37, 120.0), (0.60, 150.0), (0.85, 170.0)):
        t = rng.uniform(-4.0, 0.0)
        while t < SHOW_S:
            size = max(rng.uniform(44.0, largest), 44.0 / scale)
            speed = rng.choice((0.06, 0.15, 0.25, 0.4, 0.5)) * rng.uniform(0.8, 1.0)
            edge = size / 1080
            ends = [Pose(-edge, lane, size, rng.uniform(-15, 15)), Pose(1 + edge, lane, size, rng.uniform(-15, 15))]
            rng.shuffle(ends)
            if rng.random() < 0.25:  # looks in and goes again
                middle = replace(ends[0], x=abs(ends[0].x - rng.uniform(0.02, 0.12)))
                middle = replace(middle, x=middle.x if ends[0].x < 0.5 else 1 - abs(1 - middle.x))
                stay_s = rng.uniform(1.5, 3.0)
                path = keyed((t, ends[0]), (t + 0.8, middle), (t + 0.8 + stay_s, middle), (t + 1.6 + stay_s, ends[0]))
                end_s = t + 1.6 + stay_s
            else:
                end_s = t + (1 + 2 * edge) / speed
                path = line(t, ends[0], end_s, ends[1])
            players.append(_dressed(rng, f"lane {lane:g} #{len(players)}", path))
            t = end_s + rng.uniform(0.3, 1.5)
    return Cast(tuple(players))


def _rise(rng: random.Random, scale: float) -> Cast:
    """People come in and leave over the upper and the lower border, some slanting."""
    players: list[Player] = []
    for column in (0.14, 0.38, 0.62, 0.86):
        t = rng.uniform(-4.0, 0.0)
        while t < SHOW_S:
            size, turn = max(rng.uniform(50.0, 190.0), 44.0 / scale), rng.uniform(-30, 30)
            drift, speed = rng.uniform(-0.05, 0.05), rng.choice((0.1, 0.2, 0.35, 0.6)) * rng.uniform(0.8, 1.0)
            edge = 0.6 * size / 1080
            ends = [Pose(column - drift, -edge, size, turn), Pose(column + drift, 1 + edge, size, turn)]
            rng.shuffle(ends)
            end_s = t + (1 + 2 * edge) / speed
            players.append(_dressed(rng, f"column {column:g} #{len(players)}", line(t, ends[0], end_s, ends[1])))
            t = end_s + rng.uniform(0.3, 1.5)
    return Cast(tuple(players))


def _turn(rng: random.Random, scale: float) -> Cast:
    """Heads turn to profile and back, tilt to either side, turn round from behind; a door opens on somebody."""

    def at(x: float, y: float, size: float, tilt: Callable[[float], float], yaw: Callable[[float], float]) -> Path:
        sway = wave(x, 0.012, rng.uniform(3, 7), rng.uniform(0, 6))
        return lambda t: Pose(sway(t), y, size, tilt(t), yaw(t))

    def round_from_behind(t: float) -> float:
        u = t % 5.0
        share = min(1.0, max(0.0, u - 1.0) / 0.8) - min(1.0, max(0.0, u - 3.5) / 0.8)
        return 165.0 * (1 - (0.5 - 0.5 * math.cos(math.pi * share)))

    def slides(t: float) -> tuple[float, float]:
        open_share = 0.5 - 0.5 * math.cos(2 * math.pi * t / 6.0)
        return 0.79, 0.79 + 0.16 * open_share

    still = wave(0.0, 3.0, 4.0, rng.uniform(0, 6))
    upper, lower = 0.24, 0.70
    players = [
        _dressed(rng, "to profile", at(0.13, upper, 120, still, wave(0, 75, rng.uniform(4, 6), rng.uniform(0, 6)))),
        _dressed(rng, "tilting", at(0.38, upper, 100, wave(0, 70, rng.uniform(4, 6), rng.uniform(0, 6)), still)),
        _dressed(rng, "from behind", at(0.62, upper, 110, still, round_from_behind)),
        replace(_dressed(rng, "behind the door", at(0.86, upper, 110, still, still)), door=slides),
        _dressed(rng, "nodding off", at(0.16, lower, 60, wave(30, 55, rng.uniform(3, 5), 0), wave(0, 30, 4.5, 1))),
        _dressed(rng, "all about", at(0.42, lower, 160, wave(0, 40, 5.5, 2), wave(0, 60, 3.5, 4))),
        _dressed(rng, "small", at(0.68, lower, 44, wave(0, 25, 4, 0), wave(0, 60, 5, 2))),
        _dressed(rng, "near", at(0.88, lower, 200, wave(0, 20, 6, 0), wave(20, 50, 6, 1))),
    ]
    return Cast(tuple(players))


def _shrink(rng: random.Random, scale: float) -> Cast:
    """Faces go away from 220 down to 24 pixels of the picture, and come back."""
    least = LEAST_FACE_PX / scale
    players: list[Player] = []
    for x, largest in ((0.2, 170.0), (0.5, 220.0), (0.8, 140.0)):
        period, phase = rng.uniform(6, 10), rng.uniform(0, 6)
        sway = wave(x, 0.06, rng.uniform(3, 6), rng.uniform(0, 6))
        far = wave(0.5, 0.5, period, phase)

        def path(t: float, sway: Callable[[float], float] = sway, far: Callable[[float], float] = far,
                 largest: float = largest) -> Pose:
            return Pose(sway(t), 0.6 - 0.35 * far(t), largest * (least / largest) ** far(t))

        players.append(_dressed(rng, f"at {x:g}", path))
    return Cast(tuple(players))


def _orbit(rng: random.Random, cell: tuple[float, float], reach: float, letters: float) -> Path:
    """Around in a cell of the picture, turning to and fro or, every third time, all round."""
    x, y = (wave(middle, reach * part, rng.uniform(2.5, 6), rng.uniform(0, 6))
            for middle, part in zip(cell, (1.0, 1.2), strict=True))
    spin, swing = rng.choice((-35.0, 35.0)), wave(0, rng.uniform(10, 60), rng.uniform(3, 6), rng.uniform(0, 6))
    whole = rng.random() < 0.34
    return lambda t: Pose(x(t), y(t), letters, spin * t if whole else swing(t))


def _bands(rng: random.Random, scale: float) -> Cast:
    """Name bands and labels with letters of 14 to 40 pixels, moving and turning."""
    cards = []
    for number, letters in enumerate((14.0, 16.0, 20.0, 24.0, 32.0, 40.0)):
        cell = (0.18 + 0.32 * (number % 3), 0.27 + 0.46 * (number // 3))
        path = _orbit(rng, cell, 0.035 if letters > 30 else 0.07, letters)
        style: Literal["band", "label"] = "band" if number % 2 else "label"
        cards.append(Card(f"{style} {letters:g} px", _patient(rng), path, style))
    return Cast(cards=tuple(cards))


def _overlays(rng: random.Random, scale: float) -> Cast:
    """What a video tower burns in, over tissue: names that come and go, a clock, a line that runs through."""
    def rows(x: float, y: float, letters: float, start_s: float, end_s: float) -> Path:
        return lambda t: Pose(x, y, letters) if start_s <= t < end_s else None

    born = f"DOB {rng.randint(1935, 2005)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    split = rng.uniform(5, 8)
    runs: Path = lambda t: Pose(1.2 - (t % 8.0) * 0.18, 0.93, 24.0)  # noqa: E731
    slides = keyed((split, Pose(-0.2, 0.45, 20.0)), (split + 0.6, Pose(0.14, 0.45, 20.0)),
                   (split + 4.0, Pose(0.14, 0.45, 20.0)), (split + 4.6, Pose(-0.2, 0.45, 20.0)))
    return Cast(cards=(
        Card("name 28 px", _patient(rng), rows(0.17, 0.06, 28.0, 0.7, split), "overlay"),
        Card("name 40 px", _patient(rng), rows(0.75, 0.14, 40.0, split, SHOW_S), "overlay"),
        Card("born 16 px", born, rows(0.12, 0.13, 16.0, 0.7, SHOW_S), "overlay"),
        Card("clock 20 px", "", rows(0.92, 0.05, 20.0, 0.0, SHOW_S), "overlay", ticks=True),
        Card("note 14 px", f"OP {_patient(rng)}", rows(0.15, 0.80, 14.0, 2.0, split + 6), "overlay"),
        Card("running 24 px", _patient(rng), runs, "overlay"),
        Card("sliding 20 px", _patient(rng), slides, "overlay"),
    ), ground="tissue")


def _codes(rng: random.Random, scale: float) -> Cast:
    """Labels and bands with QR, DataMatrix and linear codes, moving and turning."""
    cards = []
    kinds: tuple[Literal["QRCode", "DataMatrix", "Code128"], ...] = ("QRCode", "Code128", "DataMatrix")
    for number in range(6):
        cell, letters = (0.18 + 0.32 * (number % 3), 0.27 + 0.46 * (number // 3)), (24.0, 16.0)[number // 3]
        text = f"{rng.randint(10**7, 10**8 - 1)}"
        cards.append(Card(f"{kinds[number % 3]} {letters:g} px", text, _orbit(rng, cell, 0.05, letters), "label",
                          code=kinds[number % 3]))
    return Cast(cards=tuple(cards))


def _pan(rng: random.Random, scale: float) -> Cast:
    """The camera pans over a room two pictures wide: people and labels at rest in it."""
    def still(x: float, y: float, size: float) -> Path:
        return lambda t: Pose(x, y, size)

    players = [
        _dressed(rng, f"at {x:.2f}", still(x, rng.uniform(0.25, 0.55), max(size, 44.0 / scale)))
        for x, size in ((0.10, 120.0), (0.48, 60.0), (0.85, 160.0), (1.22, 50.0), (1.48, 90.0), (1.85, 130.0))
    ]
    hung: tuple[tuple[float, float, Literal["band", "label", "board"]], ...] = (
        (0.25, 18.0, "label"), (0.75, 24.0, "band"), (1.25, 16.0, "label"), (1.70, 30.0, "board"),
    )
    cards = [
        Card(f"{style} {letters:g} px", _patient(rng), still(x, rng.uniform(0.82, 0.92), letters), style)
        for x, letters, style in hung
    ]
    keys, t, x = [], 0.0, 0.0
    while t < SHOW_S:
        keys += [(t, Pose(x, 0, 0)), (t + rng.uniform(0.3, 1.0), Pose(x, 0, 0))]
        other = rng.uniform(0.0, 1.0)
        t, x = keys[-1][0] + max(1.5, abs(other - x) * rng.uniform(3, 6)), other
    path = keyed(*keys)
    return Cast(tuple(players), tuple(cards), camera=lambda t: (path(t) or keys[0][1]).x)


_SHOWS: dict[str, Callable[[random.Random, float], Cast]] = {
    "enter": _enter, "rise": _rise, "turn": _turn, "shrink": _shrink, "bands": _bands, "overlays": _overlays,
    "codes": _codes, "pan": _pan,
}
