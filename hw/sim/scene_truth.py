"""What a scene says about its own frames: which identifying thing lies where. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TruthBox:
    """Something identifying that is in the picture: an upright box in pixels, cut at the picture's border.

    A "face" box holds the oval from the hairline to the chin and from ear to ear, as far as it can be seen; a "text"
    box a line's or a word's ink, or a piece of one that is turned; a "code" box all modules of a code.
    `visible_fraction` is the part of the uncut box that lies inside the picture, above 0. `size_px` is the height of
    the whole face or of the letters, upright, in pixels (0: not known).
    """

    kind: Literal["face", "text", "code"]
    x: int
    y: int
    w: int
    h: int
    visible_fraction: float
    label: str
    size_px: float = 0.0
