"""A labelled set of footage: reads ground_truth.json beside `<category>/<clip>`, and says what is wrong in it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import msgspec

from firmware.errors import ConfigError, SourceMissing

TRUTH_FILE = "ground_truth.json"
_MAX_TRUTH_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box in pixels of the clip; it may reach beyond the picture."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to be covered. `height_px` is the face's or the letters' height, the box's own where not known.

    `visible` is the part (0..1) of it inside the picture and not hidden, as far as the set says.
    """

    box: Box
    label: str
    height_px: float
    visible: float


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """What one frame (counted from 0) shows. In `ignore` anything may be covered or not."""

    frame: int
    targets: tuple[Target, ...]
    ignore: tuple[Box, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """`name` is `<category>/<clip>.mp4`; frames without an entry are not judged."""

    name: str
    path: Path
    frames: tuple[LabelledFrame, ...]

    @property
    def category(self) -> str:
        return self.name.split("/")[0]


@dataclass(frozen=True, slots=True)
class Dataset:
    """All clips in order of their names, and what identifies the truth they are judged by."""

    folder: Path
    truth_sha256: str
    clips: tuple[LabelledClip, ...]
    left_out: int = 0

    @property
    def categories(self) -> list[str]:
        return sorted({clip.category for clip in self.clips})


@dataclass(slots=True)
class _Where:
    """For messages: the place in the file that is being read."""

    file: Path
    clip: str = ""
    entry: str = field(default="")

    def wrong(self, what: str) -> NoReturn:
        place = ", ".join(part for part in (self.clip, self.entry) if part)
        raise ConfigError(f"{self.file}{': ' + place if place else ''}: {what}", meaning="Nothing was measured",
                          todo="correct the ground truth; docs/privacy.md describes the format")


def load_dataset(folder: Path, only: Collection[str] = (), limit: int = 0) -> Dataset:
    """Read the set in `folder`: categories `only` (all when empty), of each at most `limit` clips (0: all).

    Which clips a limit takes is decided by the hash of their names: always the same, and in no order of difficulty.
    Raises SourceMissing (no such set), ConfigError (bad truth, or a category that is not there).
    """
    truth = folder / TRUTH_FILE
    try:
        with truth.open("rb") as file:
            data = file.read(_MAX_TRUTH_BYTES + 1)
    except OSError as error:
        raise SourceMissing(f"{truth} cannot be read ({error.strerror or error})", meaning="Nothing was measured",
                            todo=f"give the folder that holds {TRUTH_FILE} and the clips") from None
    clips = parse_truth(data, truth)
    names = sorted({clip.category for clip in clips})
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise ConfigError(f"no category {', '.join(unknown)} in {truth}", meaning="Nothing was measured",
                          todo=f"choose from: {', '.join(names)}")
    wanted = [clip for clip in clips if not only or clip.category in only]
    if limit:
        kept: set[str] = set()
        for name in names:
            mine = [clip.name for clip in wanted if clip.category == name]
            kept.update(sorted(mine, key=lambda n: hashlib.sha256(n.encode()).digest())[:limit])
        wanted = [clip for clip in wanted if clip.name in kept]
    return Dataset(folder, hashlib.sha256(data).hexdigest(), tuple(wanted), len(clips) - len(wanted))


def parse_truth(data: bytes, file: Path) -> list[LabelledClip]:
    """The clips of a ground truth's JSON text in order of their names; `file` is for messages and paths."""
    where = _Where(file)
    if len(data) > _MAX_TRUTH_BYTES:
        where.wrong(f"larger than {_MAX_TRUTH_BYTES} bytes")
    try:
        told = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where.wrong(f"not JSON: {error}")
    if not isinstance(told, dict) or not told:
        where.wrong("expected an object with an entry for each clip")
    clips = []
    for name, entries in sorted(told.items()):
        where.clip, where.entry = name, ""
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or ".." in parts or parts[0] in ("/", ".") or "\\" in name or not name.isprintable():
            where.wrong("a clip is named <category>/<clip>.mp4")
        if not isinstance(entries, list):
            where.wrong("expected a list of frames")
        frames = tuple(_frame(entry, number, where) for number, entry in enumerate(entries))
        if len({frame.frame for frame in frames}) != len(frames):
            where.entry = ""
            where.wrong("a frame has two entries")
        clips.append(LabelledClip(name, file.parent / name, tuple(sorted(frames, key=lambda f: f.frame))))
    return clips


def _frame(entry: Any, number: int, where: _Where) -> LabelledFrame:
    where.entry = f"entry {number}"
    if not isinstance(entry, dict):
        where.wrong("expected an object with frame and boxes")
    index = entry.get("frame")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        where.wrong("frame must be a whole number from 0")
    where.entry = f"frame {index}"
    boxes = _boxes(entry, "boxes", where)
    count = len(boxes)
    labels = _parallel(entry, "labels", count, where)
    heights = [_number(value, "heights_px", where) for value in _parallel(entry, "heights_px", count, where)]
    visible = [_number(value, "visible", where) for value in _parallel(entry, "visible", count, where)]
    if any(height < 0 for height in heights) or any(not 0 <= part <= 1 for part in visible):
        where.wrong("heights_px are 0 (not known) or above, visible is from 0 to 1")
    targets = tuple(
        Target(box, str(label), height or box.h, part)
        for box, label, height, part in zip(
            boxes, labels or [""] * count, heights or [0.0] * count, visible or [1.0] * count, strict=True,
        )
    )
    kind = entry.get("kind", "")
    return LabelledFrame(index, targets, tuple(_boxes(entry, "ignore", where)), kind if isinstance(kind, str) else "")


def _boxes(entry: Mapping[str, Any], key: str, where: _Where) -> list[Box]:
    told = entry.get(key, [])
    if not isinstance(told, list):
        where.wrong(f"{key} must be a list of [x, y, width, height]")
    boxes = []
    for one in told:
        if not isinstance(one, list) or len(one) != 4:
            where.wrong(f"{key} must be a list of [x, y, width, height]")
        x, y, w, h = (_number(value, key, where) for value in one)
        if w <= 0 or h <= 0:
            where.wrong(f"{key}: width and height must be above 0")
        boxes.append(Box(x, y, w, h))
    return boxes


def _parallel(entry: Mapping[str, Any], key: str, count: int, where: _Where) -> list[Any]:
    """An optional list with one value for each box."""
    told = entry.get(key)
    if told is None:
        return []
    if not isinstance(told, list) or len(told) != count:
        where.wrong(f"{key} must be a list with one value for each of the {count} boxes")
    return told


def _number(value: Any, key: str, where: _Where) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        where.wrong(f"{key} must be numbers")
    return float(value)
