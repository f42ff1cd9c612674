"""Tells a view of the operating field from a view of the room: a plain measure of colour, no network. Pure."""

from __future__ import annotations

from hw.ports import U8

DARK = 50
"""Luma (limited range) below which a colour means nothing: the black around an endoscope's circle."""
RED = 133
"""Cr above which a pixel is flesh or blood."""
SHARE = 0.45


def is_field(y: U8, uv: U8) -> bool:
    """Whether about half or more of what is lit is red: tissue fills the picture.

    There, a weak hit is a fold or a highlight much more often than a face or a name. A face close to the camera can
    make a picture red too, but then it is found with a high score, which always counts.
    """
    return red_share(y, uv) >= SHARE


def red_share(y: U8, uv: U8) -> float:
    """Share of what is lit that is red, 0 to 1, from every eighth pixel of `y` (H, W) and `uv` (H/2, W/2, 2)."""
    luma, cr = y[::8, ::8], uv[::4, ::4, 1]
    lit = luma[: cr.shape[0], : cr.shape[1]] > DARK
    red = lit & (cr[: lit.shape[0], : lit.shape[1]] > RED)
    return float(red.sum()) / max(int(lit.sum()), 1)
