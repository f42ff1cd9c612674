"""Judges the power readings: warns before frames drop, names the sensor, says what to do. No clock, no I/O.

Two things drop frames: heat, for which the system slows itself down at a zone's trip point, and a supply that is too
weak, for which it does so at once. So a zone is told when it is near its trip point, or on its way there; that the
system was slowed down is told at any time. At a zone's last trip point it switches itself off: close to it nothing is
begun.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from firmware.recorder.machine_types import SECOND, Alerted
from hw.readings import Readings, Zone

HYSTERESIS_C = 3.0
"""A zone that was told is well again when it is so much cooler than what it was told for."""
RISE_WINDOW_NS = 60 * SECOND
RISE_KNOWN_NS = 20 * SECOND
"""How fast a zone heats is judged over the window, once it has been watched for so long."""
RISE_NEAR_C = 20.0
"""Only within so much of the trip point: each device heats up after it was switched on."""
CALM_NS = 15 * SECOND
"""An alert about heat, throttling or supply goes when all was well for so long."""
SILENT_NS = 10 * SECOND
"""Sensors that are being read for so long hang."""


@dataclass(frozen=True, slots=True)
class Limits:
    """As in [power] of the configuration."""

    warn_margin_c: float = 8.0
    warn_ahead_s: float = 120.0
    refuse_margin_c: float = 3.0
    expected_zones: tuple[str, ...] = ()


class PowerWatch:
    """`refusal` says why nothing may be begun now; "" when it may."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._history: dict[str, deque[tuple[int, float]]] = {}
        self._told: set[str] = set()
        self._bad_ns: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._critical: dict[str, str] = {}

    @property
    def refusal(self) -> str:
        return next(iter(self._critical.values()), "")

    def look(self, now_ns: int, readings: Readings) -> Iterator[Alerted]:
        """What there is to tell after a new reading: alerts that begin and end."""
        for zone in readings.zones:
            yield from self._zone(now_ns, zone)
        yield from self._lasting(now_ns, "throttled", _throttled(readings))
        yield from self._lasting(now_ns, "over-current", self._over_current(readings))
        yield from self._lasting(now_ns, "supply", _supply(readings))
        yield from self._sensors(readings)

    def waited(self, waited_ns: int, busy_with: str) -> Iterator[Alerted]:
        """The reading under way has taken so long: a sensor that hangs takes the others with it, and what was read
        before says nothing of now."""
        if waited_ns > SILENT_NS:
            self._critical.clear()
        problem = (f"the sensors do not answer: {busy_with or 'one of them'} hangs, and neither heat nor supply is"
                   " watched. Do: restart the unit when nothing is recorded")
        yield from self._alert("sensors-hang", problem if waited_ns > SILENT_NS else "")

    def _zone(self, now_ns: int, zone: Zone) -> Iterator[Alerted]:
        limit_c = zone.critical_c if zone.throttle_c is None else zone.throttle_c
        if zone.celsius is None or limit_c is None:
            self._history.pop(zone.name, None)
            self._critical.pop(zone.name, None)
            yield from self._alert(_code("temperature", zone.name), "")
            return
        code, celsius = _code("temperature", zone.name), zone.celsius
        spare_c = self._limits.warn_margin_c + (HYSTERESIS_C if code in self._told else 0.0)
        left_s = self._seconds_left(now_ns, zone.name, celsius, limit_c)
        text = ""
        if celsius >= limit_c - spare_c:
            text = f"{zone.name} is at {celsius:.0f} °C"
        elif left_s is not None and left_s <= self._limits.warn_ahead_s and celsius >= limit_c - RISE_NEAR_C:
            text = f"{zone.name} is at {celsius:.0f} °C and rises"
        if text:
            text += f"; at {limit_c:g} °C the unit slows down and frames are lost. Do: clear its vents, check its fan"
        yield from self._lasting(now_ns, code, text)
        self._judge_critical(zone.name, celsius, zone.critical_c)

    def _judge_critical(self, name: str, celsius: float, critical_c: float | None) -> None:
        spare_c = self._limits.refuse_margin_c + (HYSTERESIS_C if name in self._critical else 0.0)
        if critical_c is not None and celsius >= critical_c - spare_c:
            self._critical[name] = f"{name} is at {celsius:.0f} °C, at {critical_c:g} °C the unit switches itself off"
        else:
            self._critical.pop(name, None)

    def _seconds_left(self, now_ns: int, name: str, celsius: float, limit_c: float) -> float | None:
        """Until the limit is reached if it goes on like this; None when it does not rise or is not known yet."""
        history = self._history.setdefault(name, deque())
        history.append((now_ns, celsius))
        while now_ns - history[0][0] > RISE_WINDOW_NS:
            history.popleft()
        since_ns, before_c = history[0]
        if now_ns - since_ns < RISE_KNOWN_NS or celsius <= before_c:
            return None
        return (limit_c - celsius) * (now_ns - since_ns) / SECOND / (celsius - before_c)

    def _over_current(self, readings: Readings) -> str:
        """Empty when no count has grown since the reading before."""
        grown = [name for name, count in readings.over_current if count > self._counts.get(name, count)]
        self._counts.update(readings.over_current)
        if not grown:
            return ""
        return (f"the supply was too weak ({', '.join(grown)}), so the unit slowed down and frames may be lost. Do:"
                " check the power supply and its cable")

    def _sensors(self, readings: Readings) -> Iterator[Alerted]:
        lost = {fault.name: fault.problem for fault in readings.lost}
        found = {zone.name for zone in readings.zones}
        lost.update({name: "was not found" for name in self._limits.expected_zones if name not in found})
        codes = {_code("sensor", name): f"the sensor {name} cannot be read ({problem}): it is not watched. Do: have"
                 " the unit serviced" for name, problem in lost.items()}
        if not readings.zones:
            codes["sensors-none"] = ("no temperature sensor was found. Do: check the kernel's thermal drivers, or set"
                                     ' power.sensors = "off"')
        known = {code for code in self._told if code.startswith("sensor-") or code == "sensors-none"}
        for code in sorted(known | set(codes)):
            yield from self._alert(code, codes.get(code, ""))

    def _lasting(self, now_ns: int, code: str, problem: str) -> Iterator[Alerted]:
        """An alert that goes only after it was calm for a while."""
        if problem:
            self._bad_ns[code] = now_ns
        if problem or now_ns - self._bad_ns.get(code, now_ns) > CALM_NS:
            yield from self._alert(code, problem)

    def _alert(self, code: str, problem: str) -> Iterator[Alerted]:
        if bool(problem) == (code in self._told):
            return
        (self._told.add if problem else self._told.discard)(code)
        yield Alerted(code, problem, cleared=not problem)


def _throttled(readings: Readings) -> str:
    if not readings.throttling:
        return ""
    return (f"the unit is slowed down by {', '.join(readings.throttling)}: frames may be lost. Do: clear its vents,"
            " check its fan, cool the room")


def _supply(readings: Readings) -> str:
    rails = [f"{rail.name} draws {rail.amperes:.1f} A at {rail.volts:.1f} V" for rail in readings.rails if rail.alarm]
    return f"the supply is overloaded: {', '.join(rails)}. Do: check the power supply and its cable" if rails else ""


def _code(kind: str, name: str) -> str:
    return f"{kind}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:40]}"
