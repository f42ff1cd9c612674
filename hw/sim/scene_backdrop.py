"""The empty operating room of the scene: wall, drapes, tray, and the operating field that breathes. No people here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hw.ports import U8
from hw.sim.scene_sprites import F32, Sprite, colour, make_sprite, nv12_from_rgb

FIELD_PHASES = 32
GRAIN_TILES = 5
_FIELD_BOX = (0.35, 0.46, 0.24, 0.32)  # x, y, width, height as parts of the picture
QUIET_BOX = (0.1, 0.74, 0.26, 0.23)


@dataclass(frozen=True, slots=True)
class Backdrop:
    """`still` is a whole NV12 frame; `field_*` FIELD_PHASES pictures at `field_at`; `grain` is added."""

    still: U8
    field_y: list[U8]
    field_uv: list[U8]
    grain: list[U8]
    field_at: tuple[int, int]
    tools: tuple[Sprite, ...]


def even(value: float) -> int:
    """The nearest even number, so that chroma lies on luma."""
    return 2 * round(value / 2)


def clouds(rng: np.random.Generator, height: int, width: int, cell_px: float) -> F32:
    """Smooth noise of mean 0 and deviation about 1, with blobs of `cell_px`."""
    small = rng.standard_normal((max(3, math.ceil(height / cell_px) + 2), max(3, math.ceil(width / cell_px) + 2)))
    clouds: F32 = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return clouds


def make_backdrop(width: int, height: int, scale: float, seed: int) -> Backdrop:
    """Drawn once for a scene of `width` x `height` (even); `scale` is the picture's size relative to 1080 lines."""
    rng = np.random.default_rng(seed)
    rgb = draw_room(rng, width, height, scale)
    _tray(rgb, width, height, scale)
    x, y, w, h = (even(part * side) for part, side in zip(_FIELD_BOX, (width, height) * 2, strict=True))
    under = rgb[y : y + h, x : x + w].copy()
    phases = [nv12_from_rgb(picture) for picture in _field(rng, under, scale)]
    still = np.empty(width * height * 3 // 2, np.uint8)
    luma, chroma = nv12_from_rgb(rgb)
    still[: width * height] = luma.ravel()
    still[width * height :] = chroma.ravel()
    grain = [rng.integers(0, 4, (h, w), np.uint8) for _ in range(GRAIN_TILES)]
    tools = tuple(_tool(scale, angle) for angle in (32.0, 58.0))
    return Backdrop(still, [p[0] for p in phases], [p[1] for p in phases], grain, (x, y), tools)


def draw_room(rng: np.random.Generator, width: int, height: int, scale: float) -> F32:
    x, y = np.meshgrid(np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32))
    wall = colour(112, 124, 130) * (0.85 + 0.35 * np.exp(-((x - 0.5) ** 2 + (y + 0.05) ** 2) * 3))[..., None]
    cabinet = ((x > 0.53) & (x < 0.62) & (y < 0.34)) | ((x > 0.24) & (x < 0.30) & (y < 0.30))
    wall[cabinet] *= np.float32(0.72)
    drift = clouds(rng, height, width, 170 * scale)
    folds = np.sin(x * 34 + 2.2 * drift + 5 * y) * 0.06 + np.sin(x * 11 - y * 19 + drift) * 0.07 + drift * 0.03
    light = 0.62 + 0.5 * np.exp(-((x - 0.47) ** 2 * 5 + (y - 0.62) ** 2 * 7))
    drape = colour(34, 112, 104) * ((1 + folds) * light)[..., None]
    border = 0.44 + 0.025 * np.sin(x * 9 + 1) + 0.01 * drift
    mix = np.clip((y - border) * height / (14 * scale), 0, 1)[..., None]
    rgb = wall * (1 - mix) + drape * mix
    rgb += rng.standard_normal((height, width, 1)).astype(np.float32) * 1.2
    room: F32 = np.clip(rgb, 0, 255).astype(np.float32)
    return room


