"""Recorded detections: written next to a run, and played back as a detector. For benchmarks only, and said so.

A file of JSON lines, one `Detections` each. It holds boxes and times, no pixel.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from firmware.errors import MediaUnreadable
from firmware.pipeline.detect.types import Detections, DetectorFailure, DetectorKind, Region
from hw.ports import U8


class DetectionLog:
    """Appends detections to a file."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="ascii")  # noqa: SIM115  (closed by close)

    def write(self, found: Detections) -> None:
        boxes = [[r.x, r.y, r.w, r.h, r.angle_deg, r.score] for r in found.regions]
        self._file.write(json.dumps({"kind": found.kind, "pts_ns": found.pts_ns, "regions": boxes}) + "\n")

    def close(self) -> None:
        self._file.close()


def load_detections(path: str) -> dict[tuple[str, int], Detections]:
    """All detections of a file by (kind, pts_ns). Raises MediaUnreadable."""
    found: dict[tuple[str, int], Detections] = {}
    try:
        with open(path, encoding="ascii") as lines:
            for line in lines:
                row = json.loads(line)
                kind: DetectorKind = row["kind"]
                regions = tuple(
                    Region(kind, x, y, w, h, angle, score) for x, y, w, h, angle, score in row["regions"]
                )
                found[kind, row["pts_ns"]] = Detections(kind, row["pts_ns"], regions)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MediaUnreadable(f"The recorded detections {path} cannot be read: {error}",
                              todo="record them again with the same source and settings") from None
    return found


class ReplayWorker:
    """A worker that answers at once with what was recorded for the frame; a frame that is not there is a failure."""

    alive = True
    idle = True
    busy_since_ns = 0

    def __init__(self, kind: DetectorKind, recorded: dict[tuple[str, int], Detections]) -> None:
        self._kind, self._recorded = kind, recorded
        self._answers: list[Detections | DetectorFailure] = []

    @staticmethod
    def prepare(y: U8, uv: U8) -> None:
        """Nothing is looked at."""

    def submit(self, pts_ns: int, prepared: Any) -> bool:
        answer = self._recorded.get((self._kind, pts_ns))
        self._answers.append(
            answer or DetectorFailure(self._kind, pts_ns, "detector-failed", "no detection was recorded for it")
        )
        return True

    def poll(self) -> Sequence[Detections | DetectorFailure]:
        answers, self._answers = self._answers, []
        return answers

    def wait(self, timeout_s: float) -> bool:
        if not self._answers:
            time.sleep(timeout_s)
        return bool(self._answers)

    def close(self, timeout_s: float = 0.0) -> None:
        """Nothing to release."""
