"""Watches the disks for the loop: room left, a disk that does not answer, and where a recording can go on.

Never waits: it reads what the targets' own threads have seen and how long the writer's thread has been busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from firmware.config import Config
from firmware.recorder import machine_types as t
from firmware.recorder.chores import Chores
from firmware.recorder.conditions import hours_left, low, reserve
from firmware.recorder.effects import Effects
from firmware.recorder.reports import Room
from firmware.recorder.targets import choose, total_room
from firmware.vault.format import new_recording_id

STALLED_NS = 3 * t.SECOND // 2
"""A disk that hangs is told within 2 s."""
HUNG_NS = 20 * t.SECOND
HUNG_MOVE_NS = 2 * t.SECOND
"""So long a hanging disk is waited for when another one is ready."""
MOVE_ROOM_S = 60
"""A recording goes on on another disk only if that one holds so much more of it."""
CHECK_DISK = "check the disk and its cable"
ALERTS = ("disk-first", "disk-second")


class DiskWatch:
    """`room` is what the last `look` found."""

    def __init__(self, cfg: Config, chores: Chores, effects: Effects) -> None:
        self._cfg, self._chores, self._effects = cfg, chores, effects
        self.room = Room(0, 0.0, effects.rate.bytes_per_s)

    def look(self, now_ns: int, alerts: frozenset[str]) -> Iterator[t.MachineEvent]:
        """What the machine should know of the disks at this moment; `alerts` are those that are told already."""
        looks, rate, session = self._chores.looks(), self._effects.rate.bytes_per_s, self._effects.session
        free = sum(look.free_bytes or 0 for look in looks if not look.problem)
        self.room = Room(free, hours_left(looks, self._cfg.recorder.floor_bytes, rate), rate)
        stalled_ns = session.busy_ns(now_ns) if session else 0
        limit_ns = HUNG_MOVE_NS if session and self._other_target(session.folder) else HUNG_NS
        if session and stalled_ns > limit_ns:
            text = f"disk: no answer for {limit_ns // t.SECOND} s. Do: {CHECK_DISK}"
            yield self.with_next_id(t.WriterFault(session.recording_id, text))
        yield t.Alerted("disk-stalled", f"the disk does not answer. Do: {CHECK_DISK}", stalled_ns <= STALLED_NS)
        if any(look.free_bytes is not None for look in looks):
            scarce = low(self.room.hours, self._cfg.recorder.warn_hours, "disk-low" in alerts)
            yield t.Alerted("disk-low", f"{self.room.hours:.1f} h left at the present rate", not scarce)
        if len(looks) > 1:
            for code, look in zip(ALERTS, looks, strict=True):
                yield t.Alerted(code, look.problem, not look.problem)

    def missing_bytes(self) -> int:
        """What the disks lack of the reserve that a start needs."""
        cfg = self._cfg.recorder
        needed = reserve(cfg.reserve_bytes, cfg.reserve_hours, self._effects.rate.bytes_per_s)
        return max(0, round(needed) - total_room(self._chores.looks(), cfg.floor_bytes))

    def with_next_id(self, event: t.MachineEvent) -> t.MachineEvent:
        """Of a disk that fails or is full: remember it, and say as what the recording goes on if there is another."""
        session = self._effects.session
        if not isinstance(event, t.WriterFault | t.DiskLow) or not session:
            return event
        if event.recording_id != session.recording_id:
            return event
        if isinstance(event, t.WriterFault):
            self._chores.target_failed(session.folder, event.text)
        else:
            self._chores.target_low(session.folder)
        return replace(event, next_id=new_recording_id()) if self._other_target(session.folder) else event

    def _other_target(self, folder: str) -> str:
        """A folder where a recording can go on that cannot stay in `folder`."""
        floor_bytes = self._cfg.recorder.floor_bytes
        needed = round(MOVE_ROOM_S * self._effects.rate.bytes_per_s)
        ready = [look for look in self._chores.looks() if look.room(floor_bytes) > needed]
        return choose(ready, floor_bytes, needed, but=folder)
