"""Bands, labels and overlays with names or codes on them, and where exactly their letters lie."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from hw.sim.moving_draw import F64, Texture, make_texture
from hw.sim.scene_sprites import F32, colour, missing_part, pillow

Box = tuple[float, float, float, float]

FINER = 2
"""A card is drawn this much larger than it is shown, so that it can be turned without loss."""
CHUNK = 1.5
"""A turned line is marked in pieces this many letter heights long: an upright box around all of it would hold mostly
what is beside it."""
_PLATES = {"band": (226, 228, 224), "label": (232, 222, 170), "board": (240, 240, 240)}
_INK = (24, 26, 40)


@dataclass(frozen=True, slots=True)
class CardArt:
    """A card's texture, and what each of its marks is: "word", "piece" (of a word), "code", "code piece"."""

    texture: Texture
    kinds: tuple[str, ...]

    def marks(self, turned: bool) -> list[tuple[Literal["text", "code"], F64]]:
        """The outlines to hide: whole words and codes, or their pieces where the card is turned."""
        text, code = ("piece", "code piece") if turned else ("word", "code")
        found: list[tuple[Literal["text", "code"], F64]] = []
        for kind, mark in zip(self.kinds, self.texture.marks, strict=True):
            if kind in (text, code):
                found.append(("text" if kind == text else "code", mark))
        return found


def make_card(text: str, letters_px: float, style: str, code: str = "") -> CardArt:
    """`text` with capitals of `letters_px` once shown, on a plate of `style`, below its `code`. Raises PartMissing."""
    size = letters_px * FINER
    ink, words = _written(text, size)
    height, width = ink.shape
    bars = bars_of(code, text, size) if code else np.zeros((0, 0), np.float32)
    margin = round(size * 0.8)
    above = bars.shape[0] + margin if code else 0
    full = (height + above + 2 * margin, max(width, bars.shape[1]) + 2 * margin)
    rows, column = margin + above, (full[1] - width) // 2
    sheet = np.zeros(full, np.float32)
    sheet[rows : rows + height, column : column + width] = ink
    marked: list[tuple[str, Box]] = []
    if code:
        left = (full[1] - bars.shape[1]) // 2
        sheet[margin : margin + bars.shape[0], left : left + bars.shape[1]] = bars
        box = (left, margin, bars.shape[1], bars.shape[0])
        marked = [("code", box), *(("code piece", piece) for piece in _pieces(box, bars.shape[0]))]
    if style == "overlay":
        radius = max(1, round(size / 12))
        alpha = cv2.dilate(sheet, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
        rgb = colour(10, 10, 10) * (1 - sheet[..., None]) + colour(236, 236, 230) * sheet[..., None]
    else:
        alpha = np.ones(full, np.float32)
        rgb = colour(*_PLATES[style]) * (1 - sheet[..., None]) + colour(*_INK) * sheet[..., None]
    for x, y, w, h in words:
        box = (x + column, y + rows, w, h)
        marked += [("word", box), *(("piece", piece) for piece in _pieces(box, CHUNK * size))]
    texture = make_texture(rgb.astype(np.float32), np.asarray(alpha, np.float32), [_corners(b) for _, b in marked])
    return CardArt(texture, tuple(kind for kind, _ in marked))


def _written(text: str, size: float) -> tuple[F32, list[tuple[int, int, int, int]]]:
    """The ink of a line, 0..1, and the box of each word's ink: x, y, width, height."""
    pil = pillow()
    font = pil.ImageFont.load_default(size / 0.73)  # the built-in font's capitals are 0.73 of its size
    x0, y0, x1, y1 = (round(v) for v in font.getbbox(text, anchor="ls"))
    ink = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.float32)
    words, at = [], 0
    for word in text.split(" "):
        mask = pil.Image.new("L", (ink.shape[1], ink.shape[0]))
        start = font.getlength(text[:at])
        pil.ImageDraw.Draw(mask).text((1 - x0 + start, 1 - y0), word, fill=255, font=font, anchor="ls")
        shown = np.asarray(mask, np.float32) / 255
        rows, columns = np.flatnonzero(shown.max(axis=1) > 0.1), np.flatnonzero(shown.max(axis=0) > 0.1)
        words.append((int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1))
        ink, at = np.maximum(ink, shown), at + len(word) + 1
    return ink, words


def bars_of(code: str, text: str, size: float) -> F32:
    """A code's black modules as 1, without the quiet zone. Raises PartMissing."""
    try:
        zxing: Any = importlib.import_module("zxingcpp")
    except ImportError:
        raise missing_part("zxing-cpp") from None
    drawn = zxing.create_barcode(text, getattr(zxing.BarcodeFormat, code))
    dark = np.asarray(zxing.write_barcode_to_image(drawn, scale=1)) < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    dark = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if code == "Code128":
        dark = np.repeat(dark[:1], 4, axis=0)
        module = (max(2, round(size / 9)), round(0.6 * size))
    else:
        module = (max(2, round(size / 6)),) * 2
    return dark.astype(np.float32).repeat(module[1], axis=0).repeat(module[0], axis=1)


def _pieces(box: Box, length: float) -> list[Box]:
    x, y, w, h = box
    count = max(1, round(w / length))
    return [(x + n * w / count, y, w / count, h) for n in range(count)]


def _corners(box: Box) -> list[tuple[float, float]]:
    x, y, w, h = box
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
