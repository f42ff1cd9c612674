"""Heads that turn: the portrait on a round head, seen from any side, with cap, mask and goggles. No photo is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hw.sim.moving_draw import Texture, make_texture
from hw.sim.moving_script import Player
from hw.sim.scene_people import (
    CAP,
    CROP,
    FACE_CENTRE,
    FACE_HALF_AXES,
    GOWN,
    HEAD,
    MASK,
    WORK_SCALE,
    cloth,
    load_portrait,
    oval,
    paint,
)
from hw.sim.scene_sprites import F32, colour

YAW_STEP_DEG = 4
LEAST_SEEN = 0.25
"""Of a face seen from the front: what shows less than that share of it has turned away."""
_HALF = 2
_GOGGLES = ((182, 94), (204, 91), (226, 95), (250, 92), (270, 98), (268, 114), (250, 120), (234, 114), (226, 108),
            (216, 113), (200, 118), (184, 112))
_NECK = ((194, 150), (256, 150), (262, 196), (190, 196))
_NOSE, _NOSE_SPREAD, _NOSE_DEEP = (226.0, 127.0), (8.0, 13.0), 15.0
_DEPTH = 1.08
"""A head's depth relative to its width."""


@dataclass(frozen=True, slots=True)
class Dressed:
    """Somebody at the portrait's size times WORK_SCALE: head and body apart."""

    head: F32
    head_alpha: F32
    body: F32
    body_alpha: F32
    behind: F32
    """The colour of the head from behind, for each row."""


