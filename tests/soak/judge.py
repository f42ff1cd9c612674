"""Stands where the encoder stands and judges each frame that leaves, from the rule alone and from its pixels."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from firmware.messages import Verdict
from firmware.pipeline.detect.types import Detections
from hw.ports import U8
from tests.fill_helpers import MID_GREY, NO_COLOUR
from tests.soak.world import HEIGHT, SECRETS, WIDTH, SimSource

HELD = 3
"""Frames an encoder keeps for a while."""


class Leak(AssertionError):
    """A promise was broken; the text says which."""


class Judge:
    """firmware.pipeline.output.Output for the frame path. Knows the detectors' answers by itself."""

    def __init__(self, source: SimSource, kinds: Sequence[str], bound_ns: int, came_out: Counter[str]) -> None:
        self._source, self._bound_ns, self._out = source, bound_ns, came_out
        self._believed: dict[str, list[int]] = {kind: [] for kind in kinds}
        self._certain: dict[str, list[int]] = {kind: [] for kind in kinds}
        self._held: deque[Callable[[], None]] = deque()
        self._last_ns: int | None = None
        self.paused: Callable[[], bool] = bool
        self.frames = self.blanked = 0

    def evidence(self, answer: Detections, counts: bool) -> None:
        """An answer was handed over. `counts` when it was honest, asked for, and not given up before."""
        if counts:
            self._certain[answer.kind].append(answer.pts_ns)
        if len(answer.regions) == 1:  # honest, but perhaps too late: it may count or not
            self._believed.setdefault(answer.kind, []).append(answer.pts_ns)

    def push(self, data: U8, verdict: Verdict, duration_ns: int, release: Callable[[], None]) -> None:
        if not self._source.entered or self._source.entered.popleft() != verdict.pts_ns:
            raise Leak(f"a frame left twice, out of order or under another time: {verdict}")
        if duration_ns <= 0 and self._source.entered:
            raise Leak(f"a frame without length: {verdict}")
        if verdict.kind not in ("clean", "masked", "blanked") or (verdict.kind == "blanked") != bool(verdict.reason):
            raise Leak(f"a frame without a verdict: {verdict}")
        stands = self._stands(self._believed, verdict.pts_ns)
        if verdict.kind == "blanked":
            self.blanked += 1
            if (data[: WIDTH * HEIGHT] != MID_GREY).any() or (data[WIDTH * HEIGHT :] != NO_COLOUR).any():
                raise Leak(f"a blanked frame shows something: {verdict}")
            if verdict.reason != "privacy-pause" and self._stands(self._certain, verdict.pts_ns):
                raise Leak(f"a frame was filled whole although evidence stood: {verdict}")
        else:
            if not stands:
                raise Leak(f"a frame left without evidence on both sides: {verdict}")
            if self.paused():
                raise Leak(f"a frame left unfilled during a privacy pause: {verdict}")
            if np.isin(data, list(SECRETS.values())).any():
                raise Leak(f"a frame shows what a detector had found: {verdict}")
            if verdict.kind == "clean" or verdict.regions < 1:
                raise Leak(f"a frame says that nothing was covered: {verdict}")
        self._out[verdict.reason or verdict.kind] += 1
        self._last_ns = verdict.pts_ns
        self.frames += 1
        self._held.append(release)
        if len(self._held) > HELD:
            self._held.popleft()()
        self._forget(verdict.pts_ns)

    def _stands(self, answers: dict[str, list[int]], pts_ns: int) -> bool:
        """The rule, word for word: each detector, at or before and at or after, both within the bound."""
        return bool(answers) and all(
            any(0 <= pts_ns - at <= self._bound_ns for at in times)
            and any(0 <= at - pts_ns <= self._bound_ns for at in times)
            for times in answers.values()
        )

    def _forget(self, pts_ns: int) -> None:
        if self.frames % 64 == 0:
            for answers in (self._believed, self._certain):
                for times in answers.values():
                    times[:] = [at for at in times if at >= pts_ns - 4 * self._bound_ns]

    def sound(self, chunks: Any) -> None:
        """There is none."""

    def mute_until(self, pts_ns: int) -> None:
        """There is no sound."""

    def collect(self) -> bool:
        return False

    def finish(self, *, muted: bool) -> None:
        while self._held:
            self._held.popleft()()
        if self._source.entered:
            raise Leak(f"{len(self._source.entered)} frames never left")
