"""Every exported frame against the same moment of the scene, drawn again: what was covered, and what was left alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from firmware.demo.picture_check import COVERED_LEAK, leak, psnr, surroundings
from firmware.messages import Verdict
from hw.ports import U8
from hw.sim.scene import SceneSource

HALF_SEEN = 0.5
"""A face counts as one from this visible part on; less of it at the picture's edge is told apart in the summary."""
CLAPPER_LIMIT_S = (-0.060, 0.040)
"""Sound may come at most 60 ms late and 40 ms early (picture minus sound), after EBU R37 and the like."""


@dataclass(slots=True)
class Compared:
    """Counts over all frames. `uncovered`: (frame number, label, part seen); `worst`: the largest part by label."""

    frames: int = 0
    blanked: int = 0
    blanked_not_flat: int = 0
    boxes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    uncovered: list[tuple[int, str, float]] = field(default_factory=list)
    slivers: int = 0
    slivers_seen: int = 0
    sliver_largest: float = 0.0
    """The largest visible part of a face, less than half, that came through."""
    worst: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    quiet_db: list[float] = field(default_factory=list)
    untouched: list[float] = field(default_factory=list)
    around_db: list[float] = field(default_factory=list)
    flashes_s: list[float] = field(default_factory=list)

    @property
    def boxes_total(self) -> int:
        return sum(self.boxes.values())

    @property
    def quiet_worst_db(self) -> float:
        return min(self.quiet_db, default=0.0)

    @property
    def untouched_median(self) -> float:
        return median(self.untouched) if self.untouched else 0.0


def compare(
    frames: Iterable[tuple[U8, U8]], verdicts: list[Verdict], scene: SceneSource,
    keep: dict[int, Callable[[U8, U8], None]], progress: Callable[[int], None],
) -> Compared:
    """Go through the exported `frames` (luma, NV12), one for each verdict. `keep[number](before, after)` gets NV12s."""
    result, first_ns, was_open = Compared(), verdicts[0].pts_ns, False
    before = np.empty(scene.settings.width * scene.settings.height * 3 // 2, np.uint8)
    height, width = scene.settings.height, scene.settings.width
    for number, ((luma, whole), verdict) in enumerate(zip(frames, verdicts, strict=True)):
        index = scene.index_at(verdict.pts_ns)
        scene.picture.draw(index, before)
        was = before[: width * height].reshape(height, width)
        if number in keep:
            keep[number](before, whole)
        result.frames += 1
        is_open = verdict.kind != "blanked" and clapper_shown(scene, luma)
        if is_open and not was_open:
            result.flashes_s.append((verdict.pts_ns - first_ns) / 1e9)
        was_open = is_open
        _one(result, number, was, luma, verdict, scene, index)
        progress(number)
    return result


def _one(
    result: Compared, number: int, was: U8, now: U8, verdict: Verdict, scene: SceneSource, index: int
) -> None:
    boxes = scene.truth_at(index)
    for box in boxes:
        part = leak(was, now, box)
        if box.kind == "face" and box.visible_fraction < HALF_SEEN:
            result.slivers += 1
            if part > COVERED_LEAK:
                result.slivers_seen += 1
                result.sliver_largest = max(result.sliver_largest, box.visible_fraction)
            continue
        result.boxes[box.label] += 1
        result.worst[box.label] = max(result.worst[box.label], part)
        if part > COVERED_LEAK:
            result.uncovered.append((number, box.label, part))
    if verdict.kind == "blanked":
        result.blanked += 1
        result.blanked_not_flat += float(now.std()) > 12  # filled whole: hardly anything but one colour is left
        return
    x, y, w, h = scene.picture.quiet_box
    result.quiet_db.append(psnr(was[y : y + h, x : x + w], now[y : y + h, x : x + w]))
    around = surroundings(was, now, boxes)
    result.untouched.append(around.untouched)
    result.around_db.append(around.psnr_db)


def clapper_shown(scene: SceneSource, luma: U8) -> bool:
    """Does the exported picture show the clapper white?"""
    x, y, w, h = scene.picture.clapper_box
    return float(luma[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4].mean()) > 150


def tone_starts_s(pcm: NDArray[np.int16]) -> list[float]:
    """When each clapper tone begins, in seconds from the start of `pcm` (48 kHz mono)."""
    window = 48  # one cycle of the tone, 1 ms
    loud = np.abs(pcm[: len(pcm) // window * window].astype(np.int32)).reshape(-1, window).max(axis=1) > 3000
    starts = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    found: list[float] = []
    for start in starts:
        at = float(start) * window / 48_000
        if not found or at - found[-1] > 1.0:
            found.append(at)
    return found


def clapper_offsets_s(flashes: list[float], tones: list[float]) -> list[float]:
    """Picture minus sound for each flash that has a tone within half a second."""
    offsets = []
    for flash in flashes:
        near = min(tones, key=lambda tone: abs(tone - flash), default=None)
        if near is not None and abs(near - flash) < 0.5:
            offsets.append(flash - near)
    return offsets
