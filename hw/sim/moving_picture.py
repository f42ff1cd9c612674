"""Draws any frame of a moving scene, and says exactly what identifying thing lies where in it. Knows no clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hw.ports import U8
from hw.sim.moving_cards import FINER, CardArt, make_card
from hw.sim.moving_draw import F64, moved, placing, stamp
from hw.sim.moving_ground import ROOM_WIDE, Ground, lit
from hw.sim.moving_head import Head
from hw.sim.moving_script import SHOW_S, Card, Light, Player, Pose
from hw.sim.moving_shows import cast_of
from hw.sim.scene_truth import TruthBox
from hw.sim.scene_uri import SceneSettings

MOST_EXPOSURES = 8
BLUR_STEP_PX = 2.0
"""A thing that moves further than this while the shutter is open is drawn several times."""
TURNED_DEG = 4.0
GRAIN, DIM_GRAIN = 1.2, 4.0
GAIN: dict[Light, float] = {"normal": 1.0, "dim": 0.25, "bright": 2.0}
_SWITCH_S, _SWITCHED = 1.5, (1.0, 0.2, 2.2)
_DAY_S = 24 * 3600


class MovingPicture:
    """The pictures of one moving show; frame i depends on nothing but the settings and i. Raises PartMissing.

    Sizes are rounded up to even ones. There is neither a quiet box nor a clapper in it.
    """

    quiet_box = clapper_box = (0, 0, 0, 0)

    def __init__(self, settings: SceneSettings) -> None:
        self._settings = settings
        self.width, self.height = settings.width, settings.height
        self._w, self._h = self.width + (self.width & 1), self.height + (self.height & 1)
        self._scale = min(self._w / 1920, self._h / 1080)
        self._cast = cast_of(settings.show, settings.seed, self._scale)
        self._heads = [(player, Head(player)) for player in self._cast.players]
        self._cards: dict[tuple[str, str], CardArt] = {}
        wide = ROOM_WIDE if settings.show == "pan" else 1.0
        self._ground = Ground(self._cast.ground, self._w, self._h, wide, settings.seed)
        self._clock_start_s = 7 * 3600 + settings.seed * 977 % (10 * 3600)

    def draw(self, index: int, into: U8) -> None:
        """Draw frame `index` as flat NV12 into `into`, which holds exactly one coded frame."""
        w, h, t = self._w, self._h, self._time(index)
        y, uv = into[: w * h].reshape(h, w), into[w * h :].reshape(h // 2, w // 2, 2)
        self._ground.draw(y, uv, [self._left(at) for at in self._exposures(t, self._left)])
        for card in self._cast.cards:
            if card.style != "overlay":
                self._draw_card(y, uv, card, t)
        for player, head in self._heads:
            self._draw_player(y, uv, player, head, t)
        gain = self._gain(t)
        if gain != 1.0:
            lit(y, uv, gain)
        self._ground.grain(y, index, DIM_GRAIN if gain < 0.5 else GRAIN)
        for card in self._cast.cards:
            if card.style == "overlay":
                self._draw_card(y, uv, card, t)

    def truth_at(self, index: int) -> list[TruthBox]:
        """Every visible face, word and code in frame `index`, even if only its edge lies in the picture."""
        t, boxes = self._time(index), list[TruthBox]()
        for player, head in self._heads:
            pose = player.path(t)
            if pose is None:
                continue
            matrix = self._player_matrix(head, pose, t)
            between = player.door(t) if player.door is not None else (0.0, 1.0)
            for mark in head.texture(pose.yaw_deg).marks:
                boxes += self._box("face", moved(mark, matrix), pose.size * self._scale, player.name, between)
        for card in self._cast.cards:
            pose = card.path(t)
            if pose is None:
                continue
            matrix = self._card_matrix(card, pose, t)
            for kind, mark in self._art(card, t).marks(abs(pose.tilt_deg) > TURNED_DEG):
                boxes += self._box(kind, moved(mark, matrix), pose.size, card.name, (0.0, 1.0))
        return boxes

    # ---- inside ------------------------------------------------------------------------------------

    def _time(self, index: int) -> float:
        return float(index / self._settings.rate) % SHOW_S

    def _gain(self, t: float) -> float:
        light = self._settings.light
        return _SWITCHED[int(t / _SWITCH_S) % len(_SWITCHED)] if light == "switching" else GAIN[light]

    def _left(self, t: float) -> float:
        """How far the camera has moved over the room, in pixels; over tissue it sways a little."""
        if self._cast.ground == "tissue":
            return self._ground.spare * (0.5 + 0.45 * math.sin(2 * math.pi * t / 7.0))
        return self._cast.camera(t) * self._w

    def _exposures(self, t: float, place: Callable[[float], float]) -> list[float]:
        """The moments at which what is at `place` (pixels) is drawn for the frame at `t`."""
        open_s = self._settings.shutter / float(self._settings.rate)
        way = abs(place(t + open_s / 2) - place(t - open_s / 2))
        count = min(MOST_EXPOSURES, max(1, math.ceil(way / BLUR_STEP_PX)))
        return [t + open_s * ((n + 0.5) / count - 0.5) for n in range(count)]

    def _draw_player(self, y: U8, uv: U8, player: Player, head: Head, t: float) -> None:
        pose = player.path(t)
        if pose is None:
            return
        matrices = self._matrices(player.path, t, lambda at, pose: self._player_matrix(head, pose, at), head.pivot)
        between = None if player.door is None else player.door(t)
        columns = None if between is None else (between[0] * self._w, between[1] * self._w)
        stamp(y, uv, head.texture(pose.yaw_deg), matrices, columns)

    def _draw_card(self, y: U8, uv: U8, card: Card, t: float) -> None:
        pose = card.path(t)
        if pose is None:
            return
        art = self._art(card, t)
        if card.style == "overlay":
            matrices = [self._card_matrix(card, pose, t)]
        else:
            matrices = self._matrices(card.path, t, lambda at, pose: self._card_matrix(card, pose, at), (0.0, 0.0))
        stamp(y, uv, art.texture, matrices)

    def _matrices(self, path: Callable[[float], Pose | None], t: float, matrix: Callable[[float, Pose], F64],
                  point: tuple[float, float]) -> list[F64]:
        """Where a thing is while the shutter is open: more often, the further `point` of its texture moves."""
        pose = path(t)
        assert pose is not None
        spot = np.array([point])

        def along(at: float) -> float:
            there = path(at)
            place = moved(spot, matrix(at, there))[0] if there is not None else moved(spot, matrix(t, pose))[0]
            home = moved(spot, matrix(t, pose))[0]
            return math.copysign(math.dist(place, home), at - t)

        poses = [(at, path(at) or pose) for at in self._exposures(t, along)]
        return [matrix(at, there) for at, there in poses]

    def _player_matrix(self, head: Head, pose: Pose, t: float) -> F64:
        at = (pose.x * self._w - self._pan(t), pose.y * self._h)
        return placing(head.pivot, at, pose.size * self._scale / head.face_px, pose.tilt_deg)

    def _card_matrix(self, card: Card, pose: Pose, t: float) -> F64:
        width, height = self._art(card, t).texture.size
        pan = 0.0 if card.style == "overlay" else self._pan(t)
        at = (pose.x * self._w - pan, pose.y * self._h)
        return placing(((width - 4) / 2, (height - 4) / 2), at, 1 / FINER, pose.tilt_deg)

    def _pan(self, t: float) -> float:
        return self._cast.camera(t) * self._w

    def _art(self, card: Card, t: float) -> CardArt:
        text = card.text
        if card.ticks:
            now = (self._clock_start_s + int(t)) % _DAY_S
            text = f"{now // 3600:02d}:{now // 60 % 60:02d}:{now % 60:02d}"
        key = (card.name, text)
        if key not in self._cards:
            if len(self._cards) > 64:
                self._cards.clear()
            pose = card.path(t)
            assert pose is not None
            self._cards[key] = make_card(text, pose.size, card.style, card.code)
        return self._cards[key]

    def _box(self, kind: str, outline: F64, size_px: float, label: str, between: tuple[float, float]) -> list[TruthBox]:
        (x, y), (right, bottom) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
        x0, y0 = max(between[0] * self._w, 0, math.floor(x)), max(0, math.floor(y))
        x1, y1 = min(between[1] * self._w, self.width, math.ceil(right)), min(self.height, math.ceil(bottom))
        x0, x1 = round(x0), round(x1)
        if x1 <= x0 or y1 <= y0:
            return []
        part = min(1.0, (x1 - x0) * (y1 - y0) / max(1.0, (right - x) * (bottom - y)))
        return [TruthBox(kind, x0, y0, x1 - x0, y1 - y0, part, label, size_px)]  # type: ignore[arg-type]
