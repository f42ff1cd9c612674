"""Lines of the audit log about the wall clock: where it has its time from, and each step of it."""

from __future__ import annotations

from collections.abc import Callable

from firmware.audit.clock_watch import ClockWatch
from firmware.recorder.machine_types import SECOND, Scalar
from firmware.recorder.wall_clock import wall_clock
from firmware.vault.format import ClockInfo
from hw.ports import Clock

_SOURCE_EVERY_NS = 60 * SECOND


class ClockNotes:
    """`look` is called by the recorder's loop at each tick; it waits for nothing."""

    def __init__(
        self, clock: Clock, note: Callable[[str, str, dict[str, Scalar]], None],
        source: Callable[[], ClockInfo] = wall_clock,
    ) -> None:
        self._clock, self._note, self._source = clock, note, source
        self._watch = ClockWatch()
        self._info: ClockInfo | None = None
        self._read_ns = 0

    def look(self, recording_id: str) -> None:
        """Note a step, and a source, a state or an offset from UTC that is not the one of before."""
        before_ns = self._clock.monotonic_ns()
        unix_s = self._clock.unix_s()
        now_ns = self._clock.monotonic_ns()
        step_s = self._watch.look(before_ns, unix_s, now_ns)
        if step_s:
            self._note("clock-step", recording_id, {"by_s": round(step_s, 3)})
        if step_s or self._info is None or now_ns - self._read_ns >= _SOURCE_EVERY_NS:
            self._read_ns, info = now_ns, self._source()
            if info != self._info:
                self._info = info
                self._note("clock", recording_id, {
                    "source": info.source, "synchronised": info.synchronised, "utc_offset_s": info.utc_offset_s,
                })
