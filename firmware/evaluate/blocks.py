"""The judging rule: which 8x8 blocks of a picture still look like the input, and what that says of a box. Pure.

The rule in words (docs/privacy.md says it to people):
- A block has texture when the standard deviation of its 64 input pixels is above TEXTURE_STD: it shows something.
- It is the same when input and output correlate above SAME_NCC and the output's deviation is above half of that.
- A box leaks when more than LEAK_SHARE of the textured blocks in its inner part are the same. A box without any
  textured block shows nothing, and is not judged.
- What changed without need: textured blocks that are not the same, away from every box grown by AWAY_GROWTH.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from firmware.evaluate.dataset import Box
from hw.ports import U8

BLOCK_PX = 8
TEXTURE_STD = 3.0
SAME_NCC = 0.70
OUTPUT_STD = TEXTURE_STD / 2
LEAK_SHARE = 0.20
INNER_PART = 0.70
AWAY_GROWTH = 0.6
FALSE_FRAME = 0.02
_PIXELS = BLOCK_PX * BLOCK_PX
_SMALLEST_DEVIATIONS = 1e-3  # product of both deviations below which a correlation means nothing

Mask = NDArray[np.bool_]
_Sums = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BlockMap:
    """Per block of one frame: has the input texture there, and does the output still look the same (both bool)."""

    textured: Mask
    same: Mask


@dataclass(frozen=True, slots=True)
class BoxShare:
    """Of a box's inner part: how many blocks have texture, and how many of them are the same."""

    textured: int
    same: int

    @property
    def share(self) -> float:
        """The part (0..1) that can still be seen; 0 for a box without texture."""
        return self.same / self.textured if self.textured else 0.0

    @property
    def leaks(self) -> bool:
        return self.share > LEAK_SHARE


def compare(before: U8, after: U8) -> BlockMap:
    """Compare two grey pictures (H, W) of one shape; rows and columns beyond the last whole block are left out.

    Sums are whole numbers, so that nothing depends on the order of additions. Raises ValueError for unequal shapes.
    """
    if before.shape != after.shape or before.ndim != 2:
        raise ValueError(f"pictures of one shape are compared, not {before.shape} and {after.shape}")
    rows, columns = before.shape[0] // BLOCK_PX * BLOCK_PX, before.shape[1] // BLOCK_PX * BLOCK_PX
    was, now = before[:rows, :columns], after[:rows, :columns]
    sum_was, sum_now = _block_sums(was), _block_sums(now)
    # 64 times the sum of products less the product of sums is 64^2 times the covariance.
    var_was = (_PIXELS * _block_sums(_product(was, was)) - sum_was * sum_was) / _PIXELS**2
    var_now = (_PIXELS * _block_sums(_product(now, now)) - sum_now * sum_now) / _PIXELS**2
    covariance = (_PIXELS * _block_sums(_product(was, now)) - sum_was * sum_now) / _PIXELS**2
    correlation = covariance / np.maximum(np.sqrt(var_was * var_now), _SMALLEST_DEVIATIONS)
    return BlockMap(var_was > TEXTURE_STD**2, (correlation > SAME_NCC) & (var_now > OUTPUT_STD**2))


def box_share(blocks: BlockMap, box: Box) -> BoxShare:
    """What of `box` can still be seen: its inner part, cut at the picture's border, in whole blocks."""
    edge = (1 - INNER_PART) / 2
    area = _area(box.x + box.w * edge, box.y + box.h * edge, box.w * INNER_PART, box.h * INNER_PART)
    textured = blocks.textured[area]
    return BoxShare(int(np.count_nonzero(textured)), int(np.count_nonzero(textured & blocks.same[area])))


def changed_away(blocks: BlockMap, boxes: Iterable[Box]) -> Mask:
    """Textured blocks that are no longer the same, outside every box grown by AWAY_GROWTH of its size on each side."""
    changed = blocks.textured & ~blocks.same
    for box in boxes:
        left, top = box.x - box.w * AWAY_GROWTH, box.y - box.h * AWAY_GROWTH
        right, bottom = box.x + box.w * (1 + AWAY_GROWTH), box.y + box.h * (1 + AWAY_GROWTH)
        if right >= 0 and bottom >= 0:
            changed[max(floor(top / BLOCK_PX), 0) : floor(bottom / BLOCK_PX) + 1,
                    max(floor(left / BLOCK_PX), 0) : floor(right / BLOCK_PX) + 1] = False
    return changed


def changed_part(blocks: BlockMap, away: Mask) -> float:
    """The part (0..1) of the picture's textured blocks that `away` marks."""
    return int(np.count_nonzero(away)) / max(int(np.count_nonzero(blocks.textured)), 1)


def _area(x: float, y: float, w: float, h: float) -> tuple[slice, slice]:
    """The blocks that a box touches; at the upper and left border at least the first one."""
    return (
        slice(max(floor(y / BLOCK_PX), 0), max(ceil((y + h) / BLOCK_PX), 1)),
        slice(max(floor(x / BLOCK_PX), 0), max(ceil((x + w) / BLOCK_PX), 1)),
    )


def _product(one: U8, other: U8) -> NDArray[np.uint16]:
    return np.multiply(one, other, dtype=np.uint16)  # 255 * 255 fits


def _block_sums(values: NDArray[np.uint8] | NDArray[np.uint16]) -> _Sums:
    """(H, W) -> (H / 8, W / 8): rows first, which numpy adds eight at a time without copying."""
    rows, columns = values.shape
    bands = values.reshape(rows // BLOCK_PX, BLOCK_PX, columns).sum(axis=1, dtype=np.uint32)
    sums: _Sums = bands.reshape(rows // BLOCK_PX, columns // BLOCK_PX, BLOCK_PX).sum(axis=2, dtype=np.int64)
    return sums
