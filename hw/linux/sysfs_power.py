"""Power readings from sysfs, as any user: temperatures, throttling, clocks, rails, over-current events. No judgement.

Where they are, below the root; what the machine lacks is left out:

- `class/thermal/thermal_zone*`: `type`, `temp` (m°C), `trip_point_*`; `cooling_device*` beside it: `type`, `cur_state`
  (docs.kernel.org/driver-api/thermal/sysfs-api.html). L4T's `cpu-throttle-alert` and its kin have a state above 0 while
  they slow the chip down, `cpufreq-*` and `devfreq-*` while they hold a clock down; fans and `hot-surface-alert` slow
  nothing. A Jetson's zones of parts that are switched off (`cv0-thermal`) fail with EAGAIN: no fault, no temperature.
- `class/hwmon/hwmon*`: `oc*_event_cnt`, L4T's count of over-current and under-voltage throttling since power-on; the
  INA3221's `in[123]_label`, `in[123]_input` (mV), `curr[123]_input` (mA), `curr[123]_crit_alarm`
  (docs.kernel.org/hwmon/ina3221.html; NVIDIA's Jetson Linux Developer Guide, "Platform Power and Performance").
  `VDD_IN` feeds the whole module on Orin NX, `VIN` on Thor; AGX Orin measures no such rail.
- `devices/system/cpu/cpufreq/policy*` (kHz, docs.kernel.org/admin-guide/pm/cpufreq.html), `class/devfreq/*` (Hz).

Not tegrastats: it prints the same figures without trip points, in a text that changes between releases, from a child
that would have to be kept alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hw.linux.sysfs import Sysfs, read_text
from hw.readings import Frequency, Rail, Readings, SensorFault, Zone

SUPPLY_RAILS = ("VDD_IN", "VIN")
_POSSIBLE_C = (-60.0, 200.0)  # beyond it stands what drivers say of trip points and sensors that are none
_POSSIBLE_HZ = (0.0, 1e12)
_SLOWS = ("cpufreq-", "devfreq-", "thermal-cpufreq-", "thermal-devfreq-", "Processor")
_CLOCKS = (("devices/system/cpu/cpufreq", "policy", 1e3, ("scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq")),
           ("class/devfreq", "", 1.0, ("cur_freq", "max_freq", "max_freq")))


class SysfsPower:
    """hw.ports.Power over sysfs. What was there once is expected from then on: when it is missing, it is `lost`."""

    def __init__(self, root: str | Path = "/sys", read: Callable[[str], str] = read_text) -> None:
        self._sys = Sysfs(root, read)
        self._seen: set[Path] = set()
        self._zones: dict[str, Path] = {}
        self._limits: dict[str, tuple[float | None, float | None]] = {}
        self._slowing: dict[str, Path] = {}
        self._events: dict[str, Path] = {}
        self._rails: dict[str, Path] = {}

    @property
    def busy_with(self) -> str:
        return self._sys.busy_with

    def read(self) -> Readings:
        self._sys.lost = {}
        self._find()
        number = self._sys.number
        zones = tuple(Zone(name, number(path / "temp", name, scale=1e-3, possible=_POSSIBLE_C), *self._limits[name])
                      for name, path in self._zones.items())
        throttling = tuple(name for name, path in self._slowing.items() if (number(path / "cur_state", name) or 0) > 0)
        counts = [(name, number(path, name)) for name, path in self._events.items()]
        rails = tuple(rail for name, path in self._rails.items() if (rail := self._rail(name, path)))
        return Readings(
            zones, throttling, tuple((name, int(count)) for name, count in counts if count is not None),
            tuple(self._frequencies()), rails, next((rail for rail in rails if rail.name in SUPPLY_RAILS), None),
            tuple(SensorFault(name, problem) for name, problem in self._sys.lost.items()),
        )

    def _find(self) -> None:
        """Look for sensors that were not there before; a driver that was loaded again may have another number."""
        for path in self._new("class/thermal", "thermal_zone"):
            if (kind := self._sys.text(path / "type")) and (name := _keep(self._zones, kind, path)):
                self._limits[name] = self._trips(path)
        for path in self._new("class/thermal", "cooling_device"):
            cooler = self._sys.text(path / "type") or ""
            if cooler.startswith(_SLOWS) or cooler.endswith("-throttle-alert"):
                _keep(self._slowing, cooler, path)
        for path in self._new("class/hwmon", "hwmon"):
            for event in sorted(path.glob("oc*_event_cnt")):
                _keep(self._events, event.name.removesuffix("_event_cnt"), event)
            for label in sorted(path.glob("in[0-9]_label")):
                current = path / label.name.replace("in", "curr").replace("_label", "_input")
                rail = self._sys.text(label)
                if rail and rail != "NC" and current.exists():
                    _keep(self._rails, rail, current)

    def _new(self, folder: str, prefix: str) -> list[Path]:
        new = [path for path in self._sys.folders(folder, prefix) if path not in self._seen]
        self._seen.update(new)
        return new

    def _trips(self, zone: Path) -> tuple[float | None, float | None]:
        """The lowest temperature that throttles, and the one that switches off."""
        found: dict[str, list[float]] = {"passive": [], "hot": [], "critical": []}
        for path in sorted(zone.glob("trip_point_*_type")):
            kind = self._sys.text(path)
            celsius = self._sys.number(path.with_name(path.name.replace("_type", "_temp")), scale=1e-3,
                                       possible=(1.0, _POSSIBLE_C[1]))
            if kind in found and celsius is not None:
                found[kind].append(celsius)
        return min([*found["passive"], *found["hot"]], default=None), min(found["critical"], default=None)

    def _rail(self, name: str, current: Path) -> Rail | None:
        stem = current.name.removesuffix("_input")
        volts = self._sys.number(current.with_name(stem.replace("curr", "in") + "_input"), name, scale=1e-3)
        amperes = self._sys.number(current, name, scale=1e-3)
        alarm = self._sys.number(current.with_name(f"{stem}_crit_alarm")) == 1
        return None if volts is None or amperes is None else Rail(name, volts, amperes, alarm)

    def _frequencies(self) -> Iterator[Frequency]:
        for folder, prefix, scale, files in _CLOCKS:
            for path in self._sys.folders(folder, prefix):
                hz, allowed_hz, max_hz = (self._sys.number(path / name, scale=scale, possible=_POSSIBLE_HZ)
                                          for name in files)
                if hz is not None and allowed_hz and max_hz:
                    yield Frequency(path.name, hz, allowed_hz, max_hz)


def _keep(found: dict[str, Path], name: str, path: Path) -> str:
    """Remember where a sensor is, and as what: a second one of the same name gets its folder's name behind it."""
    if name in found and found[name].exists():
        name = f"{name} {path.name}"
    found[name] = path
    return name
