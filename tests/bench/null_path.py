"""The frame path alone at full speed: raw frames from memory, replayed detections, the real gate, planner and fill, and
an encoder that only gives its frames back. Tells what the path itself can carry; records nothing."""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from firmware import config
from firmware.kernels.open import open_kernels
from firmware.messages import Configure, Verdict
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.detect.types import Detections, Region
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.lookout import Lookout
from firmware.pipeline.path import FramePath
from firmware.pipeline.picture import Layout, ingest
from firmware.pipeline.replay import DetectionLog
from firmware.pipeline.seats import take_seats
from hw.ports import U8, EndOfStream, FrameTime, Kernels, SoundChunk, StreamFormat
from hw.sim.scene import SceneSource

PICTURES = 8
"""Different pictures, shown in turn: more than the processor's caches hold."""
RATE = Fraction(60)
_NS = 1_000_000_000


class MemorySource:
    """A camera whose I420 pictures lie in memory already: what remains is the one copy into the pool."""

    def __init__(self, width: int, height: int, frames: int, kernels: Kernels) -> None:
        self._kernels = kernels
        self._format = StreamFormat(width, height, RATE, live=False, total_frames=frames)
        self._layout = Layout(
            "I420", width, height, (0, width * height, width * height * 5 // 4), (width, width // 2, width // 2)
        )
        self._pictures = [self._picture(index) for index in range(PICTURES)]
        self._next = 0

    def _picture(self, index: int) -> U8:
        """One frame of the staged operation, as planes."""
        fmt = self._format
        scene = SceneSource(f"scene://?width={fmt.width}&height={fmt.height}&rate=2&seconds=8&paced=0&sound=0")
        scene.open()
        nv12 = np.empty(fmt.frame_bytes, np.uint8)
        for _ in range(index + 1):
            scene.read(nv12, 5.0)
        scene.close()
        size = fmt.width * fmt.height
        chroma = nv12[size:].reshape(-1, 2)
        return np.concatenate([nv12[:size], chroma[:, 0], chroma[:, 1]])

    def open(self) -> StreamFormat:
        return self._format

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        if self._next == self._format.total_frames:
            raise EndOfStream
        ingest(self._kernels, self._pictures[self._next % PICTURES], self._layout, into)
        pts_ns = int(self._next * _NS / RATE)
        self._next += 1
        return FrameTime(pts_ns, int(_NS / RATE))

    def read_sound(self) -> Sequence[SoundChunk]:
        return ()

    def close(self) -> None: ...


class NullOutput:
    """Takes scrubbed frames and gives each back at once."""

    def __init__(self) -> None:
        self.frames = 0
        self.blanked = 0

    def push(self, data: U8, verdict: Verdict, duration_ns: int, release: Callable[[], None]) -> None:
        self.frames += 1
        self.blanked += verdict.kind == "blanked"
        release()

    def collect(self) -> bool:
        return False

    def sound(self, chunks: Sequence[SoundChunk]) -> None: ...

    def finish(self, *, muted: bool) -> None: ...


def write_detections(path: str, kinds: Sequence[str], width: int, height: int, frames: int) -> None:
    """Two heads and six labels on their way through the picture, one of them turning: for every frame."""
    log = DetectionLog(path)
    for number in range(frames):
        pts_ns, at = int(number * _NS / RATE), number / float(RATE)
        unit = height / 1080
        heads = tuple(
            Region("face", (300 + 700 * n + 80 * math.sin(at + n)) * unit, (200 + 60 * math.cos(at)) * unit,
                   220 * unit, 300 * unit)
            for n in range(2)
        )  # fmt: skip
        labels = tuple(
            Region("text", (100 + 280 * n) * unit, (900 - 20 * n) * unit, 240 * unit, 36 * unit,
                   15 * math.sin(at) if n == 0 else 0.0)
            for n in range(6)
        )  # fmt: skip
        for kind in kinds:
            regions = heads if kind == "face" else labels if kind == "text" else ()
            log.write(Detections(kind, pts_ns, regions))  # type: ignore[arg-type]
    log.close()


def run(width: int, height: int, frames: int) -> dict[str, Any]:
    """Frames per second of wall time, processor time a frame, frames filled whole, busy seconds by stage."""
    kernels = open_kernels(config.Kernels())
    source = MemorySource(width, height, frames, kernels)
    fmt = source.open()
    delay_ns = round(config.Detect().delay_s * _NS)
    with tempfile.NamedTemporaryFile(suffix=".detections") as replay:
        configure = Configure(config.Source(), config.Encode(), config.Sound(), config.Detect(), "",
                              replay_detections=replay.name)
        write_detections(replay.name, ("face", "text", "code"), width, height, frames)
        seats = take_seats(configure, fmt)
    gate = EvidenceGate([seat.kind for seat in seats], delay_ns)
    lookout = Lookout(seats, gate, Planner(width, height, delay_ns), live=False, delay_ns=delay_ns,
                      hang_timeout_ns=10 * _NS, alert=lambda _alert: None)
    output = NullOutput()
    path = FramePath(configure, source, fmt, DelayLine(gate, delay_ns, live=False), lookout,
                     output, lambda _message: None, None, kernels)  # type: ignore[arg-type]
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    path.run(lambda: None)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The processor time of native threads would count the drawing of the pictures too.
    stages = {stage: busy for stage, busy in path.stats.stages().items() if not stage.startswith("cpu_")}
    return {
        "fps": output.frames / seconds, "cpu_ms_a_frame": 1e3 * cpu_s / frames, "frames": output.frames,
        "blanked": output.blanked, "peak_rss_bytes": after.ru_maxrss * 1024, "stage_s": stages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=3840)
    parser.add_argument("--height", type=int, default=2160)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--stats", type=Path)
    asked = parser.parse_args()
    told = json.dumps(run(asked.width, asked.height, asked.frames), indent=1)
    if asked.stats is not None:
        asked.stats.write_text(told, encoding="utf-8")
    else:
        print(told)


if __name__ == "__main__":
    main()
