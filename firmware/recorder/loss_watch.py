"""Watches what a power cut would cost at this moment, and tells when that is more than is promised. No clock, no I/O.

Measured, not computed: from the newest picture that was taken to the last one that a sync has confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator

from firmware.config_rules import LOSS_BOUND_S
from firmware.messages import Progress, RecorderState
from firmware.recorder import machine_types as t
from firmware.recorder.session import Session

CODE = "loss-window"
CALM_NS = 10 * t.SECOND
"""The alert goes when all was well for so long: it would flicker on a machine at its limit."""
CATCH_UP_NS = 5 * t.SECOND
"""So long a recording's beginning may take to put its pre-roll on the disk."""
RECORDED: tuple[RecorderState, ...] = ("RECORDING", "PAUSED")
_LIMIT_NS = round(LOSS_BOUND_S * t.SECOND)


class LossWatch:
    """Of one recording after the other; `look` at each tick."""

    def __init__(self) -> None:
        self._recording_id = ""
        self._began_ns = self._bad_ns = 0
        self._told = self._caught_up = False

    def watch(
        self, now_ns: int, state: RecorderState, session: Session | None, progress: Progress | None,
    ) -> Iterator[t.Alerted]:
        """What there is to tell of the recorder as it is now."""
        told = self.look(now_ns, "", 0, 0) if session is None or progress is None or state not in RECORDED else \
            self.look(now_ns, session.recording_id, progress.newest_ns, session.durable_end_ns)
        if told is not None:
            yield told

    def look(self, now_ns: int, recording_id: str, newest_ns: int, durable_ns: int) -> t.Alerted | None:
        """The alert, or the end of it, when there is something to tell.

        `recording_id`: of the recording under way, "" for none. `newest_ns`: when the newest picture was taken, 0 where
        the source has no clock of its own (a file). `durable_ns`: when the newest picture ends that is on the disk, 0
        for none yet. All CLOCK_MONOTONIC.
        """
        if recording_id != self._recording_id:
            self._recording_id, self._began_ns, self._caught_up = recording_id, 0, False
        lost_ns = newest_ns - durable_ns if recording_id and newest_ns and durable_ns else 0
        if durable_ns and not self._began_ns:
            self._began_ns = now_ns
        if recording_id and durable_ns and (lost_ns <= _LIMIT_NS or now_ns - self._began_ns > CATCH_UP_NS):
            self._caught_up = True
        if self._caught_up and lost_ns > _LIMIT_NS:
            self._bad_ns = now_ns
            if not self._told:
                self._told = True
                return t.Alerted(CODE, f"a power cut now would cost {lost_ns / t.SECOND:.1f} s of picture, allowed is"
                                       f" {LOSS_BOUND_S:g} s. All before that is safe. Do: end other programs on this"
                                       " device, check its disk")
        elif self._told and now_ns - self._bad_ns > CALM_NS:
            self._told = False
            return t.Alerted(CODE, f"a power cut costs at most {LOSS_BOUND_S:g} s again", cleared=True)
        return None
