"""Judges one output against its input: what of each labelled box still shows, and what was covered without need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from firmware.evaluate.blocks import FALSE_FRAME, BlockMap, box_share, changed_away, changed_part, compare
from firmware.evaluate.dataset import LabelledClip, LabelledFrame
from firmware.evaluate.films import grey, pairs
from firmware.evaluate.kinds import Kind, Role, kind_of, role_of


@dataclass(frozen=True, slots=True)
class JudgedBox:
    """One labelled box in one frame. `number` is its place in the frame's list, `share` the part still to be seen."""

    frame: int
    number: int
    kind: Kind
    role: Role
    height_px: float
    visible: float
    share: float
    leaks: bool


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """One annotated frame: the part of its texture that was covered away from any box."""

    frame: int
    changed_away: float

    @property
    def is_false(self) -> bool:
        return self.changed_away > FALSE_FRAME


@dataclass(slots=True)
class ClipFigures:
    """What the judge found in one clip. `blank_boxes` had no texture to judge, `unseen` entries no frame."""

    name: str
    category: str
    width: int = 0
    height: int = 0
    frames: int = 0
    annotated: int = 0
    boxes: list[JudgedBox] = field(default_factory=list)
    judged: list[JudgedFrame] = field(default_factory=list)
    blank_boxes: int = 0
    unseen: int = 0
    resized: bool = False

    @property
    def leaks(self) -> int:
        return sum(box.leaks for box in self.boxes)

    @property
    def false_area(self) -> float:
        """Mean over all annotated frames, those that the film does not have counted as untouched."""
        return sum(frame.changed_away for frame in self.judged) / max(self.annotated, 1)

    @property
    def false_frames(self) -> float:
        return sum(frame.is_false for frame in self.judged) / max(self.annotated, 1)

    @property
    def longest_exposure(self) -> int:
        return longest_run(self, self.boxes)


def longest_run(clip: ClipFigures, boxes: Iterable[JudgedBox]) -> int:
    """Most annotated frames in a row (as they follow each other in the truth) in which one of `boxes` leaks."""
    leaking = {box.frame for box in boxes if box.leaks}
    longest = run = 0
    for frame in clip.judged:
        run = run + 1 if frame.frame in leaking else 0
        longest = max(longest, run)
    return longest


def roles_of(clip: LabelledClip) -> set[Role]:
    """Which targets the clip's boxes count for."""
    return {
        role_of(kind_of(target.label, frame.kind, clip.category), target.label, clip.name)
        for frame in clip.frames for target in frame.targets
    }


def judge(clip: LabelledClip, output: Path, go_on: Callable[[], None] = lambda: None) -> ClipFigures:
    """Compare the clip with `output`, frame by frame. `go_on` is called for each frame and may raise to stop.

    Raises MediaUnreadable when either film cannot be read or one is shorter.
    """
    wanted = {frame.frame: frame for frame in clip.frames}
    found = ClipFigures(clip.name, clip.category, annotated=len(wanted))
    for pair in pairs(clip.path, output, set(wanted)):
        go_on()
        found.frames += 1
        if pair.before is None or pair.after is None:
            continue
        found.height, found.width = pair.before.shape[:2]
        found.resized |= pair.resized
        _judge_frame(found, clip, wanted[pair.index], compare(grey(pair.before), grey(pair.after)))
    found.unseen = len(wanted) - len(found.judged)
    return found


def _judge_frame(found: ClipFigures, clip: LabelledClip, frame: LabelledFrame, blocks: BlockMap) -> None:
    for number, target in enumerate(frame.targets):
        seen = box_share(blocks, target.box)
        if not seen.textured:
            found.blank_boxes += 1
            continue
        kind = kind_of(target.label, frame.kind, clip.category)
        role = role_of(kind, target.label, clip.name)
        found.boxes.append(JudgedBox(
            frame.frame, number, kind, role, target.height_px, target.visible, seen.share, seen.leaks,
        ))
    away = changed_away(blocks, [*(target.box for target in frame.targets), *frame.ignore])
    found.judged.append(JudgedFrame(frame.frame, changed_part(blocks, away)))
