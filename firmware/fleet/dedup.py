"""For readers of the events: turns "at least once, in order" into "once, in order". Pure; the rule of docs/mqtt.md."""

from __future__ import annotations

from collections import OrderedDict

from firmware.fleet.topics import FleetEvent


class Dedup:
    """The exactly-once view of one device's events.

    Remembers the ids of the last `memory` events; a device repeats at most what was in flight when its link broke
    (16), or its whole journal when its outbox was lost, so let `memory` cover the journal or keep ids in a database.
    """

    def __init__(self, memory: int = 100_000) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._memory = memory
        self.last_seq = 0
        """The highest `seq` so far; `event.seq - last_seq > 1` at an accepted event would be a lost one."""

    def accept(self, event: FleetEvent) -> bool:
        """True the first time this event is seen."""
        if event.id in self._seen:
            return False
        self._seen[event.id] = None
        if len(self._seen) > self._memory:
            self._seen.popitem(last=False)
        self.last_seq = max(self.last_seq, event.seq)
        return True