class Head:
    """One player's textures, made when first needed. The face's middle is `pivot`, its height `face_px`."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._dressed = _dress(player)
        self._made: dict[int, Texture] = {}
        across = FACE_CENTRE[0] if not player.mirrored else CROP[0] + CROP[2] - FACE_CENTRE[0]
        self.pivot = ((across - CROP[0]) * WORK_SCALE / _HALF, (FACE_CENTRE[1] - CROP[1]) * WORK_SCALE / _HALF)
        self.face_px = 2 * FACE_HALF_AXES[1] * WORK_SCALE / _HALF

    def texture(self, yaw_deg: float) -> Texture:
        """Seen with the head turned by `yaw_deg`; one mark, the outline of the visible face, or none."""
        step = round(yaw_deg / YAW_STEP_DEG)
        if step not in self._made:
            self._made[step] = self._make(step * YAW_STEP_DEG)
        return self._made[step]

    def _make(self, yaw_deg: float) -> Texture:
        who = self._dressed
        size = (who.head.shape[1] // _HALF, who.head.shape[0] // _HALF)
        body = cv2.resize(who.body, size, interpolation=cv2.INTER_AREA)
        body_alpha = cv2.resize(who.body_alpha, size, interpolation=cv2.INTER_AREA)
        head, alpha, face = _turned(who, yaw_deg, size)
        rgb = body * (1 - alpha[..., None]) + head * alpha[..., None]
        alpha = np.maximum(alpha, body_alpha)
        if self._player.mirrored:
            rgb, alpha, face = rgb[:, ::-1], alpha[:, ::-1], face[:, ::-1]
        frontal = math.pi * FACE_HALF_AXES[0] * FACE_HALF_AXES[1] * (WORK_SCALE / _HALF) ** 2
        marks = []
        if face.sum() >= LEAST_SEEN * frontal:
            rows, columns = np.nonzero(face)
            marks = [cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32)).reshape(-1, 2)]
        return make_texture(np.ascontiguousarray(rgb), np.ascontiguousarray(alpha), marks)


def _dress(player: Player) -> Dressed:
    left, top, right, bottom = CROP
    size = ((right - left) * WORK_SCALE, (bottom - top) * WORK_SCALE)
    rgb = cv2.resize(load_portrait()[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC)
    rgb = np.clip(rgb * colour(*player.skin), 0, 255).astype(np.float32)
    alpha = oval(HEAD, size)
    skin = (colour(196, 146, 120) * colour(*player.skin)).astype(np.float32)
    behind = np.repeat((colour(92, 72, 48) * colour(*player.skin))[None], size[1], axis=0).astype(np.float32)
    behind[(150 - top) * WORK_SCALE :] = skin
    if player.mask:
        rgb = paint(rgb, oval(MASK, size), cloth(size, (176, 208, 222), fold=9))
    if player.goggles:
        rim, glass = oval(_GOGGLES, size), cv2.erode(oval(_GOGGLES, size), np.ones((13, 13), np.uint8))
        rgb = paint(rgb, rim, np.full_like(rgb, 58))
        lens = rgb * 0 + colour(150, 170, 178)
        eyes = cv2.resize(load_portrait()[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR)
        rgb = paint(rgb, glass, (0.72 * eyes * colour(*player.skin) + 0.28 * lens).astype(np.float32))
    if player.cap:
        cap = oval(CAP, size)
        dye = (70, 128, 176)
        rgb, alpha = paint(rgb, cap, cloth(size, dye, fold=14)), np.maximum(alpha, cap)
        behind[: (112 - top) * WORK_SCALE] = colour(*dye)
    gown = oval(GOWN, size)
    fade = np.clip(np.linspace(6, 0, size[1], dtype=np.float32), 0, 1)[:, None]
    neck = oval(_NECK, size)
    body = paint(np.zeros_like(rgb) + skin, gown, cloth(size, player.gown, fold=26))
    return Dressed(rgb, alpha, body, np.maximum(gown * fade, neck), behind)


def _turned(who: Dressed, yaw_deg: float, size: tuple[int, int]) -> tuple[F32, F32, NDArray[np.bool_]]:
    """The head alone at `size`, turned about its upright axis: each row is an ellipse, and the nose stands out.

    RGB, opacity, and which pixels show the face. Points nearer to the camera are drawn later.
    """
    inside = who.head_alpha > 0.5
    rows = np.flatnonzero(inside.any(axis=1))
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    half = np.where(inside.any(axis=1), (last - first + 1) / 2, 0)
    middle = (first + last) / 2
    y, x = np.nonzero(inside[: rows[-1] + 1])
    u = np.clip((x - middle[y]) / np.maximum(half[y], 1), -1, 1)
    deep = _DEPTH * half[y] * np.sqrt(1 - u * u)
    face = _in_face(x, y)
    nose = np.exp(-((_portrait_x(x) - _NOSE[0]) ** 2) / (2 * _NOSE_SPREAD[0] ** 2)
                  - (_portrait_y(y) - _NOSE[1]) ** 2 / (2 * _NOSE_SPREAD[1] ** 2))
    near = deep + _NOSE_DEEP * WORK_SCALE * nose
    axis = float(middle[rows].mean())
    cos, sin = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    off = x - axis
    shade = 0.72 + 0.28 * np.sqrt(1 - u * u)
    columns = np.concatenate([axis + off * cos + near * sin, axis + off * cos - deep * sin])
    depth = np.concatenate([near * cos - off * sin, -deep * cos - off * sin])
    tint = np.concatenate([who.head[y, x], who.behind[y] * shade[:, None]]).astype(np.float32)
    shows = np.concatenate([face, np.zeros_like(face)])
    order = np.argsort(depth, kind="stable")
    place_x = np.clip(np.rint(columns[order] / _HALF), 0, size[0] - 1).astype(np.intp)
    place_y = (np.concatenate([y, y])[order] // _HALF).clip(0, size[1] - 1)
    rgb = np.zeros((size[1], size[0], 3), np.float32)
    known, seen = np.zeros((size[1], size[0]), np.float32), np.zeros((size[1], size[0]), np.bool_)
    rgb[place_y, place_x], known[place_y, place_x] = tint[order], 1.0
    seen[place_y, place_x] = shows[order]
    return *_closed(rgb, known), seen


def _closed(rgb: F32, known: F32) -> tuple[F32, F32]:
    """Pixels that no point hit are filled from those around, and the outline is made soft."""
    solid = cv2.morphologyEx(known, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    for _ in range(4):
        around = cv2.blur(rgb * known[..., None], (3, 3)) / np.maximum(cv2.blur(known, (3, 3)), 1e-3)[..., None]
        rgb = np.where(known[..., None] > 0, rgb, around).astype(np.float32)
        known = np.maximum(known, (cv2.blur(known, (3, 3)) > 0.01).astype(np.float32))
    soft: F32 = np.clip(cv2.GaussianBlur(solid, (0, 0), 1.0) * 2 - 1, 0, 1).astype(np.float32)
    return rgb, soft


def _portrait_x(x: NDArray[np.intp]) -> NDArray[np.float64]:
    return x / WORK_SCALE + CROP[0]


def _portrait_y(y: NDArray[np.intp]) -> NDArray[np.float64]:
    return y / WORK_SCALE + CROP[1]


def _in_face(x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.bool_]:
    (middle_x, middle_y), (a, b) = FACE_CENTRE, FACE_HALF_AXES
    return ((_portrait_x(x) - middle_x) / a) ** 2 + ((_portrait_y(y) - middle_y) / b) ** 2 <= 1
