"""When the watchdogs are fed: by evidence that the recorder does its work, and in steps when it does not. Pure.

Evidence is bytes of the recording on the disk while one runs, and pictures while none does. Where neither can be,
because of something that only people can mend (a camera unplugged, a key missing), nothing can be healed, and that
counts too.

Without evidence for `PATIENCE_NS` (`RECORDING_PATIENCE_NS` in a recording) each step is taken once:

1. systemd is not fed: it restarts the recorder. What was recorded is closed by recovery.
2. Then still none: the hardware is not fed, systemd is: the machine is restarted.
3. Then still none: both are fed and an alert says that nothing helped. A machine that restarts for ever helps nobody.

The steps taken are kept over restarts (`tries`) and forgotten at the first evidence. So a machine that records is never
restarted on purpose: whoever has evidence begins again at step 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.recorder.machine_types import SECOND, MachineState

RECORDING_PATIENCE_NS = 30 * SECOND
PATIENCE_NS = 180 * SECOND
"""Longer than recovery may take, and than a pipeline's restarts."""
PICTURE_NS = 5 * SECOND
RECORDS = ("RECORDING", "PAUSED")
FOR_PEOPLE = ("key:", "config:", "part-missing:")
"""Faults by their first word that no restart mends."""
NOT_OUTSIDE = ("", "pipeline-died", "pause-broken", "error")
"""Why pictures stay away, where the pipeline itself is to blame. All other codes name something outside it."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Which watchdog is fed now; `tries` is how many steps were taken, this one included. `evident`: all is well."""

    systemd: bool
    hardware: bool
    tries: int
    evident: bool


class Evidence:
    """`look` at each tick. `tries`: as kept from before the start; `hardware`: is there one?"""

    def __init__(self, tries: int, *, hardware: bool) -> None:
        self._last = 3 if hardware else 2
        self._before = self._tries = min(tries, self._last)
        self._seen_ns = self._grew_ns = 0

    def look(self, now_ns: int, state: MachineState, picture_age_s: float | None, problem_code: str) -> Feed:
        """`picture_age_s` None: this pipeline has sent none; `problem_code`: why the last one ended, "" for nothing."""
        self._seen_ns = self._seen_ns or now_ns
        evident = self._evident(state, picture_age_s, problem_code)
        if evident:
            self._seen_ns, self._tries, self._before = now_ns, 0, 0
        patience_ns = RECORDING_PATIENCE_NS if state.name in RECORDS else PATIENCE_NS
        if now_ns - self._seen_ns <= patience_ns:
            return Feed(True, True, self._tries, evident)
        step = self._tries = min(self._before + 1, self._last)
        return Feed(step != 1, step == self._last or step != 2, step, False)

    @property
    def given_up(self) -> bool:
        """Every step was taken, and there is no evidence still."""
        return self._tries == self._last

    def _evident(self, state: MachineState, picture_age_s: float | None, problem_code: str) -> bool:
        if state.name in RECORDS:
            grew, self._grew_ns = state.durable_grew_ns > self._grew_ns, state.durable_grew_ns
            return grew
        if state.name == "FAULT":
            return state.fault.startswith(FOR_PEOPLE)
        if state.name != "READY":
            return state.name == "UPDATING"
        return (picture_age_s is not None and picture_age_s * SECOND < PICTURE_NS) or problem_code not in NOT_OUTSIDE
