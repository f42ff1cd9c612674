"""What the recorder tells others: its state when it changes and each second while its bytes grow, its figures every few
seconds. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.config import Config
from firmware.messages import Health, PowerFigures, StateReport
from firmware.recorder.machine_types import MachineState
from firmware.recorder.pipeline_keeper import PipelineKeeper
from hw.ports import Clock

LONGEST_SILENCE_S = 5.0
BYTES_EVERY_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """Free bytes on all usable targets, and the hours that they last at the present rate."""

    free_bytes: int
    hours: float
    bytes_per_s: float


class Reporter:
    """Publishes StateReport on every change, of the byte count alone once a second, and Health at its interval."""

    def __init__(self, cfg: Config, clock: Clock, publish: Callable[[StateReport | Health], None]) -> None:
        self._cfg, self._clock, self._publish = cfg, clock, publish
        self._last: tuple[object, ...] = ()
        self._since = ("", 0.0)
        self._told_bytes = self._told_ns = self._health_ns = 0

    def state(self, state: MachineState, evident: bool, light: str, hours_left: float) -> None:
        """Publish when anything a person could see changed; of the hours left, a tenth."""
        hours = round(hours_left, 1)
        seen = (state.name, state.recording_id, state.fault, state.refusal, evident, light, state.consent.state,
                state.consent.case_id, state.moments, state.surgeon, hours)
        now = self._clock.monotonic_ns()
        grown = state.durable_bytes != self._told_bytes and now - self._told_ns >= BYTES_EVERY_NS
        if seen == self._last and not grown:
            return
        self._last, self._told_bytes, self._told_ns = seen, state.durable_bytes, now
        if state.name != self._since[0]:
            self._since = (state.name, self._clock.unix_s())
        self._publish(StateReport(
            state=state.name, since_unix_s=self._since[1], recording_id=state.recording_id, fault=state.fault,
            refusal=state.refusal, durable_bytes=state.durable_bytes, recording_evident=evident, light=light,
            consent=state.consent.state, case_id=state.consent.case_id, moments=sorted(state.moments),
            hours_left=hours, surgeon=state.surgeon,
        ))

    def health(
        self, state: MachineState, keeper: PipelineKeeper, room: Room, preroll_ns: int, power: PowerFigures | None,
    ) -> None:
        """Publish when the interval has passed. Never rarer than every 5 s: a silent recorder counts as gone."""
        now = self._clock.monotonic_ns()
        if now - self._health_ns < min(self._cfg.mqtt.health_interval_s, LONGEST_SILENCE_S) * 1e9:
            return
        self._health_ns = now
        progress = keeper.progress
        self._publish(Health(
            unix_s=self._clock.unix_s(), state=state.name, durable_bytes=state.durable_bytes,
            disk_free_bytes=room.free_bytes, hours_left=round(room.hours, 2), disk_bytes_per_s=round(room.bytes_per_s),
            frames_out=progress.frames_out if progress else 0,
            frames_dropped=progress.frames_dropped if progress else 0,
            frames_blanked=progress.frames_blanked if progress else 0,
            regions_masked=progress.regions_masked if progress else 0,
            preroll_s=round(preroll_ns / 1e9, 2), pipeline_restarts=max(0, keeper.starts - 1),
            pipeline_rss_bytes=progress.rss_bytes if progress else 0, power=power,
        ))
