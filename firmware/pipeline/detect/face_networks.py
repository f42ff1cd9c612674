"""The two face networks: a picture in, scored boxes in its pixels out. One pass each; knows nothing of a frame."""

from __future__ import annotations

from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.config import Detect
from firmware.pipeline.detect.picture import network_input, tiles
from firmware.pipeline.detect.runtime import Session, with_free_size
from firmware.pipeline.detect.types import BadDetection
from hw.ports import U8

F32 = NDArray[np.float32]
Boxes = NDArray[np.float32]
"""(n, 5): x, y, w, h, score."""
NetworkName = Literal["centerface", "yunet"]

LEAST = 0.1
"""A lower score says nothing."""
MOST = 100
"""Boxes kept of one pass, best first."""
CELL = 4
"""CenterFace answers once for every 4x4 pixels."""
STRIDES = (8, 16, 32)
"""YuNet answers for every cell of three grids, whose cells have these sides in pixels."""
LARGEST = 320
"""YuNet was trained on faces of about 10 to 300 pixels; larger boxes of it are guesses."""
NO_SHIFT, NO_SCALE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class FaceNetwork(Protocol):
    """One network. `boxes` takes RGB of any size and gives the faces it sees, in that picture's pixels."""

    def boxes(self, rgb: U8) -> Boxes: ...


class CenterFace:
    """Sure of plain and masked faces of nearly any size. `model` is the file's bytes, checked by models.load."""

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(with_free_size(model), settings)

    def boxes(self, rgb: U8) -> Boxes:
        """Raises BadDetection when the network answered nonsense."""
        parts = []
        for rows, columns in tiles(rgb.shape[1], rgb.shape[0]):
            outputs = self._session.maps(network_input(rgb[rows, columns], (0, 1, 2), NO_SHIFT, NO_SCALE), CELL)
            parts.append(shifted(decode_centerface(outputs[0], outputs[1], outputs[2]), columns.start, rows.start))
        return best_of_each(np.concatenate(parts))


class YuNet:
    """A seventh of CenterFace's work, and independent of it: trained apart, on other sizes, with other errors."""

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(with_free_size(model), settings)

    def boxes(self, rgb: U8) -> Boxes:
        """Raises BadDetection when the network answered nonsense."""
        parts = []
        for rows, columns in tiles(rgb.shape[1], rgb.shape[0]):
            batch = network_input(rgb[rows, columns], (2, 1, 0), NO_SHIFT, NO_SCALE)
            found = decode_yunet(self._session.run(batch), batch.shape[3], batch.shape[2])
            parts.append(shifted(found, columns.start, rows.start))
        return best_of_each(np.concatenate(parts))


def decode_centerface(heat: F32, size: F32, offset: F32, least: float = LEAST) -> Boxes:
    """CenterFace's maps as boxes, in pixels of its input (Xu et al. 2019, arXiv 1911.03599, section 3).

    Raises BadDetection when the network answered nonsense: no face found would be the wrong reading of it.
    """
    if not np.isfinite(heat).all():
        raise BadDetection("CenterFace answered with numbers that are not finite")
    rows, columns = np.nonzero(heat[0, 0] > least)
    high = np.exp(np.minimum(size[0, 0, rows, columns], 10)) * CELL
    wide = np.exp(np.minimum(size[0, 1, rows, columns], 10)) * CELL
    middle_y = (rows + offset[0, 0, rows, columns] + 0.5) * CELL
    middle_x = (columns + offset[0, 1, rows, columns] + 0.5) * CELL
    return _boxes("CenterFace", middle_x, middle_y, wide, high, heat[0, 0, rows, columns])


def decode_yunet(outputs: list[F32], width: int, height: int, least: float = LEAST) -> Boxes:
    """YuNet's answer as boxes, in pixels of its `width` x `height` input (Wu et al. 2023, YuNet, section 3).

    `outputs`: for each of STRIDES the chances of its class (1, cells, 1), then those of an object, then the boxes
    (1, cells, 4), cells row by row; what follows (landmarks) is not used. Raises BadDetection like the other.
    """
    found = []
    for index, stride in enumerate(STRIDES):
        cells = (height // stride) * (width // stride)
        wanted = [(1, cells, 1), (1, cells, 1), (1, cells, 4)]
        if len(outputs) < 9 or [output.shape for output in outputs[index:9:3]] != wanted:
            raise BadDetection("YuNet answered with a list of cells that is not that of the picture")
        kind, thing, box = outputs[index][0, :, 0], outputs[index + 3][0, :, 0], outputs[index + 6][0]
        score = np.sqrt(np.clip(kind, 0, 1) * np.clip(thing, 0, 1))
        if not (np.isfinite(kind).all() and np.isfinite(thing).all()):
            raise BadDetection("YuNet answered with numbers that are not finite")
        (hits,) = np.nonzero(score > least)
        rows, columns = np.divmod(hits, width // stride)
        middle_x, middle_y = (columns + box[hits, 0]) * stride, (rows + box[hits, 1]) * stride
        wide, high = (np.exp(np.minimum(box[hits, side], 10)) * stride for side in (2, 3))
        boxes = _boxes("YuNet", middle_x, middle_y, wide, high, score[hits])
        found.append(boxes[boxes[:, 2:4].max(axis=1) <= LARGEST])
    return np.concatenate(found)


def best_of_each(boxes: Boxes, most_overlap: float = 0.3) -> Boxes:
    """Non-maximum suppression; at most MOST boxes."""
    if not len(boxes):
        return boxes
    kept = cv2.dnn.NMSBoxes(boxes[:, :4].tolist(), boxes[:, 4].tolist(), 0.0, most_overlap)
    best: Boxes = boxes[np.asarray(kept, dtype=np.intp).reshape(-1)[:MOST]]
    return best


def shifted(boxes: Boxes, right: float, down: float) -> Boxes:
    """The same boxes, seen from a corner that lies `right` and `down` pixels the other way."""
    boxes[:, 0] += right
    boxes[:, 1] += down
    return boxes


def _boxes(name: str, middle_x: F32, middle_y: F32, wide: F32, high: F32, score: F32) -> Boxes:
    found = np.stack([middle_x - wide / 2, middle_y - high / 2, wide, high, score], axis=1).astype(np.float32)
    if not np.isfinite(found).all():
        raise BadDetection(f"{name} answered with a box that is not finite")
    return found
