"""Ready-made pieces of picture, drawn once: NV12 with transparency, so that a frame is only a few blends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.errors import PartMissing
from hw.ports import U8

F32 = NDArray[np.float32]

# BT.709, limited range (ITU-R BT.709-6, sections 3.2 and 3.4), for R, G, B in 0..255.
TO_YUV = np.array(
    [
        [0.2126 * 219 / 255, 0.7152 * 219 / 255, 0.0722 * 219 / 255],
        [-0.2126 / 1.8556 * 224 / 255, -0.7152 / 1.8556 * 224 / 255, 0.5 * 224 / 255],
        [0.5 * 224 / 255, -0.7152 / 1.5748 * 224 / 255, -0.0722 / 1.5748 * 224 / 255],
    ],
    np.float32,
)
BLACK_Y, NEUTRAL_UV = 16, 128


def colour(red: float, green: float, blue: float) -> F32:
    """A colour, 0..255 each, to calculate with."""
    return np.array((red, green, blue), np.float32)


def nv12_from_rgb(rgb: F32) -> tuple[U8, U8]:
    """RGB float 0..255, (H, W, 3) with even H and W -> Y (H, W) and UV (H/2, W/2, 2)."""
    yuv = cv2.transform(rgb, TO_YUV)
    y = np.clip(np.rint(yuv[..., 0]) + BLACK_Y, 16, 235).astype(np.uint8)
    height, width = y.shape
    uv = cv2.resize(np.ascontiguousarray(yuv[..., 1:]), (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return y, np.clip(np.rint(uv) + NEUTRAL_UV, 16, 240).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Sprite:
    """Premultiplied NV12 and 255 minus its opacity. Height and width are even."""

    y: U8
    uv: U8
    clear_y: U8
    clear_uv: U8

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])


def make_sprite(rgb: F32, alpha: F32) -> Sprite:
    """RGB 0..255 (H, W, 3) and opacity 0..1 (H, W); padded to even size."""
    pad = ((0, rgb.shape[0] & 1), (0, rgb.shape[1] & 1))
    alpha = np.clip(np.pad(alpha, pad), 0, 1).astype(np.float32)
    y, uv = nv12_from_rgb(np.pad(rgb, (*pad, (0, 0)), mode="edge").astype(np.float32))
    half = cv2.resize(alpha, (alpha.shape[1] // 2, alpha.shape[0] // 2), interpolation=cv2.INTER_AREA)[..., None]
    half = np.repeat(half, 2, axis=2)
    return Sprite(
        np.rint(y * alpha).astype(np.uint8), np.rint(uv * half).astype(np.uint8),
        np.rint(255 * (1 - alpha)).astype(np.uint8), np.rint(255 * (1 - half)).astype(np.uint8),
    )


def blend(y: U8, uv: U8, sprite: Sprite, left: int, top: int) -> None:
    """Draw `sprite` into the NV12 picture; `left` and `top` are even and may lie outside."""
    height, width = y.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + sprite.width), min(height, top + sprite.height)
    if x0 >= x1 or y0 >= y1:
        return
    rows, columns = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    _over(y[y0:y1, x0:x1], sprite.y[rows, columns], sprite.clear_y[rows, columns])
    rows, columns = slice((y0 - top) // 2, (y1 - top) // 2), slice((x0 - left) // 2, (x1 - left) // 2)
    _over(uv[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], sprite.uv[rows, columns], sprite.clear_uv[rows, columns])


def _over(into: U8, paint: U8, clear: U8) -> None:
    into[...] = cv2.add(cv2.multiply(into, clear, scale=1 / 255), paint)


# ---- words ---------------------------------------------------------------------------------------


def pillow() -> Any:
    """The Pillow package. Raises PartMissing."""
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError:
        raise missing_part("Pillow") from None
    return PIL


def missing_part(name: str) -> PartMissing:
    return PartMissing(
        f"the scene generator needs {name}, which is not installed",
        meaning="There is no picture from scene://; other sources are not concerned",
        todo="install scrubcam again: it brings Pillow",
    )


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text as a sprite, and where its ink lies in it: x, y, width, height in pixels."""

    sprite: Sprite
    ink: tuple[int, int, int, int]


def make_words(
    text: str, size_px: float, letters: tuple[int, int, int], *, plate: tuple[int, int, int] | None = None,
    margin: float = 0.5,
) -> Words:
    """`text` with capitals of about `size_px`, on a rounded plate when given, else with a dark outline."""
    pil = pillow()
    font = pil.ImageFont.load_default(size_px / 0.73)  # the built-in font's capitals are 0.73 of its size
    x0, y0, x1, y1 = font.getbbox(text, anchor="ls")
    edge = round(size_px * margin) + 1
    width, height = x1 - x0 + 2 * edge, y1 - y0 + 2 * edge
    mask = pil.Image.new("L", (width, height))
    pil.ImageDraw.Draw(mask).text((edge - x0, edge - y0), text, fill=255, font=font, anchor="ls")
    ink = np.asarray(mask, np.float32) / 255
    if plate is None:
        radius = max(1, round(size_px / 12))
        alpha = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
        ground = np.zeros((height, width, 3), np.float32) + 10
    else:
        alpha = np.ones((height, width), np.float32)
        ground = np.zeros((height, width, 3), np.float32) + colour(*plate)
    rgb = ground * (1 - ink[..., None]) + colour(*letters) * ink[..., None]
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.1), np.flatnonzero(ink.max(axis=0) > 0.1)
    box = (int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
    return Words(make_sprite(rgb.astype(np.float32), alpha.astype(np.float32)), box)
