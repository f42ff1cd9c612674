"""Finds faces with two networks that must agree, and grows each to the whole head. Knows nothing of time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from firmware.config import Detect
from firmware.pipeline.detect import models
from firmware.pipeline.detect.boxes import envelopes
from firmware.pipeline.detect.face_looks import LIVE_SIZE, TURNS, Look, Looker, lightened, looks
from firmware.pipeline.detect.face_memory import Place, missed, remembered
from firmware.pipeline.detect.face_networks import LEAST, Boxes, CenterFace, FaceNetwork, NetworkName, YuNet
from firmware.pipeline.detect.face_votes import agreed, apart, on_one, suspects
from firmware.pipeline.detect.field import is_field
from firmware.pipeline.detect.picture import Picture, take
from firmware.pipeline.detect.types import Region
from hw.ports import U8

LIVE = 0.7
"""The live profile asks for less: fewer passes are fewer chances for a mistake, and for a good view."""
FIELD = 2.0
"""In a view of the operating field, what must be so much more certain."""
TURNED = 1.5
"""So must a face that lies or hangs: in a turned picture, shoulders and folds look like one."""
CLOSE_LARGEST, MOST_CLOSE = 1 / 12, 3
"""New things that live looks take a closer look at: up to this share of the picture's longer side. At most so many
closer looks, all in all,"""
MOST_MISSED = 2
"""of which so many are for faces that were there and that the passes do not find now."""
AT_ONCE = 2
"""So many looks make a whole round by themselves: the one that warms the networks up, and a recording's first."""
SIDE, UP, DOWN = 0.22, 0.35, 0.25
"""How much a box grows, in its own width and height: ears, cap, and the chin under a mask."""


def open_faces(models_dir: str | Path, settings: Detect) -> FaceDetector:
    """The face detector with its models, checked. Raises PartMissing when one is not there or not the locked one."""
    return FaceDetector(models.load(models_dir, models.FACES), models.load(models_dir, models.FACES_TOO), settings)


class FaceDetector:
    """CenterFace and YuNet behind the detector interface, from their files' bytes as checked by models.load."""

    kind: Literal["face"] = "face"

    def __init__(self, centerface: bytes, yunet: bytes, settings: Detect) -> None:
        self._networks: dict[NetworkName, FaceNetwork] = {
            "centerface": CenterFace(centerface, settings), "yunet": YuNet(yunet, settings),
        }
        self._profile = settings.profile
        self._threshold = settings.face_threshold * (LIVE if settings.profile == "live" else 1.0)
        self._turn = 0
        self._at_once = AT_ONCE
        self._places: list[Place] = []
        self._last: Picture | None = None
        self._answers: list[tuple[Region, ...]] = []

    def prepare(self, y: U8, uv: U8) -> Picture:
        """A private copy, no larger than the passes need."""
        return take(y, uv, LIVE_SIZE if self._profile == "live" else None)

    def detect(self, prepared: Picture) -> tuple[Region, ...]:
        """Heads as upright boxes inside the frame. A frame that stays equal is looked at until all has been tried."""
        if not prepared.same_as(self._last):
            self._last, self._answers = prepared, []
        if len(self._answers) < (len(TURNS) if self._profile == "live" else 1):
            self._answers.append(self._look(prepared))
            self._turn = (self._turn + 1) % len(TURNS)
        return tuple(dict.fromkeys(region for answer in self._answers for region in answer))

    def _passes(self, prepared: Picture) -> list[Look]:
        """Those of this look; of the first ones all of a round, so that a recording's first frames miss nothing."""
        turns = range(len(TURNS)) if self._at_once and self._profile == "live" else (self._turn,)
        self._at_once = max(0, self._at_once - 1)
        size = prepared.width, prepared.height
        return list(dict.fromkeys(look for turn in turns for look in looks(self._profile, *size, turn)))

    def _look(self, prepared: Picture) -> tuple[Region, ...]:
        looker = Looker(lightened(prepared.rgb(), smooth=self._profile == "live"), self._networks)
        seen: dict[int, list[tuple[NetworkName, Boxes]]] = {}
        for look in self._passes(prepared):
            seen.setdefault(look.quarter, []).append((look.network, looker.see(look)))
        field = FIELD if is_field(prepared.y, prepared.uv) else 1.0
        upright = seen.pop(0)
        faces = agreed(upright, field * self._threshold)
        if self._profile == "live":  # its passes are too coarse to be sure of a small face, or of one that turns
            faces = self._closer(looker, upright, CLOSE_LARGEST * max(prepared.y.shape), field * self._threshold)
        heads = [grown(faces)]
        for quarter, passes in seen.items():
            turned = agreed(passes, max(field, TURNED) * self._threshold, each=LEAST)
            heads.append(grown(apart(turned, faces), quarter))
        found = envelopes(np.concatenate(heads))
        found[:, :4] *= prepared.width / prepared.y.shape[1]
        return tuple(regions_of(found, prepared.width, prepared.height))

    def _closer(self, looker: Looker, seen: list[tuple[NetworkName, Boxes]], largest: float, threshold: float) -> Boxes:
        """The faces, after a closer look where one was lately and where one may be; remembers them. Adds to `seen`."""
        lost = missed(self._places, agreed(seen, threshold), MOST_MISSED)
        for place in lost:
            _look_closer(looker, place.box, seen, threshold)
        for box in suspects(seen, agreed(seen, threshold), largest, MOST_CLOSE - len(lost)):
            _look_closer(looker, box.tolist(), seen, threshold)
        faces = agreed(seen, threshold)
        self._places = remembered(self._places, faces, lost)
        return faces


def _look_closer(
    looker: Looker, box: Sequence[float], seen: list[tuple[NetworkName, Boxes]], threshold: float
) -> None:
    """Adds what a closer look saw to `seen`: YuNet's first, and CenterFace's where that is not enough."""
    seen.append(("yunet", looker.close("yunet", box)))
    if not on_one(box, agreed(seen, threshold)):
        seen.append(("centerface", looker.close("centerface", box)))


def grown(boxes: Boxes, quarter: int = 0) -> Boxes:
    """From face to head: of faces seen upright in a picture turned counter-clockwise by `quarter` right angles."""
    left, top, right, bottom = {
        0: (SIDE, UP, SIDE, DOWN), 1: (DOWN, SIDE, UP, SIDE),
        2: (SIDE, DOWN, SIDE, UP), 3: (UP, SIDE, DOWN, SIDE),
    }[quarter]  # fmt: skip
    out: Boxes = boxes.copy()
    wide, high = boxes[:, 2], boxes[:, 3]
    out[:, 0] -= left * wide
    out[:, 2] += (left + right) * wide
    out[:, 1] -= top * high
    out[:, 3] += (top + bottom) * high
    return out


def regions_of(boxes: Boxes, width: int, height: int) -> list[Region]:
    """Boxes with the sum of two scores, cut to the picture; what is left of one outside it is nothing."""
    out = []
    for x, y, w, h, score in boxes.tolist():
        left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
        if right <= left or bottom <= top:
            continue
        out.append(Region("face", left, top, right - left, bottom - top, 0.0, min(max(score / 2, 0.0), 1.0)))
    return out
