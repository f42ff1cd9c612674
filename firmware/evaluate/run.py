"""Works through a labelled set, several clips at a time: output by the product, then the judge. Drops no clip silently.

Each clip ends judged, failed (and why), or not reached because a person stopped it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from firmware.config import Config
from firmware.errors import PartMissing, ScrubcamError
from firmware.evaluate.dataset import Dataset, LabelledClip
from firmware.evaluate.identity import Identity
from firmware.evaluate.judge import ClipFigures, judge
from firmware.evaluate.outputs import Output, given_output, make_output
from firmware.messages import Progress
from firmware.recorder.scrub_once import Stopped

State = Literal["judged", "failed", "not reached"]


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What became of one clip. `figures` and `output` are there when it was judged, `problem` when it failed."""

    clip: LabelledClip
    state: State
    figures: ClipFigures | None = None
    output: Output | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `given` is a folder of outputs that somebody else made; None: the product makes them in `outputs`."""

    dataset: Dataset
    cfg: Config
    identity: Identity
    outputs: Path
    jobs: int
    given: Path | None = None


OnClip = Callable[[ClipResult], None]
OnFrames = Callable[[str, int, int], None]
"""Name of a clip, frames that left the pipeline, frames expected (0: not known)."""


def run(plan: Plan, on_clip: OnClip, on_frames: OnFrames, stop: threading.Event) -> list[ClipResult]:
    """All clips of the set in order of their names. The callbacks are called from several threads, one at a time.

    Clips are taken in the order of a hash of their names, so that what is done when somebody stops it is a fair sample.
    Once `stop` is set, clips under way are given up and the others are not begun. Raises PartMissing: what is not
    installed is missing for every clip.
    """
    lock = threading.Lock()

    def work(clip: LabelledClip) -> ClipResult:
        def frames(progress: Progress) -> None:
            with lock:
                on_frames(clip.name, progress.frames_out, progress.total_frames)

        result = _one(plan, clip, frames, stop)
        with lock:
            on_clip(result)
        return result

    order = sorted(plan.dataset.clips, key=lambda clip: hashlib.sha256(clip.name.encode()).digest())
    with ThreadPoolExecutor(plan.jobs, thread_name_prefix="clip") as pool:
        results = list(pool.map(work, order))
    return sorted(results, key=lambda result: result.clip.name)


def _one(plan: Plan, clip: LabelledClip, on_progress: Callable[[Progress], None], stop: threading.Event) -> ClipResult:
    def go_on() -> None:
        if stop.is_set():
            raise Stopped("stopped before the end")

    try:
        go_on()
        if plan.given is not None:
            output = given_output(plan.given, clip.name)
        else:
            target = plan.outputs / clip.name
            output = make_output(plan.cfg, plan.identity.key, clip.path, target, on_progress, stop)
        return ClipResult(clip, "judged", judge(clip, output.path, go_on), output)
    except Stopped:
        return ClipResult(clip, "not reached")
    except PartMissing:
        stop.set()
        raise
    except ScrubcamError as error:
        return ClipResult(clip, "failed", problem=f"{error.code}: {error}")
    except Exception as error:  # one clip that nobody foresaw must not cost the figures of all the others
        return ClipResult(clip, "failed", problem=f"unexpected: {type(error).__name__}: {error}")
