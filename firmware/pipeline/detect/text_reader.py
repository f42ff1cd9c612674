"""Whether there are any letters in a doubtful word: PP-OCR's reading network as a judge. What it reads is not kept."""

from __future__ import annotations

import cv2
import numpy as np

from firmware.config import Detect
from firmware.pipeline.detect.letters import F32, Word
from firmware.pipeline.detect.picture import Picture
from firmware.pipeline.detect.runtime import Session
from firmware.pipeline.detect.types import BadDetection
from hw.ports import U8

HEIGHT = 48
"""The network's own line height, in pixels."""
NARROWEST, WIDEST = 320, 960
GROWN = 1.7
"""The word as the network marks it is the core of the letters only."""
ONE_SURE = 0.7
"""A single letter counts from this probability on, two of any."""
STANDING = 1.5
"""A word this much taller than wide may be a line that runs up or down, or a single tall letter: both are tried."""


class LetterReader:
    """Reads a cut-out and tells only whether it found letters. `model` is the file's bytes, checked by models.load.

    Its list of characters is not loaded: it cannot tell what a name is, only that something is written.
    """

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(model, settings)

    def finds_letters(self, picture: Picture, rgb: U8, word: Word) -> bool:
        """Whether something can be read in `word`, either way up. `rgb` is the picture's own. Raises BadDetection."""
        return any(self._letters(cut) for cut in cuts(picture, rgb, word))

    def _letters(self, cut: U8) -> bool:
        answer = self._session.run(network_line(cut))[0]
        if answer.ndim != 3 or not np.isfinite(answer).all():
            raise BadDetection("The reading network answered nonsense")
        return holds_letters(answer[0])


def holds_letters(steps: F32) -> bool:
    """Whether (steps, characters) probabilities, the first of which is "none", spell more than a doubtful letter
    (Graves et al. 2006, Connectionist temporal classification: repeats of a character are one)."""
    best, sure = steps.argmax(axis=1), steps.max(axis=1)
    first = np.flatnonzero((best != 0) & (np.diff(best, prepend=0) != 0))
    return first.size >= 2 or bool(first.size and sure[first[0]] >= ONE_SURE)


def cuts(picture: Picture, rgb: U8, word: Word) -> list[U8]:
    """The word cut out along its line, both ways up; one that stands also as if it ran up or down."""
    ratio = picture.width / rgb.shape[1]
    grown = word.grown(GROWN)
    boxes = [(grown.w / ratio, grown.h / ratio, grown.angle_deg)]
    if grown.h > STANDING * grown.w:
        boxes.append((grown.h / ratio, grown.w / ratio, grown.angle_deg + 90))
    out = []
    for w, h, angle in boxes:
        turn = cv2.getRotationMatrix2D((grown.x / ratio, grown.y / ratio), angle, 1.0)
        turn[:, 2] += [w / 2 - grown.x / ratio, h / 2 - grown.y / ratio]
        size = (max(4, round(w)), max(4, round(h)))
        cut = cv2.warpAffine(rgb, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        out += [np.asarray(cut, np.uint8), np.ascontiguousarray(cut[::-1, ::-1])]
    return out


def network_line(cut: U8) -> F32:
    """(1, 3, 48, W) float32 in [-1, 1], BGR, grey to the right of a short line."""
    width = min(max(round(HEIGHT * cut.shape[1] / cut.shape[0]), 8), WIDEST)
    line = cv2.resize(cut, (width, HEIGHT), interpolation=cv2.INTER_LINEAR)
    batch = np.zeros((1, 3, HEIGHT, max(width, NARROWEST)), np.float32)
    batch[0, :, :, :width] = line[:, :, ::-1].transpose(2, 0, 1) / np.float32(127.5) - 1
    return batch
