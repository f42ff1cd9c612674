"""What lies behind a moving scene: a room wider than the picture or a view of tissue, seen by a camera that moves."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from hw.ports import U8
from hw.sim.scene_backdrop import clouds, draw_room, even
from hw.sim.scene_sprites import F32, colour, nv12_from_rgb

ROOM_WIDE = 2.0
"""How many pictures wide the room is, for a camera that pans."""
_TISSUE_WIDE = 1.2


class Ground:
    """NV12 planes larger than the picture, cut out anywhere. Drawn at 1080 lines at most, and enlarged."""

    def __init__(self, kind: Literal["room", "tissue"], width: int, height: int, wide: float, seed: int) -> None:
        self._width, self._height = width, height
        rng = np.random.default_rng(seed)
        factor = max(1.0, height / 1080)
        small_h, small_w = even(height / factor), even(width / factor * (wide if kind == "room" else _TISSUE_WIDE))
        scale = min(width / 1920, height / 1080) / factor
        rgb = _tissue(rng, small_w, small_h, scale) if kind == "tissue" else draw_room(rng, small_w, small_h, scale)
        self.spare = 0 if kind == "room" and wide == 1.0 else even(small_w * factor) - width
        full = (width + self.spare, height)
        y, uv = nv12_from_rgb(rgb)
        self._y = np.asarray(cv2.resize(y, full, interpolation=cv2.INTER_LINEAR), np.uint8)
        self._uv = np.asarray(cv2.resize(uv, (full[0] // 2, full[1] // 2), interpolation=cv2.INTER_LINEAR), np.uint8)
        self._noise = [rng.normal(0, 1, (height // 4, width)).astype(np.float32) for _ in range(2)]

    def draw(self, y: U8, uv: U8, lefts: list[float]) -> None:
        """Cut out at each of `lefts` (pixels, clipped to what there is), for an equal share of the exposure."""
        if len(lefts) == 1 and float(lefts[0]) == round(lefts[0] / 2) * 2:
            begin = min(max(0, round(lefts[0])), self.spare)
            y[...] = self._y[:, begin : begin + self._width]
            uv[...] = self._uv[:, begin // 2 : (begin + self._width) // 2]
            return
        for plane, source, cells in ((y, self._y, 1), (uv, self._uv, 2)):
            height, width = plane.shape[:2]
            total = np.zeros(plane.shape, np.float32)
            for left in lefts:
                shift = np.array([[1, 0, -min(max(0.0, left), self.spare) / cells], [0, 1, 0]], np.float64)
                total += cv2.warpAffine(source, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            plane[...] = np.rint(total / len(lefts)).astype(np.uint8)

    def grain(self, y: U8, index: int, strength: float) -> None:
        """A sensor's noise of `strength` grey levels, another in each frame; levels stay within 16 to 235."""
        part = self._noise[index % 2]
        rows = part.shape[0]
        rng = np.random.default_rng(index)
        for top in range(0, y.shape[0], rows):
            band = y[top : top + rows]
            noise = np.roll(part, int(rng.integers(0, part.size)))[: band.shape[0]] * np.float32(strength)
            band[...] = np.clip(np.rint(band + noise), 16, 235).astype(np.uint8)


def lit(y: U8, uv: U8, gain: float) -> None:
    """Less or more light, in place: what is too bright is clipped and loses its colour."""
    ramp = np.clip(16 + (np.arange(256) - 16) * gain, 16, 235).astype(np.uint8)
    fade = min(gain, 1.0) if gain < 1 else 1 / (1 + 0.5 * (gain - 1))
    tint = np.clip(np.rint(128 + (np.arange(256) - 128) * fade), 16, 240).astype(np.uint8)
    y[...], uv[...] = cv2.LUT(y, ramp), cv2.LUT(np.ascontiguousarray(uv), tint)


def _tissue(rng: np.random.Generator, width: int, height: int, scale: float) -> F32:
    """Flesh, fat and gleams that fill the picture, as an endoscope sees them."""
    large, fine = clouds(rng, height, width, 210 * scale), clouds(rng, height, width, 60 * scale)
    wet = clouds(rng, height, width, 24 * scale)
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    fat = np.clip(large * 0.6 + 0.2 * fine - 0.1, 0, 1)[..., None]
    rgb = colour(156, 48, 44) * (1 + 0.10 * fine)[..., None] * (1 - fat)
    rgb = rgb + colour(196, 128, 84) * (1 + 0.06 * wet)[..., None] * fat
    vessels = np.exp(-((np.sin(3 * x + 2 * large + y) * 6) ** 2))[..., None]
    rgb = rgb * (1 - 0.35 * vessels) * (1.05 - 0.45 * (x * x + y * y))[..., None]
    rgb = rgb + np.clip(wet + 0.3 * fine - 2.0, 0, 0.7)[..., None] * np.float32(220)
    tissue: F32 = np.clip(rgb, 0, 255).astype(np.float32)
    return tissue
