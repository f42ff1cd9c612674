"""People for the scene: one public-domain portrait, cut out and dressed. The portrait is read, never stored by us."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from firmware.paths import default_models_dir
from firmware.pipeline.detect import models
from hw.sim.scene_script import Actor
from hw.sim.scene_sprites import F32, Sprite, colour, make_sprite

# All outlines below are in the portrait's own pixels (512x512; NASA, public domain).
CROP = (90, 0, 360, 312)  # left, top, right, bottom
FACE_CENTRE, FACE_HALF_AXES = (225.0, 122.0), (45.0, 57.0)
HEAD = (
    (156, 62), (162, 50), (178, 40), (190, 34), (205, 22), (228, 17), (250, 20), (270, 29), (285, 40), (295, 55),
    (300, 80), (296, 103), (288, 115), (273, 129), (267, 136), (264, 152), (257, 164), (256, 186), (200, 186),
    (187, 178), (187, 160), (183, 132), (175, 128), (171, 118), (160, 110), (156, 95), (155, 78),
)
CAP = ((150, 84), (153, 55), (172, 30), (200, 12), (230, 7), (262, 14), (288, 32), (303, 60), (304, 92), (270, 84),
        (228, 76), (186, 80))
MASK = ((181, 120), (205, 116), (224, 109), (246, 117), (270, 121), (268, 145), (256, 166), (238, 181), (216, 181),
         (196, 168), (184, 148))
GOWN = ((196, 178), (212, 186), (228, 190), (246, 187), (260, 178), (300, 196), (336, 216), (350, 250), (354, 312),
         (96, 312), (100, 250), (114, 216), (152, 196))
WORK_SCALE = 3


@dataclass(frozen=True, slots=True)
class Person:
    """A sprite, and its face in it: the upright box around the (tilted) oval of the face, in the sprite's pixels."""

    sprite: Sprite
    face: tuple[int, int, int, int]


def load_portrait() -> F32:
    """The astronaut portrait that lies beside the models, RGB 0..255 (512, 512, 3). Raises PartMissing."""
    encoded = np.frombuffer(models.load(default_models_dir(), models.PORTRAIT), np.uint8)
    rgb: F32 = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.float32)
    return rgb


def make_person(portrait: F32, actor: Actor, face_px: float) -> Person:
    """`actor` with a face `face_px` high, dressed, tilted and mirrored as the script says."""
    left, top, right, bottom = CROP
    size = ((right - left) * WORK_SCALE, (bottom - top) * WORK_SCALE)
    rgb = cv2.resize(portrait[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC) * colour(*actor.skin)
    rgb = np.clip(rgb, 0, 255).astype(np.float32)
    head, gown = oval(HEAD, size), oval(GOWN, size)
    rgb = paint(rgb, gown, cloth(size, actor.gown, fold=26))
    fade = np.clip(np.linspace(6, 0, size[1], dtype=np.float32), 0, 1)[:, None]  # the gown ends softly
    alpha = np.maximum(head, gown * fade)
    if actor.masked:
        cap, mask = oval(CAP, size), oval(MASK, size)
        rgb = paint(rgb, mask, cloth(size, (176, 208, 222), fold=9))
        rgb = paint(rgb, cap, cloth(size, (70, 128, 176), fold=14))
        alpha = np.maximum(alpha, cap)
    scale = face_px / (2 * FACE_HALF_AXES[1])
    small = (max(2, round(size[0] * scale / WORK_SCALE)), max(2, round(size[1] * scale / WORK_SCALE)))
    rgb, alpha = (cv2.resize(plane, small, interpolation=cv2.INTER_AREA) for plane in (rgb, alpha))
    centre = ((FACE_CENTRE[0] - left) * scale, (FACE_CENTRE[1] - top) * scale)
    if actor.mirrored:
        rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
        centre = (small[0] - centre[0], centre[1])
    return _tilted(np.ascontiguousarray(rgb), np.ascontiguousarray(alpha), centre, scale, actor.tilt_deg)


def _tilted(rgb: F32, alpha: F32, centre: tuple[float, float], scale: float, tilt_deg: float) -> Person:
    height, width = alpha.shape
    turn = cv2.getRotationMatrix2D(centre, tilt_deg, 1.0)
    corners = turn @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    low, high = np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))
    turn[:, 2] -= low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    if tilt_deg:
        rgb = cv2.warpAffine(rgb, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(alpha, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    angle, (a, b) = math.radians(tilt_deg), FACE_HALF_AXES
    half_w = scale * math.hypot(a * math.cos(angle), b * math.sin(angle))  # extent of a turned ellipse
    half_h = scale * math.hypot(a * math.sin(angle), b * math.cos(angle))
    x, y = turn @ np.array([centre[0], centre[1], 1.0])
    box = (math.floor(x - half_w), math.floor(y - half_h), math.ceil(2 * half_w) + 1, math.ceil(2 * half_h) + 1)
    return Person(make_sprite(rgb, alpha), box)


def oval(outline: tuple[tuple[int, int], ...], size: tuple[int, int]) -> F32:
    """A soft-edged mask of the outline, its corners rounded."""
    points = (np.array(outline, np.float32) - np.array(CROP[:2], np.float32)) * WORK_SCALE
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1.0)
    soft: F32 = cv2.GaussianBlur(mask, (0, 0), 1.3 * WORK_SCALE)
    return soft


def cloth(size: tuple[int, int], dye: tuple[int, int, int], fold: float) -> F32:
    """A cloth with soft folds, `fold` portrait pixels apart."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    wave = np.sin((y + 0.25 * x + 6 * np.sin(x / (17 * WORK_SCALE))) * 2 * np.pi / (fold * WORK_SCALE))
    shade = 1 + 0.05 * wave - 0.18 * np.abs(x / size[0] - 0.5)
    dyed: F32 = np.clip(colour(*dye) * shade[..., None], 0, 255).astype(np.float32)
    return dyed


def paint(under: F32, mask: F32, over: F32) -> F32:
    mask = mask[..., None]
    painted: F32 = (under * (1 - mask) + over * mask).astype(np.float32)
    return painted
