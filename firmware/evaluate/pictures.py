"""The contact sheets' pictures: input beside output, as small JPEGs. They show people, as the data set does."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from firmware.errors import MediaUnreadable
from firmware.evaluate.blocks import BLOCK_PX, Mask, changed_away, compare
from firmware.evaluate.dataset import Box, LabelledClip, LabelledFrame
from firmware.evaluate.films import grey, pairs
from firmware.evaluate.worst import FalseFill, Miss
from hw.ports import U8

_CROP_HEIGHT, _CROP_WIDTHS = 170, (110, 420)
_BANNER = 1.9  # a crop this much wider than high has its output below it, any other beside it
_FRAME_WIDTH = 460
_CONTEXT = 0.45  # of the box's size, on each side
_LEAST_CONTEXT_PX = 24.0
_GAP_PX = 6
_QUALITY = 82
_BOX, _FILL, _PAPER = (0, 200, 255), (40, 40, 255), (245, 245, 245)  # BGR


@dataclass(frozen=True, slots=True)
class Films:
    """Where a clip and its output lie, with the truth."""

    clip: LabelledClip
    output: Path


def miss_pictures(misses: Sequence[Miss], films: Mapping[str, Films], go_on: Callable[[], None]) -> list[str]:
    """A data URI for each miss: the place in the input and in the output, with the box drawn into both."""

    def draw(number: int, frame: LabelledFrame, before: U8, after: U8) -> str:
        box = frame.targets[misses[number].box.number].box
        return _jpeg(_together(_crop(before, box), _crop(after, box)))

    return _each([(miss.clip.name, miss.box.frame) for miss in misses], films, draw, go_on)


def false_pictures(fills: Sequence[FalseFill], films: Mapping[str, Films], go_on: Callable[[], None]) -> list[str]:
    """A data URI for each frame: input, and output with a line around what counts as covered without need."""

    def draw(_number: int, frame: LabelledFrame, before: U8, after: U8) -> str:
        blocks = compare(grey(before), grey(after))
        away = changed_away(blocks, [*(target.box for target in frame.targets), *frame.ignore])
        return _jpeg(_beside(_small(before), _small(_outlined(after, away))))

    return _each([(fill.clip.name, fill.frame) for fill in fills], films, draw, go_on)


def _each(
    wanted: Sequence[tuple[str, int]], films: Mapping[str, Films], draw: Callable[[int, LabelledFrame, U8, U8], str],
    go_on: Callable[[], None],
) -> list[str]:
    """Draw each wanted (clip, frame); a clip is read once, up to its last wanted frame. Raises MediaUnreadable."""
    drawn = [""] * len(wanted)
    for name in sorted({clip for clip, _ in wanted}):
        frames = {frame.frame: frame for frame in films[name].clip.frames}
        mine = {number: frame for number, (clip, frame) in enumerate(wanted) if clip == name}
        for pair in pairs(films[name].clip.path, films[name].output, set(mine.values()), to_end=False):
            go_on()
            for number, index in mine.items():
                if index == pair.index and pair.before is not None and pair.after is not None:
                    drawn[number] = draw(number, frames[index], pair.before, pair.after)
    return drawn


def _crop(picture: U8, box: Box) -> U8:
    """The box with some surroundings, cut at the picture's border, brought to the sheet's height."""
    across, up = max(box.w * _CONTEXT, _LEAST_CONTEXT_PX), max(box.h * _CONTEXT, _LEAST_CONTEXT_PX)
    height, width = picture.shape[:2]
    left, right = _span(box.x - across, box.x + box.w + across, width)
    top, bottom = _span(box.y - up, box.y + box.h + up, height)
    part = picture[top:bottom, left:right]
    scale = min(_CROP_HEIGHT / part.shape[0], _CROP_WIDTHS[1] / part.shape[1])
    size = max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1)
    shown = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    corner = round((box.x - left) * scale), round((box.y - top) * scale)
    far = round((box.x + box.w - left) * scale), round((box.y + box.h - top) * scale)
    cv2.rectangle(shown, corner, far, _BOX, 1)
    edge = max(_CROP_WIDTHS[0] - size[0], 0) // 2
    return np.asarray(cv2.copyMakeBorder(shown, 0, 0, edge, edge, cv2.BORDER_CONSTANT, value=_PAPER), np.uint8)


def _span(low: float, high: float, end: int) -> tuple[int, int]:
    """Whole pixels from `low` to `high` inside 0..end, at least one."""
    first = min(max(int(low), 0), end - 1)
    return first, max(min(int(high) + 1, end), first + 1)


def _small(picture: U8) -> U8:
    height = max(round(picture.shape[0] * _FRAME_WIDTH / picture.shape[1]), 1)
    return np.asarray(cv2.resize(picture, (_FRAME_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _outlined(picture: U8, blocks: Mask) -> U8:
    """The picture with a line around the marked blocks."""
    marked = np.kron(blocks.astype(np.uint8), np.ones((BLOCK_PX, BLOCK_PX), np.uint8))
    edges, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    thick = max(2, round(2 * picture.shape[1] / _FRAME_WIDTH))
    return np.asarray(cv2.drawContours(picture.copy(), edges, -1, _FILL, thick), np.uint8)


def _together(first: U8, second: U8) -> U8:
    if first.shape[1] < _BANNER * first.shape[0]:
        return _beside(first, second)
    gap = np.full((_GAP_PX, first.shape[1], 3), 255, np.uint8)
    return np.vstack([first, gap, second])


def _beside(left: U8, right: U8) -> U8:
    gap = np.full((left.shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.hstack([left, gap, right])


def _jpeg(picture: U8) -> str:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise MediaUnreadable("a picture for the report could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
