"""Fixed-point coefficients that turn any supported colour encoding into limited BT.709. Pure and exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from firmware.kernels.types import Matrix, Range

SHIFT = 14
_ONE = 1 << SHIFT
_WEIGHTS: dict[Matrix, tuple[Fraction, Fraction]] = {  # of red and blue in luma
    "bt601": (Fraction("0.299"), Fraction("0.114")),  # ITU-R BT.601-7, 2.5.1
    "bt709": (Fraction("0.2126"), Fraction("0.0722")),  # ITU-R BT.709-6, 3.2
    "bt2020": (Fraction("0.2627"), Fraction("0.0593")),  # ITU-R BT.2020-2, table 4 (non-constant luminance)
}
Three = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Rows of the matrix for luma, Cb and Cr with 14 fractional bits, and what is added before the shift."""

    luma: Three
    luma_bias: int
    cb: Three
    cb_bias: int
    cr: Three
    cr_bias: int


def _fixed(value: Fraction) -> int:
    """Nearest, halves up."""
    return math.floor(value * _ONE + Fraction(1, 2))


@cache
def from_yuv(value_range: Range, matrix: Matrix) -> Coefficients:
    """From Y, Cb, Cr. Chroma comes as the sum of two rows, so its result is shifted one bit further.

    Only range and matrix are converted: BT.2020's wider primaries and its transfer curve are left as they are.
    """
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    # R, G, B as luma plus multiples of (Cb, Cr), each of those -0.5 to 0.5.
    from_cb = (Fraction(0), -2 * (1 - blue) * blue / green, 2 * (1 - blue))
    from_cr = (2 * (1 - red), -2 * (1 - red) * red / green, Fraction(0))
    low, luma_span, chroma_span = (16, 219, 224) if value_range == "limited" else (0, 255, 255)
    to_red, to_blue = _WEIGHTS["bt709"]
    weights = (to_red, 1 - to_red - to_blue, to_blue)
    y_cb = sum((w * c for w, c in zip(weights, from_cb, strict=True)), Fraction(0))
    y_cr = sum((w * c for w, c in zip(weights, from_cr, strict=True)), Fraction(0))
    luma = (
        _fixed(Fraction(219, luma_span)),
        _fixed(219 * y_cb / chroma_span),
        _fixed(219 * y_cr / chroma_span),
    )
    cb = [_fixed(224 * (c[2] - y) / (2 * (1 - to_blue)) / chroma_span) for c, y in ((from_cb, y_cb), (from_cr, y_cr))]
    cr = [_fixed(224 * (c[0] - y) / (2 * (1 - to_red)) / chroma_span) for c, y in ((from_cb, y_cb), (from_cr, y_cr))]
    chroma_bias = (128 << (SHIFT + 1)) + (1 << SHIFT)
    return Coefficients(
        luma, (16 << SHIFT) + _ONE // 2 - luma[0] * low,
        (cb[0], cb[1], 0), chroma_bias, (cr[0], cr[1], 0), chroma_bias,
    )


@cache
def from_rgb(value_range: Range) -> Coefficients:
    """From R, G, B. Chroma comes as the sum of four pixels, so its result is shifted two bits further."""
    low, span = (16, 219) if value_range == "limited" else (0, 255)
    red, blue = _WEIGHTS["bt709"]
    luma = (_fixed(219 * red / span), _fixed(219 * (1 - red - blue) / span), _fixed(219 * blue / span))
    cb_red, cb_blue = _fixed(-224 * red / (2 * (1 - blue)) / span), _fixed(Fraction(112, span))
    cr_red, cr_blue = _fixed(Fraction(112, span)), _fixed(-224 * blue / (2 * (1 - red)) / span)
    chroma_bias = (128 << (SHIFT + 2)) + (1 << (SHIFT + 1))
    # Green takes what is left to zero, so that grey has no colour.
    return Coefficients(
        luma, (16 << SHIFT) + _ONE // 2 - sum(luma) * low,
        (cb_red, -cb_red - cb_blue, cb_blue), chroma_bias, (cr_red, -cr_red - cr_blue, cr_blue), chroma_bias,
    )


RED_CR, BLUE_CB = 2 * (1 - 0.2126), 2 * (1 - 0.0722)
GREEN_CR, GREEN_CB = RED_CR * 0.2126 / 0.7152, BLUE_CB * 0.0722 / 0.7152
"""BT.709-6: R = Y + RED_CR Cr, G = Y - GREEN_CB Cb - GREEN_CR Cr, B = Y + BLUE_CB Cb."""
