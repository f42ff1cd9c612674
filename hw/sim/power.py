"""A simulated board's temperatures and supply: a tree like an Orin NX's sysfs in a folder, driven from outside.

The recorder reads it through the same adapter as a real one (hw.linux.sysfs_power), with `read_simulated` below. Parts
have the vendor's bad manners: a file that vanishes, hangs, reads nonsense, fails with any error, or belongs to a part
that sleeps. The trip points are an Orin's order of magnitude, not a measurement.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hw.linux.sysfs import read_text

_ERROR = "error:"
_WIDTH = 40  # each file is written in place and padded: a reader never sees it empty or half written

_ZONES = ("cpu-thermal", "gpu-thermal", "cv0-thermal", "soc0-thermal", "tj-thermal")
_TRIPS = (("active", 51_000), ("passive", 99_000), ("critical", 104_500))
_COOLERS = ("pwm-fan", "cpu-throttle-alert", "gpu-throttle-alert", "hot-surface-alert")
_RAILS = (("VDD_IN", 19_800, 900), ("VDD_CPU_GPU_CV", 19_800, 350), ("NC", 0, 0))


def read_simulated(path: str) -> str:
    """As hw.linux.sysfs.read_text, of a file that may be told to fail: a link to "error:" and a number."""
    try:
        target = os.readlink(path)
    except OSError:
        return read_text(path)
    if target.startswith(_ERROR):
        number = int(target.removeprefix(_ERROR))
        raise OSError(number, os.strerror(number), path)
    return read_text(path)


class SimSysfs:
    """The tree below `root`, made when it is not there. Sensors go by the names that the readings give them."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._files: dict[str, Path] = {}
        made = (self.root / "class").exists()
        thermal, hwmon = self.root / "class/thermal", self.root / "class/hwmon"
        for number, name in enumerate(_ZONES):
            folder = thermal / f"thermal_zone{number}"
            self._files[name] = folder / "temp"
            if not made:
                _write(folder / "type", name)
                _write(folder / "temp", "45000")
                for trip, (kind, value) in enumerate(_TRIPS):
                    _write(folder / f"trip_point_{trip}_type", kind)
                    _write(folder / f"trip_point_{trip}_temp", str(value))
        for number, name in enumerate(_COOLERS):
            folder = thermal / f"cooling_device{number}"
            self._files[name] = folder / "cur_state"
            if not made:
                _write(folder / "type", name)
                _write(folder / "cur_state", "0")
        for number in (1, 2, 3):
            self._files[f"oc{number}"] = hwmon / "hwmon1" / f"oc{number}_event_cnt"
            name, millivolts, milliamperes = _RAILS[number - 1]
            self._files[name] = hwmon / "hwmon3" / f"curr{number}_input"
            if not made:
                _write(self._files[f"oc{number}"], "0")
                _write(hwmon / "hwmon3" / f"in{number}_label", name)
                _write(hwmon / "hwmon3" / f"in{number}_input", str(millivolts))
                _write(hwmon / "hwmon3" / f"curr{number}_input", str(milliamperes))
                _write(hwmon / "hwmon3" / f"curr{number}_crit_alarm", "0")
        if not made:
            for name, value in (("scaling_cur_freq", 1_984_000), ("scaling_max_freq", 1_984_000),
                                ("cpuinfo_max_freq", 1_984_000)):
                _write(self.root / "devices/system/cpu/cpufreq/policy0" / name, str(value))
            for name, value in (("cur_freq", 306_000_000), ("max_freq", 918_000_000)):
                _write(self.root / "class/devfreq/17000000.gpu" / name, str(value))
            self.asleep("cv0-thermal")

    def heat(self, zone: str, celsius: float) -> None:
        _write(self._files[zone], str(round(celsius * 1000)))

    def throttle(self, name: str, state: int = 1) -> None:
        """A cooling device: above 0 it slows the system down."""
        _write(self._files[name], str(state))

    def over_current(self, name: str, events: int) -> None:
        """The count of "oc1", "oc2" or "oc3"."""
        _write(self._files[name], str(events))

    def supply(self, volts: float, amperes: float, *, alarm: bool = False) -> None:
        current = self._files["VDD_IN"]
        _write(current.with_name("in1_input"), str(round(volts * 1000)))
        _write(current, str(round(amperes * 1000)))
        _write(current.with_name("curr1_crit_alarm"), str(int(alarm)))

    def limit_cpu(self, hz: float) -> None:
        """Hold the CPU's clock below `hz`, as cooling or a power mode does."""
        for name in ("scaling_cur_freq", "scaling_max_freq"):
            _write(self.root / "devices/system/cpu/cpufreq/policy0" / name, str(round(hz / 1000)))

    def vanish(self, name: str) -> None:
        self._files[name].unlink(missing_ok=True)

    def nonsense(self, name: str, text: str = "-") -> None:
        """What is no number at all, or one that cannot be."""
        _write(self._files[name], text)

    def asleep(self, name: str) -> None:
        """Its part of the chip is switched off."""
        self.fail(name, errno.EAGAIN)

    def fail(self, name: str, number: int = errno.EIO) -> None:
        """From now on reading it fails with this error."""
        self.vanish(name)
        self._files[name].symlink_to(f"{_ERROR}{number}")

    def hang(self, name: str) -> None:
        """From now on reading it never returns, until something else is told of it."""
        self.vanish(name)
        os.mkfifo(self._files[name])

    def heal(self, name: str, value: int) -> None:
        """A whole file again, which reads `value` (m°C, mA, a state, a count); who hangs in it is let go."""
        path = self._files[name]
        if path.is_fifo():
            try:
                handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                os.close(handle)
            except OSError:
                pass  # nobody hangs
        path.unlink(missing_ok=True)
        _write(path, str(value))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(handle, f"{text:<{_WIDTH}}\n".encode(), 0)
    finally:
        os.close(handle)
