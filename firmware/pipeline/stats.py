"""Counts and busy times of the frame path, and the memory of the process. Decides nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DECODING = ("multiqueue", "av:", "vp9", "dav1d", "qtdemux", "typefind", "queue", "v4l2src", "rtp", "rtsp", "udpsrc")
_ENCODING = ("src:src", "x264", "x265", "nvv4l2", "WorkerThread")


class Stats:
    """What Progress tells. `stage_s`: busy seconds by stage, waiting not counted."""

    def __init__(self) -> None:
        self.frames_in = self.frames_out = self.frames_dropped = self.frames_blanked = self.regions_masked = 0
        self.last_pts_ns = self.newest_ns = 0
        self._busy: dict[str, float] = {}

    def add(self, stage: str, started: float) -> float:
        """Counts the time since `started` (time.perf_counter) to `stage`; returns now, to start the next one."""
        now = time.perf_counter()
        self._busy[stage] = self._busy.get(stage, 0.0) + now - started
        return now

    def stages(self) -> dict[str, float]:
        """Wall seconds of this thread's stages, and CPU seconds of the native "decode", "encode" and other threads."""
        return {**{k: round(v, 4) for k, v in self._busy.items()}, **native_cpu_s()}


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def native_cpu_s() -> dict[str, float]:
    """CPU seconds of the threads that live now, by what their names tell: decode, encode, other."""
    found = {"cpu_decode": 0.0, "cpu_encode": 0.0, "cpu_other": 0.0}
    own = str(os.getpid())
    for task in Path("/proc/self/task").iterdir():
        try:
            stat = (task / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # ended meanwhile
        name, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        seconds = (int(fields[11]) + int(fields[12])) / _TICKS
        if task.name == own:
            found["cpu_main"] = seconds
        elif name.startswith(_ENCODING):
            found["cpu_encode"] += seconds
        elif name.startswith(_DECODING):
            found["cpu_decode"] += seconds
        else:
            found["cpu_other"] += seconds
    return found
