"""What the port `Power` tells, as plain types: temperatures, throttling, clocks, rails and the supply. No judgement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Zone:
    """One temperature, in °C. `celsius` None: its part of the chip is switched off, so there is none.

    `throttle_c` is the lowest temperature at which the system slows itself down for this zone, `critical_c` the one at
    which it switches itself off; None where it has none.
    """

    name: str
    celsius: float | None
    throttle_c: float | None = None
    critical_c: float | None = None


@dataclass(frozen=True, slots=True)
class Frequency:
    """A clock, in Hz: as it runs now, the most that it may run at the moment, and the most that the part can do."""

    name: str
    hz: float
    allowed_hz: float
    max_hz: float


@dataclass(frozen=True, slots=True)
class Rail:
    """A measured supply rail. `alarm`: its monitor says that the current is above its critical limit."""

    name: str
    volts: float
    amperes: float
    alarm: bool = False

    @property
    def watts(self) -> float:
        return self.volts * self.amperes


@dataclass(frozen=True, slots=True)
class SensorFault:
    """A sensor that was there and cannot be read now, or reads what cannot be. `name` is the sensor's."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Readings:
    """One reading of everything that the board has. A part that it does not have is simply not in it.

    `throttling` names what slows the system down at this moment. `over_current` counts, since power-on, the events in
    which the supply was too weak, by name. `supply` is the rail that feeds the whole board, where one is measured.
    """

    zones: tuple[Zone, ...] = ()
    throttling: tuple[str, ...] = ()
    over_current: tuple[tuple[str, int], ...] = ()
    frequencies: tuple[Frequency, ...] = ()
    rails: tuple[Rail, ...] = ()
    supply: Rail | None = None
    lost: tuple[SensorFault, ...] = ()

    @property
    def supply_good(self) -> bool | None:
        """Do all monitored rails stay below their critical currents? None: none is monitored."""
        return not any(rail.alarm for rail in self.rails) if self.rails else None
