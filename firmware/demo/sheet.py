"""The contact sheet: pairs of before and after at a few moments, for a person to look at.

The pictures before are drawn again from the scene; the recorder never stored them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.ports import U8
from hw.sim.scene_picture import TruthBox

PICTURE_WIDTH = 800
MARGIN, CAPTION = 10, 30
_INK, _FACE, _TEXT = (40, 40, 40), (0, 220, 255), (255, 200, 0)  # BGR

Bgr = NDArray[np.uint8]


@dataclass(slots=True)
class Moment:
    """One row of the sheet. `before` and `after` are BGR pictures at full size."""

    seconds: float
    verdict: str
    boxes: list[TruthBox]
    before: Bgr | None = None
    after: Bgr | None = None

    def take(self, before: U8, after: U8, width: int, height: int) -> None:
        """Keep both NV12 frames as colours."""
        self.before, self.after = (
            np.asarray(cv2.cvtColor(frame.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_NV12), np.uint8)
            for frame in (before, after)
        )


def write_sheet(path: Path, moments: list[Moment]) -> None:
    """Draw all moments that have pictures, two rows of pairs side by side. Raises OSError when it cannot be written."""
    tiles = [_pair(moment) for moment in moments if moment.before is not None and moment.after is not None]
    if len(tiles) % 2:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[number : number + 2]) for number in range(0, len(tiles), 2)]
    done, png = cv2.imencode(".png", np.vstack(rows))
    if not done:
        raise OSError("the contact sheet could not be encoded")
    path.write_bytes(png.tobytes())


def _pair(moment: Moment) -> Bgr:
    assert moment.before is not None
    assert moment.after is not None
    before = moment.before.copy()
    thick = max(2, before.shape[1] // 480)
    for box in moment.boxes:
        colour = _FACE if box.kind == "face" else _TEXT
        cv2.rectangle(before, (box.x, box.y), (box.x + box.w, box.y + box.h), colour, thick)
    left = _captioned(before, f"{moment.seconds:5.1f} s   in the room (drawn again, boxes: what is planted)")
    right = _captioned(moment.after, f"{moment.seconds:5.1f} s   in the recording: {moment.verdict}")
    return np.hstack([left, right])


def _captioned(picture: Bgr, caption: str) -> Bgr:
    height = round(picture.shape[0] * PICTURE_WIDTH / picture.shape[1])
    small = cv2.resize(picture, (PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)
    tile = np.full((height + CAPTION + MARGIN, PICTURE_WIDTH + MARGIN, 3), 255, np.uint8)
    tile[CAPTION : CAPTION + height, :PICTURE_WIDTH] = small
    cv2.putText(tile, caption, (4, CAPTION - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.58, _INK, 1, cv2.LINE_AA)
    return tile
