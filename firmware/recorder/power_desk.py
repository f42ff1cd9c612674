"""Reads the power port on a thread of its own, and gives the loop what there is to tell. It judges nothing itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from firmware.config import Power as PowerConfig
from firmware.messages import PowerFigures
from firmware.recorder.machine_types import SECOND, Alerted
from firmware.recorder.power_watch import SILENT_NS, Limits, PowerWatch
from hw.ports import Clock, Power
from hw.readings import Readings


class PowerDesk:
    """`look` and `figures` are the loop's; they wait for nothing. Without a port there is nothing to tell."""

    def __init__(self, cfg: PowerConfig, power: Power | None, clock: Clock) -> None:
        self._power, self._clock = power, clock
        self._watch = PowerWatch(Limits(
            cfg.warn_margin_c, cfg.warn_ahead_s, cfg.refuse_margin_c, tuple(cfg.expected_zones),
        ))
        self._every_ns = round(cfg.interval_s * SECOND)
        self._readings: Readings | None = None
        self._looked_at: Readings | None = None
        self._began_ns = 0
        self._stop = threading.Event()
        if power is not None:
            self._began_ns = clock.monotonic_ns()
            threading.Thread(target=self._read, args=(power,), name="power", daemon=True).start()

    def close(self) -> None:
        """The thread ends by itself; one that hangs in a sensor dies with the process."""
        self._stop.set()

    @property
    def refusal(self) -> str:
        """Why nothing may be begun now; "" when it may."""
        return self._watch.refusal

    def look(self, now_ns: int) -> Iterator[Alerted]:
        """The alerts that begin and end with what was read since the last look."""
        if self._power is None:
            return
        began_ns, readings = self._began_ns, self._readings
        if began_ns or readings is not None:
            yield from self._watch.waited(now_ns - began_ns if began_ns else 0, self._power.busy_with)
        if readings is not None and readings is not self._looked_at:
            self._looked_at = readings
            yield from self._watch.look(now_ns, readings)

    def figures(self) -> PowerFigures | None:
        """The last reading, for the health message; None when there is none, or it is old because a sensor hangs."""
        readings, began_ns = self._readings, self._began_ns
        if readings is None or (began_ns and self._clock.monotonic_ns() - began_ns > SILENT_NS):
            return None
        supply = readings.supply
        return PowerFigures(
            temperatures_c={zone.name: round(zone.celsius, 1) for zone in readings.zones if zone.celsius is not None},
            throttling=list(readings.throttling), over_current=dict(readings.over_current),
            clocks_hz={one.name: round(one.hz) for one in readings.frequencies},
            supply_v=round(supply.volts, 2) if supply else None,
            supply_w=round(supply.watts, 1) if supply else None, supply_good=readings.supply_good,
        )

    def _read(self, power: Power) -> None:
        while True:
            self._began_ns = self._clock.monotonic_ns()
            self._readings = power.read()
            self._began_ns = 0
            if self._stop.wait(self._every_ns / SECOND):
                return
