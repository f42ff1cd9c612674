"""Attacks on filled writing: a text recogniser reads name plates before and after, also at full contrast."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np
import onnx

from firmware.config import Detect
from firmware.pipeline.detect.runtime import Session
from hw.ports import U8
from tests.attacks.film import HEIGHT, WIDTH, Box, Still, as_planes, scrubbed
from tests.attacks.scores import Result, judge

FAMILY = ("MARLOWE", "OKONKWO", "LINDQVIST", "HARGREAVES", "TANIGUCHI", "VELAZQUEZ", "ABERNATHY", "KOWALCZYK",
          "FITZGERALD", "NAKAMURA", "BERGSTROM", "DELACROIX", "MCALLISTER", "PAPADOPOULOS", "SZYMANSKI", "ROSENBERG")
GIVEN = ("Iris", "Theo", "Nadia", "Oscar", "Lena", "Marcus", "Priya", "Hugo", "Judith", "Emil")
HIGH = 48
"""Rows of the recogniser's input."""
SURE = 0.5


@dataclass(frozen=True)
class Words:
    """What the recogniser made of the plates. `read_before` and `read_after` count plates read without one error."""

    plates: int
    read_before: int
    read_after: int
    sure_after: int
    """Plates of which it was sure that anything at all is written there."""
    matching: Result


class Recogniser:
    """PP-OCR recognition (Du et al. 2020, arXiv 2009.09941): a line of writing in, its letters out."""

    def __init__(self, model: bytes) -> None:
        self._session = Session(model, Detect())
        told = {entry.key: entry.value for entry in onnx.load_model_from_string(model).metadata_props}
        self._letters = ["", *told["character"].split("\n"), " "]

    def read(self, rgb: U8) -> tuple[str, float]:
        """The text and how sure the network is of it, 0 to 1 (0 for no text)."""
        wide = max(HIGH, round(rgb.shape[1] * HIGH / rgb.shape[0]))
        line = cv2.resize(rgb, (wide, HIGH), interpolation=cv2.INTER_CUBIC)[..., ::-1].astype(np.float32)
        batch = np.ascontiguousarray(((line / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None], np.float32)
        chances = self._session.run(batch)[0][0]
        best = chances.argmax(1)
        kept = [at for at in range(len(best)) if best[at] and (at == 0 or best[at] != best[at - 1])]
        text = "".join(self._letters[best[at]] for at in kept if best[at] < len(self._letters))
        return text, float(chances[kept, best[kept]].mean()) if kept else 0.0


def plates(count: int, seed: int = 2) -> tuple[list[Still], list[tuple[int, Box, str]]]:
    """Name plates of 16 to 40 pixels letter height, eight on a still, before a soft pattern."""
    random = np.random.default_rng(seed)
    stills: list[Still] = []
    written = []
    for number in range(count):
        if number % 8 == 0:
            back = cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 9)
            stills.append(Still(cv2.normalize(back, None, 60, 200, cv2.NORM_MINMAX)))
        name = f"{random.choice(FAMILY)}, {random.choice(GIVEN)} {random.integers(1000, 9999)}"
        high = int(random.integers(16, 41))
        scale, thick = high / 21, max(1, high // 12)
        (wide, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        left = int(random.integers(20, max(WIDTH - wide - 40, 21)))
        top = 15 + (number % 8) * 88
        dark = bool(random.integers(2))
        paper, ink = ((30, 34, 40), (235, 235, 230)) if dark else ((232, 235, 238), (25, 20, 40))
        box = (left, top, min(wide + 16, WIDTH - left), high + 24)
        cv2.rectangle(stills[-1].rgb, box[:2], (box[0] + box[2], box[1] + box[3]), paper, -1)
        cv2.putText(stills[-1].rgb, name, (left + 8, top + high + 8), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick,
                    cv2.LINE_AA)
        stills[-1].boxes.append(tuple(float(value) for value in box))  # type: ignore[arg-type]
        written.append((len(stills) - 1, stills[-1].boxes[-1], name))
    return stills, written


def attack(recogniser: Recogniser, folder: Path, count: int = 64) -> Words:
    stills, written = plates(count)
    before = [as_planes(still.rgb).rgb() for still in stills]
    after = [planes.rgb() for planes in scrubbed(stills, folder, "words")]
    names = [name for *_, name in written]
    seen = [recogniser.read(_part(before[n], box))[0] for n, box, _ in written]
    found = [max((recogniser.read(how(_part(after[n], box))) for how in (np.asarray, _stretched)), key=lambda r: r[1])
             for n, box, _ in written]
    scores = np.array([[SequenceMatcher(None, text.lower(), name.lower()).ratio() for name in names]
                       for text, _ in found])
    return Words(len(names), sum(map(_same, seen, names)), sum(_same(text, name) for (text, _), name in
                 zip(found, names, strict=True)), sum(sure > SURE for _, sure in found), judge(scores))


def _same(one: str, other: str) -> bool:
    return "".join(one.lower().split()) == "".join(other.lower().split())


def _part(rgb: U8, box: Box) -> U8:
    x, y, w, h = (round(value) for value in box)
    return rgb[y : y + h, x : x + w]


def _stretched(rgb: U8) -> U8:
    """The faintest trace at full contrast."""
    return np.asarray(cv2.normalize(rgb, None, 0, 255, cv2.NORM_MINMAX), np.uint8)
