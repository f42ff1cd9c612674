"""Adds up what the judge found: by category, by size, against the targets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from firmware.evaluate.dataset import LabelledClip
from firmware.evaluate.judge import ClipFigures, JudgedBox, longest_run, roles_of
from firmware.evaluate.kinds import ROLE_KINDS, ROLE_NAMES, Role, size_class, size_names

Verdict = Literal["met", "missed", "not measured", "incomplete"]
_IN_VIEW = (
    ("under a quarter", 0.0, 0.25), ("a quarter to half", 0.25, 0.5), ("half to nearly all", 0.5, 1.0),
    ("all", 1.0, 2.0),
)
_Z_95 = 1.959964  # of the normal distribution, for a two-sided 95 %


@dataclass(frozen=True, slots=True)
class Recall:
    """Boxes judged, and those that leak."""

    boxes: int
    leaks: int

    @property
    def value(self) -> float | None:
        return 1 - self.leaks / self.boxes if self.boxes else None

    @property
    def at_least(self) -> float | None:
        """Lower end of the 95 % Wilson score interval (E. B. Wilson, 1927), as if the boxes were independent.

        They are not (the frames of one clip resemble each other), so the truth may be lower still.
        """
        if not self.boxes:
            return None
        n, p, z2 = self.boxes, 1 - self.leaks / self.boxes, _Z_95**2
        return max(0.0, (p + z2 / (2 * n) - _Z_95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n))


@dataclass(frozen=True, slots=True)
class CategoryFigures:
    """One category: `false_area` and `false_frames` are means of the clips' own means."""

    category: str
    clips: int
    failed: int
    frames: int
    recall: Recall
    longest_exposure: int
    false_area: float | None
    false_frames: float | None
    blank_boxes: int


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Recall of one role by class: of height, or of how much is in view."""

    role: Role
    classes: tuple[tuple[str, Recall], ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """A target of the project. A limit of None is not set. `category` is for goals about false alarms."""

    name: str
    role: Role | None = None
    least_px: float = 0
    recall: float | None = None
    exposure: int | None = None
    category: str = ""
    false_area: float | None = None
    false_frames: float | None = None


GOALS = (
    Goal("Faces, unmasked", "unmasked", 0, 0.999, 1),
    Goal("Faces, masked", "masked", 0, 0.995, 1),
    Goal("Faces in moving scenes, 40 px and up", "moving", 40, 0.995, 1),
    Goal("Text on bands and overlays, 16 px and up", "overlay", 16, 0.99, 2),
    Goal("Text in the wild", "wild", 0, 0.95),
    Goal("Operating field: covered without need", category="surgical", false_area=0.003, false_frames=0.01),
    Goal("Face-like things: covered without need", category="negatives", false_area=0.003, false_frames=0.01),
)


@dataclass(frozen=True, slots=True)
class GoalResult:
    """A goal, what was measured for it, and whether it was reached. `clips` is how many clips had something for it."""

    goal: Goal
    verdict: Verdict
    clips: int
    recall: Recall
    exposure: int
    false_area: float | None
    false_frames: float | None


def by_category(clips: Sequence[ClipFigures], failed: Sequence[LabelledClip]) -> list[CategoryFigures]:
    """Figures of each category. `failed` are the clips that could not be judged: counted, never averaged."""
    lost = [clip.category for clip in failed]
    rows = []
    for category in sorted({clip.category for clip in clips} | set(lost)):
        mine = [clip for clip in clips if clip.category == category]
        rows.append(CategoryFigures(
            category, len(mine), lost.count(category), sum(clip.frames for clip in mine),
            Recall(sum(len(clip.boxes) for clip in mine), sum(clip.leaks for clip in mine)),
            max((clip.longest_exposure for clip in mine), default=0),
            _mean([clip.false_area for clip in mine]), _mean([clip.false_frames for clip in mine]),
            sum(clip.blank_boxes for clip in mine),
        ))
    return rows


def by_size(clips: Sequence[ClipFigures]) -> list[SizeRow]:
    """Recall by height of face or letter, for each role that occurs."""
    boxes = [box for clip in clips for box in clip.boxes]
    rows = []
    for role in ROLE_NAMES:
        mine = [box for box in boxes if box.role == role]
        if mine:
            kind = ROLE_KINDS[role]
            classes = [
                (name, _recall([box for box in mine if size_class(kind, box.height_px) == number]))
                for number, name in enumerate(size_names(kind))
            ]
            rows.append(SizeRow(role, tuple(classes)))
    return rows


def by_visibility(clips: Sequence[ClipFigures]) -> list[SizeRow]:
    """Recall by how much of a thing is in view, for each role of which the set says that some are not wholly so."""
    rows = []
    for role in ROLE_NAMES:
        mine = [box for clip in clips for box in clip.boxes if box.role == role]
        if any(box.visible < 1 for box in mine):
            rows.append(SizeRow(role, tuple(
                (name, _recall([box for box in mine if low <= box.visible < high])) for name, low, high in _IN_VIEW
            )))
    return rows


def against_goals(clips: Sequence[ClipFigures], lost: Sequence[LabelledClip]) -> list[GoalResult]:
    """Each goal with what was measured for it. It is incomplete while a clip with something for it is among `lost`:
    those that failed or were not reached."""
    return [_against(goal, clips, lost) for goal in GOALS]


def _against(goal: Goal, clips: Sequence[ClipFigures], lost: Sequence[LabelledClip]) -> GoalResult:
    if goal.category:
        mine = [clip for clip in clips if clip.category == goal.category]
        area, frames = _mean([clip.false_area for clip in mine]), _mean([clip.false_frames for clip in mine])
        met = area is not None and frames is not None and area <= _limit(goal.false_area) \
            and frames <= _limit(goal.false_frames)
        broken = any(clip.category == goal.category for clip in lost)
        return GoalResult(goal, _verdict(bool(mine), met, broken), len(mine), Recall(0, 0), 0, area, frames)
    chosen = [(clip, boxes) for clip in clips if (boxes := [box for box in clip.boxes if _counts(goal, box)])]
    recall = _recall([box for _, boxes in chosen for box in boxes])
    exposure = max((longest_run(clip, boxes) for clip, boxes in chosen), default=0)
    met = recall.value is not None and recall.value >= _limit(goal.recall) \
        and (goal.exposure is None or exposure <= goal.exposure)
    broken = any(goal.role in roles_of(clip) for clip in lost)
    return GoalResult(goal, _verdict(recall.boxes > 0, met, broken), len(chosen), recall, exposure, None, None)


def _counts(goal: Goal, box: JudgedBox) -> bool:
    return box.role == goal.role and box.height_px >= goal.least_px


def _verdict(measured: bool, met: bool, broken: bool) -> Verdict:
    if not measured:
        return "incomplete" if broken else "not measured"
    if not met:
        return "missed"
    return "incomplete" if broken else "met"


def _limit(value: float | None) -> float:
    assert value is not None
    return value


def _recall(boxes: Sequence[JudgedBox]) -> Recall:
    return Recall(len(boxes), sum(box.leaks for box in boxes))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
