"""Draws any frame of the scene, and says exactly what identifying thing lies where in it. Knows no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from hw.ports import U8
from hw.sim.scene_backdrop import FIELD_PHASES, GRAIN_TILES, QUIET_BOX, Backdrop, even, make_backdrop
from hw.sim.scene_code import make_code
from hw.sim.scene_people import Person, load_portrait, make_person
from hw.sim.scene_script import Actor, clapper_open, write_script
from hw.sim.scene_sprites import Words, blend, make_words
from hw.sim.scene_truth import TruthBox
from hw.sim.scene_uri import SceneSettings

__all__ = ["ScenePicture", "TruthBox"]

LETTER_PX = {"overlay": 30, "clock": 34, "band": 32}
MODULE_PX = 5
BREATH_S = 3.2
_OVERLAY_AT, _CLOCK_AT, _BAND_AT = (0.02, 0.03), (0.87, 0.03), (0.56, 0.86)
_LABEL_AT = (0.62, 0.68)
_CLAPPER_AT, _CLAPPER_SIDE = (0.012, 0.90), 0.038


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sprite's place in one frame, and the identifying box in the sprite."""

    what: Words | Person
    left: int
    top: int
    kind: Literal["face", "text", "code"]
    label: str


class ScenePicture:
    """The pictures of one scene; frame i depends on nothing but the settings and i. Raises PartMissing."""

    def __init__(self, settings: SceneSettings) -> None:
        self._settings = settings
        self.width, self.height = settings.width, settings.height
        self._w, self._h = self.width + (self.width & 1), self.height + (self.height & 1)
        self._scale = min(self._w / 1920, self._h / 1080)
        self._script = write_script(settings.seed)
        portrait = load_portrait()
        self._people: list[tuple[Actor, Person]] = [
            (actor, make_person(portrait, actor, actor.face_px * self._scale)) for actor in self._script.actors
        ]
        self._backdrop: Backdrop = make_backdrop(self._w, self._h, self._scale, settings.seed)
        white = (236, 236, 230)
        script, px = self._script, {name: size * self._scale for name, size in LETTER_PX.items()}
        self._overlay = [
            ("overlay name", make_words(f"{script.patient}  {script.number}", px["overlay"], white)),
            ("overlay date", make_words(f"DOB {script.born}", px["overlay"], white)),
        ]
        self._band = make_words(
            f"{script.patient} {script.number}", px["band"], (24, 26, 40), plate=(226, 228, 224), margin=0.8
        )
        self._label = make_code(script.number, MODULE_PX * self._scale) if settings.codes else None
        self._clock_words: dict[str, Words] = {}

    @property
    def quiet_box(self) -> tuple[int, int, int, int]:
        """A part of the picture where nothing ever moves, and no face and no text is: x, y, width, height."""
        x, y, w, h = QUIET_BOX
        return even(x * self._w), even(y * self._h), even(w * self._w), even(h * self._h)

    @property
    def clapper_box(self) -> tuple[int, int, int, int]:
        """The square that turns from black to white at each clap: x, y, width, height."""
        side = even(_CLAPPER_SIDE * self._w)
        return even(_CLAPPER_AT[0] * self._w), even(_CLAPPER_AT[1] * self._h), side, side

    def draw(self, index: int, into: U8) -> None:
        """Draw frame `index` as flat NV12 into `into`, which holds exactly one coded frame."""
        t = self._time(index)
        w, h = self._w, self._h
        np.copyto(into, self._backdrop.still)
        y, uv = into[: w * h].reshape(h, w), into[w * h :].reshape(h // 2, w // 2, 2)
        self._draw_field(y, uv, index, t)
        for placed in self._placed(t):
            blend(y, uv, placed.what.sprite, placed.left, placed.top)
        left, top, side, _ = self.clapper_box
        clap = clapper_open(index, self._settings.rate, self._settings.clap_every)
        y[top : top + side, left : left + side] = 235 if clap else 16
        uv[top // 2 : (top + side) // 2, left // 2 : (left + side) // 2] = 128
        if self.width & 1:
            y[:, -1] = y[:, -2]
        if self.height & 1:
            y[-1] = y[-2]

    def truth_at(self, index: int) -> list[TruthBox]:
        """Every face and line of text that lies in frame `index`, even if only its border does."""
        boxes = []
        for placed in self._placed(self._time(index)):
            x, y, w, h = placed.what.ink if isinstance(placed.what, Words) else placed.what.face
            x, y = x + placed.left, y + placed.top
            x0, y0, x1, y1 = max(0, x), max(0, y), min(self.width, x + w), min(self.height, y + h)
            if x1 > x0 and y1 > y0:
                part = (x1 - x0) * (y1 - y0) / (w * h)
                boxes.append(TruthBox(placed.kind, x0, y0, x1 - x0, y1 - y0, part, placed.label))
        return boxes

    def _time(self, index: int) -> float:
        return float(index / self._settings.rate)

    def _draw_field(self, y: U8, uv: U8, index: int, t: float) -> None:
        drop = self._backdrop
        phase = math.floor(t / BREATH_S * FIELD_PHASES) % FIELD_PHASES
        left, top = drop.field_at
        picture = drop.field_y[phase]
        height, width = picture.shape
        # Grain differs from one frame to the next, as a sensor's does: a picture that repeats exactly is frozen.
        y[top : top + height, left : left + width] = cv2.add(picture, drop.grain[index % GRAIN_TILES])
        uv[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2] = drop.field_uv[phase]
        for number, tool in enumerate(drop.tools):
            sway = 14 * self._scale * math.sin(2 * math.pi * t / (4.5 + number) + self._script.sway_phase)
            x0 = even((0.50 + 0.02 * number) * self._w + sway)
            blend(y, uv, tool, x0, even((0.60 + 0.03 * number) * self._h - 0.6 * sway))

    def _placed(self, t: float) -> list[_Placed]:
        """Everything identifying at time `t`, in drawing order; nothing later covers something earlier."""
        placed = []
        for actor, person in self._people:
            centre_x, centre_y = actor.centre(t)
            x, y, w, h = person.face
            left, top = even(centre_x * self._w - x - w / 2), even(centre_y * self._h - y - h / 2)
            placed.append(_Placed(person, left, top, "face", actor.name))
        sway = 12 * self._scale * math.sin(2 * math.pi * t / 6.5 + self._script.sway_phase)
        x0, y0 = even(_BAND_AT[0] * self._w + sway), even(_BAND_AT[1] * self._h + sway / 3)
        placed.append(_Placed(self._band, x0, y0, "text", "name band"))
        if self._label is not None:
            placed.append(_Placed(self._label, even(_LABEL_AT[0] * self._w + sway), even(_LABEL_AT[1] * self._h),
                                  "code", "label code"))
        left, top = even(_OVERLAY_AT[0] * self._w), even(_OVERLAY_AT[1] * self._h)
        for label, words in self._overlay:
            placed.append(_Placed(words, left, top, "text", label))
            top += even(words.sprite.height * 0.85)
        clock = self._clock(self._script.clock_text(t))
        placed.append(_Placed(clock, even(_CLOCK_AT[0] * self._w), even(_CLOCK_AT[1] * self._h), "text", "clock"))
        return placed

    def _clock(self, text: str) -> Words:
        if text not in self._clock_words:
            if len(self._clock_words) >= 8:
                self._clock_words.clear()
            self._clock_words[text] = make_words(text, LETTER_PX["clock"] * self._scale, (236, 236, 230))
        return self._clock_words[text]
