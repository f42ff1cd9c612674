"""The report as data: everything that was measured, how, on what and with what, ready for JSON. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firmware.evaluate import blocks
from firmware.evaluate.identity import Identity
from firmware.evaluate.judge import ClipFigures
from firmware.evaluate.kinds import ROLE_NAMES
from firmware.evaluate.run import ClipResult, Plan
from firmware.evaluate.tally import GoalResult, Recall, SizeRow, against_goals, by_category, by_size, by_visibility
from firmware.evaluate.words import NOT_COVERED, lines
from firmware.evaluate.worst import FalseFill, Miss

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run left behind. `seconds` is the whole run's wall time, `changed` tells of software changed in it."""

    plan: Plan
    results: Sequence[ClipResult]
    stopped: bool
    seconds: float
    changed: bool


def make_report(outcome: Outcome, misses: Sequence[Miss], fills: Sequence[FalseFill]) -> dict[str, Any]:
    """The whole report; report.json is this, report.html shows it."""
    plan, results = outcome.plan, outcome.results
    clips = [result.figures for result in results if result.figures is not None]
    failed = [result for result in results if result.state == "failed"]
    missing = [result.clip for result in results if result.state == "not reached"]
    return {
        "report": "scrubcam privacy-eval",
        "format": FORMAT,
        "made_unix_s": round(time.time()),
        "partial": outcome.stopped or bool(missing),
        "counts": {
            "clips": len(results), "judged": len(clips), "failed": len(failed), "not_reached": len(missing),
            "left_out": plan.dataset.left_out, "boxes": sum(len(clip.boxes) for clip in clips),
            "leaks": sum(clip.leaks for clip in clips),
        },
        "goals": [_goal(result) for result in against_goals(clips, [*(result.clip for result in failed), *missing])],
        "categories": [
            {**asdict(row), "recall": _recall(row.recall), **_speed(results, row.category)}
            for row in by_category(clips, [result.clip for result in failed])
        ],
        "sizes": [_sizes(row) for row in by_size(clips)],
        "in_view": [_sizes(row) for row in by_visibility(clips)],
        "speed": {**_speed(results), "run_s": round(outcome.seconds, 1), "jobs": plan.jobs},
        "misses": [_miss(miss) for miss in misses],
        "false_fills": [
            {"clip": fill.clip.name, "frame": fill.frame, "part": round(fill.part, 4)} for fill in fills
        ],
        "failures": [{"clip": result.clip.name, "problem": result.problem} for result in failed],
        "not_reached": [clip.name for clip in missing],
        "clips": [_clip(result, result.figures) for result in results if result.figures is not None],
        "given_outputs": plan.given is not None,
        "made_by": {**_identity(plan.identity), "changed_during_the_run": outcome.changed},
        "dataset": {
            "ground_truth_sha256": plan.dataset.truth_sha256, "categories": plan.dataset.categories,
        },
        "rule": rule(),
        "not_covered": lines(NOT_COVERED),
    }


def rule() -> dict[str, float]:
    """The numbers of the judging rule (blocks.py)."""
    return {
        "block_px": blocks.BLOCK_PX, "texture_std": blocks.TEXTURE_STD, "same_ncc": blocks.SAME_NCC,
        "output_std": blocks.OUTPUT_STD, "leak_share": blocks.LEAK_SHARE, "inner_part": blocks.INNER_PART,
        "away_growth": blocks.AWAY_GROWTH, "false_frame": blocks.FALSE_FRAME,
    }


def _goal(result: GoalResult) -> dict[str, Any]:
    goal = result.goal
    return {
        "name": goal.name, "verdict": result.verdict, "clips": result.clips,
        "wanted": {
            "recall": goal.recall, "longest_exposure": goal.exposure, "false_area": goal.false_area,
            "false_frames": goal.false_frames,
        },
        "recall": _recall(result.recall), "longest_exposure": result.exposure,
        "false_area": result.false_area, "false_frames": result.false_frames,
    }


def _recall(recall: Recall) -> dict[str, Any]:
    return {"boxes": recall.boxes, "leaks": recall.leaks, "value": recall.value, "at_least_95": recall.at_least}


def _sizes(row: SizeRow) -> dict[str, Any]:
    return {
        "role": row.role, "name": ROLE_NAMES[row.role],
        "classes": [{"class": name, **_recall(recall)} for name, recall in row.classes],
    }


def _speed(results: Iterable[ClipResult], category: str = "") -> dict[str, Any]:
    """Frames through the product, its processes' wall and CPU seconds, start and model loading included."""
    made = [
        result.output.made for result in results
        if result.output is not None and result.output.made is not None and category in ("", result.clip.category)
    ]
    frames, wall_s, cpu_s = (sum(values) for values in (
        [one.frames for one in made], [one.wall_s for one in made], [one.cpu_s for one in made],
    ))
    return {
        "product_frames": frames, "blanked_frames": sum(one.blanked for one in made),
        "frames_per_s": round(frames / wall_s, 2) if wall_s else None,
        "cpu_s_per_frame": round(cpu_s / frames, 4) if frames else None,
    }


def _miss(miss: Miss) -> dict[str, Any]:
    box = miss.box
    return {
        "clip": miss.clip.name, "frame": box.frame, "box": box.number, "kind": box.kind, "role": box.role,
        "height_px": round(box.height_px, 1), "visible": box.visible, "still_seen": round(box.share, 3),
        "frames_in_a_row": miss.run,
    }


def _clip(result: ClipResult, figures: ClipFigures) -> dict[str, Any]:
    output = result.output
    made = output.made if output is not None else None
    return {
        "clip": figures.name, "width": figures.width, "height": figures.height, "frames": figures.frames,
        "annotated": figures.annotated, "boxes": len(figures.boxes), "leaks": figures.leaks,
        "longest_exposure": figures.longest_exposure, "false_area": figures.false_area,
        "false_frames": figures.false_frames, "without_texture": figures.blank_boxes,
        "entries_without_frame": figures.unseen, "resized": figures.resized,
        "blanked_frames": made.blanked if made else None, "reused_output": bool(output and output.reused),
        "input_sha256": made.input_sha256 if made else None, "output_sha256": made.output_sha256 if made else None,
        "leaking": [
            {
                "frame": box.frame, "box": box.number, "height_px": round(box.height_px, 1),
                "still_seen": round(box.share, 3),
            } for box in figures.boxes if box.leaks
        ],
    }


def _identity(identity: Identity) -> dict[str, Any]:
    return {
        "software": identity.software, "code_sha256": identity.code_sha256, "libraries": identity.libraries,
        "models": [asdict(model) for model in identity.models], "settings": identity.settings, "key": identity.key,
    }
