"""Is a planted face or name still to be seen? Compares the exported picture with what was really there. Pure.

Judged on the pictures alone: neither the detectors nor the verdicts are asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.ports import U8
from hw.sim.scene_picture import TruthBox

F64 = NDArray[np.float64]

BLOCK_PX = 8
DETAIL_STD = 6.0
"""A block of the original with less contrast than this shows nothing that could be recognised."""
ALIKE = 0.6
"""Correlation of a block before and after, above which its content has come through."""
CONTRAST_LEFT = 0.3
"""Part of the contrast that must have come through as well; noise in a filled area has none."""
COVERED_LEAK = 0.05
"""A box counts as covered when at most this part of its blocks with detail has come through."""


def leak(before: U8, after: U8, box: TruthBox) -> float:
    """Part (0..1) of the box's detail that can still be seen. `before` and `after`: luma (H, W), 16..235.

    A face is looked at inside its oval, a line of text in its whole box.
    """
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    was, now = _blocks(before[rows, columns]), _blocks(after[rows, columns])
    was_flat, now_flat = was - was.mean(axis=1, keepdims=True), now - now.mean(axis=1, keepdims=True)
    was_std, now_std = was_flat.std(axis=1), now_flat.std(axis=1)
    detail = was_std >= DETAIL_STD
    if box.kind == "face" and box.visible_fraction == 1:
        detail &= _oval(box.w, box.h)
    if not detail.any():
        return 0.0
    alike = (was_flat * now_flat).mean(axis=1) / np.maximum(was_std * now_std, 1e-6)
    through = (alike > ALIKE) & (now_std > CONTRAST_LEFT * was_std) & detail
    return float(through.sum() / detail.sum())


def psnr(before: U8, after: U8) -> float:
    """Peak signal-to-noise ratio in dB for 8-bit pictures of one shape; 99 when they are equal."""
    error = float(np.mean((before.astype(np.float64) - after.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What happened away from everything identifying: `untouched` part (0..1) of its blocks, and their PSNR in dB."""

    untouched: float
    psnr_db: float


def surroundings(before: U8, after: U8, boxes: list[TruthBox], *, grow: float = 0.6, block_px: int = 16,
                 same_rms: float = 8.0) -> Surroundings:
    """Look at the picture outside the boxes, each grown on every side by `grow` of its shorter side and one block.

    A block is untouched when it differs by less than `same_rms` (RMS, of 255).
    """
    height, width = (side // block_px * block_px for side in before.shape)
    error = (before[:height, :width].astype(np.float32) - after[:height, :width]) ** 2
    squares = error.reshape(height // block_px, block_px, width // block_px, block_px).mean(axis=(1, 3))
    away = np.ones(squares.shape, np.bool_)
    for box in boxes:
        edge = round(grow * min(box.w, box.h)) + block_px
        rows = slice(max(0, box.y - edge) // block_px, -(-(box.y + box.h + edge) // block_px))
        columns = slice(max(0, box.x - edge) // block_px, -(-(box.x + box.w + edge) // block_px))
        away[rows, columns] = False
    same = away & (squares < same_rms**2)
    if not same.any():
        return Surroundings(0.0, 0.0)
    noise = max(float(squares[same].mean()), 1e-9)
    return Surroundings(float(same.sum() / away.sum()), min(99.0, float(10 * np.log10(255**2 / noise))))


def _blocks(area: U8) -> F64:
    """(H, W) -> (blocks, BLOCK_PX squared), the last ones of a row or column filled up with the border."""
    height, width = area.shape
    area = np.pad(area, ((0, -height % BLOCK_PX), (0, -width % BLOCK_PX)), mode="edge")
    rows, columns = area.shape[0] // BLOCK_PX, area.shape[1] // BLOCK_PX
    cut = area.reshape(rows, BLOCK_PX, columns, BLOCK_PX).swapaxes(1, 2)
    blocks: F64 = cut.reshape(rows * columns, BLOCK_PX**2).astype(np.float64)
    return blocks


def _oval(width: int, height: int) -> NDArray[np.bool_]:
    """Which blocks of a `width` x `height` box have their centre inside the box's oval."""
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    y = (np.arange(rows)[:, None] + 0.5) * BLOCK_PX / height * 2 - 1
    x = (np.arange(columns)[None, :] + 0.5) * BLOCK_PX / width * 2 - 1
    return np.asarray((x**2 + y**2 <= 1).ravel())
