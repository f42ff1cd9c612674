"""From a text network's probability map to rotated boxes around words, and what speaks against one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.ports import U8

F32 = NDArray[np.float32]
Rect = tuple[tuple[float, float], tuple[float, float], float]
"""As OpenCV has it: centre, sides, clockwise angle in degrees."""

SPECK = 10.0
"""A word whose longer side is under this many network pixels is a highlight, not letters."""
THINNEST = 4.0
"""Network pixels: under this a row of letters cannot be read."""
STROKE = 24.0
"""Grey levels between neighbours that make the edge of a letter in print that is there to be read."""
LETTERS_PX = 24.0
STROKES_LEAST = 0.25
"""Share of a large word's pixels that lie on such an edge."""
MOST_CONTOURS = 3000


@dataclass(frozen=True, slots=True)
class Word:
    """A rotated box in pixels of the frame: centre, sides, clockwise angle in (-45, 45], score."""

    x: float
    y: float
    w: float
    h: float
    angle_deg: float
    score: float

    @property
    def high(self) -> float:
        return min(self.w, self.h)

    def corners(self) -> NDArray[np.int32]:
        """The four corners, rounded."""
        return np.asarray(np.round(self.exact_corners()), np.int32)

    def exact_corners(self) -> F32:
        """The four corners, (4, 2)."""
        return np.asarray(cv2.boxPoints(((self.x, self.y), (self.w, self.h), self.angle_deg)), np.float32)

    def moved(self, right: float, down: float) -> Word:
        """The same, `right` and `down` further."""
        return Word(self.x + right, self.y + down, self.w, self.h, self.angle_deg, self.score)

    def grown(self, by: float) -> Word:
        """Grown on each side by area * `by` / perimeter: the network marks the core of a word only
        (Liao et al. 2019, arXiv 1911.08947, section 3.5)."""
        margin = self.w * self.h * by / (2 * (self.w + self.h))
        return Word(self.x, self.y, self.w + 2 * margin, self.h + 2 * margin, self.angle_deg, self.score)


def words(chance: F32, ratio: float, threshold: float, score_least: float) -> list[Word]:
    """Connected parts of `chance` (H, W) above `threshold` whose mean is at least `score_least`.

    `ratio` is frame pixels for one map pixel.
    """
    marked = (chance > threshold).astype(np.uint8)
    contours, _ = cv2.findContours(marked, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > MOST_CONTOURS:  # a bound on the time; what is left out is specks, wherever they are
        contours = sorted(contours, key=_extent, reverse=True)[:MOST_CONTOURS]
    out = []
    for contour in contours:
        (x, y), (w, h), angle = cv2.minAreaRect(contour)
        w, h = w + 1, h + 1
        if min(w, h) < THINNEST - 1 or max(w, h) < SPECK:
            continue
        left, top, wide, high = cv2.boundingRect(contour)
        inside = np.zeros((high, wide), np.uint8)
        cv2.drawContours(inside, [contour - np.array([left, top])], -1, 1, cv2.FILLED)
        score = float(cv2.mean(chance[top : top + high, left : left + wide], inside)[0])
        if score >= score_least:
            rect = (((x + 0.5) * ratio, (y + 0.5) * ratio), (w * ratio, h * ratio), angle)
            out.append(Word(*upright(rect), min(score, 1.0)))
    return out


def _extent(contour: NDArray[np.int32]) -> int:
    """The longer side of the upright box around a contour."""
    return int(max(cv2.boundingRect(contour)[2:]))


def upright(rect: Rect) -> tuple[float, float, float, float, float]:
    """OpenCV's rotated rectangle as x, y, w, h, angle_deg with the angle in (-45, 45]."""
    (x, y), (w, h), angle = rect
    while angle > 45:
        w, h, angle = h, w, angle - 90
    while angle <= -45:
        w, h, angle = h, w, angle + 90
    return x, y, w, h, angle


def covered_share(word: Word, others: list[Word], width: int, height: int) -> float:
    """How much of `word` the `others` cover, 0 to 1."""
    corners = word.corners()
    left, top = max(int(corners[:, 0].min()), 0), max(int(corners[:, 1].min()), 0)
    right, bottom = min(int(corners[:, 0].max()) + 1, width), min(int(corners[:, 1].max()) + 1, height)
    if right <= left or bottom <= top:
        return 0.0
    origin = np.array([left, top])
    mine = np.zeros((bottom - top, right - left), np.uint8)
    theirs = mine.copy()
    cv2.fillPoly(mine, [corners - origin], 1)
    for other in others:
        cv2.fillPoly(theirs, [other.corners() - origin], 1)
    return float((mine & theirs).sum()) / max(float(mine.sum()), 1.0)


def has_strokes(word: Word, grey: U8, ratio: float) -> bool:
    """Whether a word has the edges that large letters must have; a highlight or a smooth surface has not.

    `grey` is the picture at frame pixels / `ratio`. The word is looked at as if it were LETTERS_PX tall, so that
    thick and thin letters have the same share of edges.
    """
    points = word.corners() / ratio
    left, top = (max(int(v), 0) for v in points.min(axis=0))
    right, bottom = (int(v) + 1 for v in points.max(axis=0))
    patch = grey[top:bottom, left:right]
    if min(patch.shape) < 3:
        return False
    mine = np.zeros(patch.shape, np.uint8)
    cv2.fillPoly(mine, [np.round(points - [left, top]).astype(np.int32)], 1)
    shrink = min(1.0, LETTERS_PX * ratio / word.high)
    size = (max(3, round(patch.shape[1] * shrink)), max(3, round(patch.shape[0] * shrink)))
    patch = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
    mine = np.asarray(cv2.resize(mine, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    across = cv2.absdiff(patch[1:-1, 2:], patch[1:-1, :-2])
    down = cv2.absdiff(patch[2:, 1:-1], patch[:-2, 1:-1])
    edges = (np.maximum(across, down) > STROKE) & (mine[1:-1, 1:-1] > 0)
    return bool(edges.sum() >= STROKES_LEAST * max(int(mine.sum()), 1))
