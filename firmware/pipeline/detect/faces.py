"""Finds faces with CenterFace, and grows each to the whole head. Knows nothing of time; see planner.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.config import Detect
from firmware.pipeline.detect.boxes import envelopes, overlap
from firmware.pipeline.detect.field import is_field
from firmware.pipeline.detect.picture import Picture, network_input, scaled, take, tiles
from firmware.pipeline.detect.runtime import Session, with_free_size
from firmware.pipeline.detect.types import BadDetection, Region
from hw.ports import U8

Boxes = NDArray[np.float32]
"""(n, 5): x, y, w, h, score."""

CELL = 4
"""CenterFace answers once for every 4x4 pixels."""
FAINT = 0.75
"""A hit this much below the threshold counts when another pass of the same frame agrees."""
FIELD_ALONE, FIELD_FAINT = 2.0, 1.25
"""The same two in a view of the operating field; a single pass never has a second opinion."""
SIDE, UP, DOWN = 0.18, 0.35, 0.20
"""How much a box grows, in its own width and height: ears, cap, and the chin under a mask."""


@dataclass(frozen=True, slots=True)
class Look:
    """One pass over a frame at `long_side` pixels: flipped left to right, or turned by `quarter` right angles.

    `strictness` multiplies the configured threshold.
    """

    long_side: int
    flipped: bool = False
    quarter: int = 0
    strictness: float = 1.0


LIVE_LONG_SIDE = 768


def looks(profile: Literal["live", "thorough"], width: int, height: int) -> list[Look]:
    """The passes for a frame of this size.

    Thorough: from very small (a face that fills the picture is too large for the network at full size) to full size
    or twice that for a small picture, once flipped, and lying on either side for a patient on the table.
    """
    longest = max(width, height)
    if profile == "live":
        return [Look(min(LIVE_LONG_SIDE, max(longest, LIVE_LONG_SIDE // 2)))]
    medium = min(640, 2 * longest)
    passes = [
        Look(160, strictness=1.5), Look(224, strictness=1.25), Look(medium // 2), Look(medium),
        Look(medium, flipped=True),
    ]
    top = max(longest, min(2 * longest, 1280))
    if top > 1.4 * 640:
        passes.append(Look(min(top, 1280), strictness=1.25))
    if top > 1.4 * 1280:
        passes.append(Look(top, strictness=1.25))
    lying = max(medium * 3 // 4, 32)
    return [*passes, Look(lying, quarter=1, strictness=2.25), Look(lying, quarter=3, strictness=2.25)]


class FaceDetector:
    """CenterFace behind the detector interface. `model` is the file's bytes, checked by models.load."""

    kind: Literal["face"] = "face"

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(with_free_size(model), settings)
        self._profile, self._threshold = settings.profile, settings.face_threshold
        self._last: tuple[Picture, tuple[Region, ...]] | None = None

    def prepare(self, y: U8, uv: U8) -> Picture:
        """A private copy, no larger than the passes need."""
        return take(y, uv, LIVE_LONG_SIDE if self._profile == "live" else None)

    def detect(self, prepared: Picture) -> tuple[Region, ...]:
        """Heads as upright boxes inside the frame. A frame equal to the one before gets the same answer."""
        if self._last is not None and prepared.same_as(self._last[0]):
            return self._last[1]
        rgb = prepared.rgb()
        upright: list[Boxes] = []
        lying: list[Boxes] = []
        for look in looks(self._profile, prepared.width, prepared.height):
            found = self._pass(rgb, look)
            found[:, :4] *= prepared.width / rgb.shape[1]
            (lying if look.quarter else upright).append(found)
        alone, faint = (FIELD_ALONE, FIELD_FAINT) if is_field(prepared.y, prepared.uv) else (1.0, FAINT)
        faces = agreed(upright, alone * self._threshold, faint * self._threshold)
        for found in lying:
            sure = found[found[:, 4] >= alone * self._threshold]
            faces = np.concatenate([faces, *(box[None] for box in sure if not near_any(box, faces))])
        regions = tuple(regions_of(envelopes(grown(faces)), prepared.width, prepared.height))
        self._last = (prepared, regions)
        return regions

    def _pass(self, rgb: U8, look: Look) -> Boxes:
        """Boxes in pixels of `rgb`, scores divided by the pass's strictness."""
        small = scaled(rgb, look.long_side)
        ratio = rgb.shape[1] / small.shape[1]
        if look.flipped:
            small = small[:, ::-1]
        if look.quarter:
            small = np.rot90(small, look.quarter)
        small_height, small_width = small.shape[:2]
        parts = []
        for rows, columns in tiles(small_width, small_height):
            outputs = self._session.maps(
                network_input(small[rows, columns], (0, 1, 2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), CELL
            )
            part = decode(outputs[0], outputs[1], outputs[2], FAINT * self._threshold * look.strictness)
            part[:, 0] += columns.start
            part[:, 1] += rows.start
            parts.append(part)
        found = best_of_each(np.concatenate(parts))
        if look.flipped:
            found[:, 0] = small_width - found[:, 0] - found[:, 2]
        if look.quarter == 1:  # counter-clockwise: x' = y, y' = W - x
            x, y = small_height - found[:, 1] - found[:, 3], found[:, 0].copy()
            found = np.stack([x, y, found[:, 3], found[:, 2], found[:, 4]], axis=1)
        elif look.quarter == 3:  # clockwise: x' = H - y, y' = x
            x, y = found[:, 1].copy(), small_width - found[:, 0] - found[:, 2]
            found = np.stack([x, y, found[:, 3], found[:, 2], found[:, 4]], axis=1)
        found[:, :4] *= ratio
        found[:, 4] = np.minimum(found[:, 4] / look.strictness, 1.0)
        return found.astype(np.float32)


def decode(heat: Boxes, size: Boxes, offset: Boxes, threshold: float) -> Boxes:
    """CenterFace's maps as boxes, in pixels of its input (Xu et al. 2019, arXiv 1911.03599, section 3).

    Raises BadDetection when the network answered nonsense: no face found would be the wrong reading of it.
    """
    if not np.isfinite(heat).all():
        raise BadDetection("CenterFace answered with numbers that are not finite")
    rows, columns = np.nonzero(heat[0, 0] > threshold)
    high = np.exp(np.minimum(size[0, 0, rows, columns], 10)) * CELL
    wide = np.exp(np.minimum(size[0, 1, rows, columns], 10)) * CELL
    middle_y = (rows + offset[0, 0, rows, columns] + 0.5) * CELL
    middle_x = (columns + offset[0, 1, rows, columns] + 0.5) * CELL
    score = heat[0, 0, rows, columns]
    found = np.stack([middle_x - wide / 2, middle_y - high / 2, wide, high, score], axis=1).astype(np.float32)
    if not np.isfinite(found).all():
        raise BadDetection("CenterFace answered with a box that is not finite")
    return found


def best_of_each(boxes: Boxes, most_overlap: float = 0.3) -> Boxes:
    """Non-maximum suppression; at most 200 boxes."""
    if not len(boxes):
        return boxes
    kept = cv2.dnn.NMSBoxes(boxes[:, :4].tolist(), boxes[:, 4].tolist(), 0.0, most_overlap)
    best: Boxes = boxes[np.asarray(kept, dtype=np.intp).reshape(-1)[:200]]
    return best


def agreed(passes: list[Boxes], alone: float, faint: float) -> Boxes:
    """Boxes with a score of at least `alone`, and those of at least `faint` that a second pass saw so too."""
    passes = [boxes[boxes[:, 4] >= faint] for boxes in passes]
    kept: list[Boxes] = []
    for index, boxes in enumerate(passes):
        others = [other for number, other in enumerate(passes) if number != index]
        for box in boxes:
            if box[4] >= alone or any(len(other) and overlap(box, other).max() >= 0.4 for other in others):
                kept.append(box)
    return np.stack(kept) if kept else np.zeros((0, 5), np.float32)


def near_any(box: Boxes, faces: Boxes) -> bool:
    """Whether the box's centre lies on one of `faces` or close by: an upright face, seen badly when turned."""
    if not len(faces):
        return False
    middle_x, middle_y = box[0] + box[2] / 2, box[1] + box[3] / 2
    x, y, w, h = faces[:, 0], faces[:, 1], faces[:, 2], faces[:, 3]
    inside_x = (middle_x >= x - 0.3 * w) & (middle_x <= x + 1.3 * w)
    inside_y = (middle_y >= y - 0.3 * h) & (middle_y <= y + 1.3 * h)
    return bool((inside_x & inside_y).any())


def grown(boxes: Boxes) -> Boxes:
    """From face to head."""
    out: Boxes = boxes.copy()
    wide, high = boxes[:, 2], boxes[:, 3]
    out[:, 0] -= SIDE * wide
    out[:, 2] += 2 * SIDE * wide
    out[:, 1] -= UP * high
    out[:, 3] += (UP + DOWN) * high
    return out


def regions_of(boxes: Boxes, width: int, height: int) -> list[Region]:
    """Boxes cut to the picture; what is left of one outside it is nothing."""
    out = []
    for x, y, w, h, score in boxes.tolist():
        left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
        if right <= left or bottom <= top:
            continue
        out.append(Region("face", left, top, right - left, bottom - top, 0.0, min(max(score, 0.0), 1.0)))
    return out