def _tray(rgb: F32, width: int, height: int, scale: float) -> None:
    """A steel tray with a bowl and swabs in the quiet part of the picture: nothing there identifies anybody."""
    x, y, w, h = (part * side for part, side in zip(QUIET_BOX, (width, height) * 2, strict=True))
    x0, y0, x1, y1 = round(x + 0.08 * w), round(y + 0.12 * h), round(x + 0.92 * w), round(y + 0.88 * h)
    rgb[y0:y1, x0:x1] = np.linspace(132, 178, x1 - x0, dtype=np.float32)[None, :, None] + colour(0, 3, 6)
    cv2.rectangle(rgb, (x0, y0), (x1, y1), (96, 100, 104), max(1, round(5 * scale)))
    centre, radius = (round(x0 + 0.24 * (x1 - x0)), (y0 + y1) // 2), 0.36 * (y1 - y0)
    for part, shade in ((1.0, 96), (0.93, 206), (0.86, 122), (0.5, 136)):
        cv2.circle(rgb, centre, max(2, round(part * radius)), (shade, shade + 2, shade + 5), -1, cv2.LINE_AA)
    for left, top, side, turn in ((0.56, 0.30, 0.34, 12.0), (0.76, 0.62, 0.40, -17.0)):
        middle = (x0 + left * (x1 - x0), y0 + top * (y1 - y0))
        corners = cv2.boxPoints((middle, (side * (y1 - y0), side * (y1 - y0)), turn)).astype(np.int32)
        cv2.fillPoly(rgb, [corners], (222, 222, 214), cv2.LINE_AA)
        cv2.polylines(rgb, [corners], True, (196, 198, 192), max(1, round(2 * scale)), cv2.LINE_AA)


def _field(rng: np.random.Generator, under: F32, scale: float) -> list[F32]:
    """The open field, breathing: FIELD_PHASES pictures that loop."""
    height, width = under.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    fat, flesh = clouds(rng, height, width, 26 * scale), clouds(rng, height, width, 60 * scale)
    wet = clouds(rng, height, width, 16 * scale)
    radius = np.sqrt((0.88 * x + 0.42 * y) ** 2 + (2.5 * y - 1.0 * x) ** 2) + 0.04 * flesh  # a long, slanting opening
    red = colour(172, 46, 40) * (1 + 0.07 * flesh + 0.07 * fat)[..., None]
    yellow = colour(178, 108, 70) * (1 + 0.07 * fat)[..., None]
    rim = np.clip((radius - 0.74) * 9, 0, 1)[..., None]
    tissue = (red * (1 - rim) + yellow * rim).astype(np.float32)
    inside = np.clip((0.90 - radius) * 14, 0, 1)[..., None].astype(np.float32)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    pictures = []
    for number in range(FIELD_PHASES):
        breath = math.sin(2 * math.pi * number / FIELD_PHASES)
        zoom = 1 - 0.02 * breath
        map_x, map_y = width / 2 + (columns - width / 2) * zoom, height / 2 + (rows - height / 2) * zoom
        moved = cv2.remap(tissue, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        gleam = np.clip(wet + 0.5 * breath * x - 1.75, 0, 0.6)[..., None] * np.float32(260)
        moved = np.clip(moved + gleam, 0, 255)
        pictures.append((under * (1 - inside) + moved * inside).astype(np.float32))
    return pictures


def _tool(scale: float, angle_deg: float) -> Sprite:
    """A steel instrument lying at `angle_deg`, pointing up and to the left."""
    length, half = 360 * scale, 13 * scale
    angle = math.radians(angle_deg)
    width, height = round(length * math.cos(angle) + 4 * half), round(length * math.sin(angle) + 4 * half)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) - 2 * half, np.arange(height, dtype=np.float32) - 2 * half)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    thick = half * np.clip(0.25 + 0.75 * along / length, 0.25, 1)
    alpha = np.clip(thick - np.abs(across) + 0.5, 0, 1) * np.clip(along + 0.5, 0, 1) * np.clip(length - along, 0, 1)
    shade = 150 + 85 * np.exp(-((across / thick + 0.35) ** 2) * 9) - 50 * np.clip(across / thick, 0, 1)
    return make_sprite((shade[..., None] * colour(0.97, 0.99, 1.0)).astype(np.float32), alpha.astype(np.float32))
