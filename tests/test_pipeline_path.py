"""The frame path with real parts, a frame at a time: what a privacy pause hides, and what it tells."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from firmware import config
from firmware.errors import PipelineDied
from firmware.messages import Alert, Configure, Fragment, Progress, StreamInfo
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import FramePool
from firmware.pipeline.grid import ConstantRate
from firmware.pipeline.lookout import Lookout
from firmware.pipeline.output import Output
from firmware.pipeline.path import STALE_NS, FramePath
from firmware.pipeline.spell import OVER_AFTER_FRAMES, Spell
from firmware.recorder.pause_guard import PauseGuard
from hw.ports import U8, FrameTime, StreamFormat
from hw.sim.scene import SceneSource
from tests.fill_helpers import KERNELS

MS = 1_000_000
S = 1_000_000_000
RATE = Fraction(10)
PERIOD_NS = int(S / RATE)
DELAY_NS = 500 * MS
FORMAT = StreamFormat(64, 64, RATE, live=True)
CONFIGURE = Configure(
    config.Source(uri="scene://?width=64&height=64&rate=10"), config.Encode(preset="ultrafast", rate="constant"),
    config.Sound(), config.Detect(), "",
)


class OddCamera(SceneSource):
    """It says that its pictures were taken `off_ns` later than they were."""

    off_ns = 0

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        taken = super().read(into, timeout_s)
        return taken and replace(taken, pts_ns=taken.pts_ns + self.off_ns)


class BlindCamera(SceneSource):
    """Its adapter does not say how bright or new its pictures are."""

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        taken = super().read(into, timeout_s)
        return taken and replace(taken, stats=None)


class Bench:
    """A frame path on a grid, and all that came out of it."""

    def __init__(self, camera: type[SceneSource] = OddCamera) -> None:
        self.sent: list[StreamInfo | Fragment] = []
        self.told: list[Alert | Progress] = []
        gate = EvidenceGate(["face"], DELAY_NS)
        lookout = Lookout([], gate, Planner(64, 64, DELAY_NS), live=True, delay_ns=DELAY_NS, hang_timeout_ns=10 * S,
                          alert=self.told.append)
        self.output = Output(FORMAT, CONFIGURE.encode, CONFIGURE.sound, [], RATE, self.sent.append)
        self.output.open()
        self.source = camera(CONFIGURE.source.uri)
        self.path = FramePath(
            CONFIGURE, self.source, FORMAT, DelayLine(gate, DELAY_NS, live=True), lookout,
            self.output, self.told.append, ConstantRate(RATE), KERNELS,
        )
        self._pool = FramePool(FORMAT, 8, KERNELS.allocate)

    def leaves(self, pts_ns: int) -> None:
        """A frame taken at `pts_ns` leaves the delay line with all evidence."""
        frame = self._pool.acquire(5.0)
        assert frame is not None
        frame.pts_ns, frame.duration_ns = pts_ns, PERIOD_NS
        self.path._scrub(frame, "")
        self.path._encode(frame)

    def fragments(self) -> list[Fragment]:
        self.output.finish(muted=False)
        return [sent for sent in self.sent if isinstance(sent, Fragment)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.output.close()


@pytest.mark.parametrize(("began", "taken"), [(1, 5.45), (3, 5.0)], ids=["moved", "repeated"])
def test_what_a_grid_shows_of_a_pause_is_filled(bench: Bench, began: int, taken: float) -> None:
    """A grid shows a frame up to half a period before it was taken, and again where one is missing."""
    guard = PauseGuard()
    now_ns = time.monotonic_ns()
    start_ns = now_ns - round(5.4 * PERIOD_NS)
    bench.leaves(start_ns)
    guard.paused_since(now_ns - began * PERIOD_NS)
    bench.path.pause(True)
    guard.resumed(time.monotonic_ns())
    bench.path.pause(False)
    bench.leaves(start_ns + round(taken * PERIOD_NS))
    bench.leaves(start_ns + 8 * PERIOD_NS)
    made = bench.fragments()
    assert sum(len(fragment.verdicts) for fragment in made) == 9
    assert all(guard.admits(fragment) for fragment in made)
    assert made[-1].verdicts[-1].kind == "clean", "the pause is over"


def test_a_camera_that_counts_nothing_of_its_pictures_is_refused() -> None:
    """Otherwise a black or frozen picture of it would never be noticed."""
    bench = Bench(BlindCamera)
    bench.source.open()
    try:
        with pytest.raises(PipelineDied, match="counts nothing"):
            bench.path.run(lambda: None)
    finally:
        bench.source.close()
        bench.output.close()


@pytest.mark.parametrize("off_ns", [-S // 2, 3600 * S], ids=["slow", "clock ahead"])
def test_a_camera_with_odd_times_is_recorded(bench: Bench, off_ns: int) -> None:
    """What was taken before the beginning is left out, but not for ever; what is yet to come is not waited for."""
    bench.source.off_ns = off_ns
    bench.source.open()
    began_ns = time.monotonic_ns()
    deadline_ns = began_ns + 20 * S

    def control() -> None:
        if bench.path.stats.frames_in >= 3 or time.monotonic_ns() > deadline_ns:
            bench.path.stop()
        assert time.monotonic_ns() < deadline_ns + 5 * S, "the delay line does not move"

    bench.path.run(control)
    bench.source.close()
    pictures = [sent for sent in bench.sent if isinstance(sent, Fragment)]
    assert sum(len(fragment.verdicts) for fragment in pictures) == 3
    assert began_ns - STALE_NS <= pictures[0].pts_ns < time.monotonic_ns()


def test_a_bad_spell_is_told_when_it_begins_and_when_it_is_over() -> None:
    spell = Spell("frames-lost", "It begins.", "It is over: {}.")
    badly = [0, 2, 0, 1, *[0] * (OVER_AFTER_FRAMES + 5), 1]
    told = [(at, news) for at, bad in enumerate(badly) if (news := spell.note(bad))]
    assert told == [
        (1, Alert("frames-lost", "It begins.")),
        (3 + OVER_AFTER_FRAMES, Alert("frames-lost", "It is over: 3.", True)),
        (len(badly) - 1, Alert("frames-lost", "It begins.")),
    ]


def test_no_core_dump_can_hold_a_frame(tmp_path: Path) -> None:
    """Neither as a file nor through a pipe, for which a limit of 0 does not count and 1 does."""
    code = (
        "import os, resource; from firmware.hardening import forbid_core_dumps; forbid_core_dumps();"
        "print(*resource.getrlimit(resource.RLIMIT_CORE), flush=True); os.abort()"
    )
    crashed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30,
                             env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}, check=False)
    assert crashed.returncode == -signal.SIGABRT
    assert crashed.stdout == ("0 0\n" if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else "1 1\n")
    assert list(tmp_path.iterdir()) == []
