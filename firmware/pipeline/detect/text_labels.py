"""From words to what they stand on: the words of a line as one, and a label, band or box as a whole. Pure."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.letters import Rect, Word, upright
from firmware.pipeline.detect.picture import Picture
from hw.ports import U8

SAME_LINE_DEG = 12.0
SAME_HEIGHT = 1.7
GAP = 1.2
"""Words of one line lie closer together than this many times their height."""
OFF_LINE = 0.4
WASTE = 1.4
"""A joined line may be this much larger than its words."""

REACH = 8.0
"""A label ends within this many letter heights of its word on each side."""
LIKE = 16
"""Grey levels around the paper's own that still are paper."""
FULL = 0.8
"""Share of its own rectangle that a label fills; less is a wall, a drape or a shadow."""
LARGEST = 0.1
"""Of the picture."""
WORK_PX = 256
"""The surroundings are looked at in no more pixels than this on the longer side."""
MOST_LOOKED_AT = 40


def lines(words: list[Word]) -> list[Word]:
    """The same words, those that follow each other on a line as one: a name's gaps are part of the name.

    Words that lie inside another (a second pass has seen them too) go into that one.
    """
    rest = sorted(words, key=lambda word: word.x)
    out: list[Word] = []
    while rest:
        word = rest.pop(0)
        grew = True
        while grew:
            grew = False
            for other in list(rest):
                joined = _joined(word, other)
                if joined is not None:
                    word, grew = joined, True
                    rest.remove(other)
        out.append(word)
    return out


def _joined(one: Word, other: Word) -> Word | None:
    """Both as one word, None when they are not of one line."""
    if abs(one.x - other.x) > (one.w + other.w) / 2 + GAP * (one.high + other.high) + (one.h + other.h) / 2:
        return None
    union = upright(cv2.minAreaRect(np.concatenate([one.exact_corners(), other.exact_corners()])))
    joined = Word(*union, max(one.score, other.score))
    larger = max(one.w * one.h, other.w * other.h)
    if joined.w * joined.h <= 1.02 * larger:
        return joined
    if not 1 / SAME_HEIGHT <= one.high / other.high <= SAME_HEIGHT:
        return None
    turned = abs(one.angle_deg - other.angle_deg) % 90
    if min(turned, 90 - turned) > SAME_LINE_DEG:
        return None
    long_side = one if max(one.w, one.h) >= max(other.w, other.h) else other
    along = math.radians(long_side.angle_deg + (90 if long_side.h > long_side.w else 0))
    dx, dy = other.x - one.x, other.y - one.y
    ahead = abs(dx * math.cos(along) + dy * math.sin(along))
    aside = abs(dy * math.cos(along) - dx * math.sin(along))
    high = max(one.high, other.high)
    gap = ahead - (max(one.w, one.h) + max(other.w, other.h)) / 2
    if gap > GAP * high or aside > OFF_LINE * high:
        return None
    return joined if joined.w * joined.h <= WASTE * (one.w * one.h + other.w * other.h) + high * max(gap, 0) else None


def labels(words: list[Word], picture: Picture) -> list[Word]:
    """Each word, or the label around it where it stands on one. Words that a found label covers go into it."""
    out: list[Word] = []
    found: list[Word] = []
    for word in sorted(words, key=lambda word: -word.w * word.h)[:MOST_LOOKED_AT]:
        if any(_inside(word, label) for label in found):
            continue
        label = label_around(word, picture)
        if label is not None:
            found.append(label)
        out.append(label or word)
    return out + sorted(words, key=lambda word: -word.w * word.h)[MOST_LOOKED_AT:]


def label_around(word: Word, picture: Picture) -> Word | None:
    """The evenly coloured rectangle that a word stands on, None when there is none or its end is not in sight."""
    ratio = picture.width / picture.y.shape[1]
    height, width = picture.y.shape
    corners = word.exact_corners() / ratio
    reach = max(REACH * word.high / ratio, 8.0)
    left, top = (max(int(v - reach), 0) for v in corners.min(axis=0))
    right, bottom = min(int(corners[:, 0].max() + reach) + 1, width), min(int(corners[:, 1].max() + reach) + 1, height)
    if right - left < 4 or bottom - top < 4:
        return None
    part = picture.y[top:bottom, left:right]
    shrink = min(1.0, WORK_PX / max(part.shape))
    size = (max(4, round(part.shape[1] * shrink)), max(4, round(part.shape[0] * shrink)))
    part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)])
    box = np.round((corners - [left, top]) * scale).astype(np.int32)
    rect = _paper(part, box, (left == 0, top == 0, right == width, bottom == height))
    if rect is None:
        return None
    back = ratio / float(scale.mean())
    (x, y), (w, h), angle = rect
    label = Word(*upright(((x * back + left * ratio, y * back + top * ratio), (w * back, h * back), angle)), word.score)
    if label.w * label.h > LARGEST * picture.width * picture.height or not _inside(word, label):
        return None
    return label


def _paper(
    part: U8, box: NDArray[np.int32], open_ends: tuple[bool, bool, bool, bool]
) -> Rect | None:
    """The rectangle around the even patch under `box`; None when the patch runs out of `part` or is no rectangle.

    `open_ends` tells at which borders (left, top, right, bottom) the picture itself ends: there it may run out.
    """
    edge = np.zeros(part.shape, np.uint8)
    cv2.polylines(edge, [box], True, 1, 1)
    if not edge.any():
        return None
    paper = int(np.median(part[edge > 0]))
    even = (cv2.absdiff(part, np.full_like(part, paper)) <= LIKE).astype(np.uint8)
    cv2.fillPoly(even, [box], 1)
    _, patches = cv2.connectedComponents(even, connectivity=4)
    middle = np.clip(box.mean(axis=0).round().astype(int), 0, [part.shape[1] - 1, part.shape[0] - 1])
    mine = (patches == patches[middle[1], middle[0]]).astype(np.uint8)
    borders = (mine[:, 0], mine[0], mine[:, -1], mine[-1])
    if any(border.any() and not open_end for border, open_end in zip(borders, open_ends, strict=True)):
        return None
    contours, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(contours, key=cv2.contourArea)
    (x, y), (w, h), angle = cv2.minAreaRect(outline)
    if cv2.contourArea(outline) < FULL * w * h:
        return None
    return (x + 0.5, y + 0.5), (w + 2, h + 2), angle  # the outline runs through the middle of the outermost pixels


def _inside(word: Word, other: Word) -> bool:
    """Whether nearly all of `word` lies in `other`."""
    turn = math.radians(other.angle_deg)
    points = word.exact_corners() * 0.98 + np.array([word.x, word.y]) * 0.02 - [other.x, other.y]
    along = np.abs(points @ [math.cos(turn), math.sin(turn)])
    aside = np.abs(points @ [-math.sin(turn), math.cos(turn)])
    slack = 0.15 * word.high
    return bool((along <= other.w / 2 + slack).all() and (aside <= other.h / 2 + slack).all())
