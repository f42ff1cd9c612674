"""The power adapter under its contract: over the simulator's tree, and with every bad manner of the parts."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.bench_file import SysfsBench
from hw.linux.sysfs_power import SysfsPower
from hw.readings import Rail, Readings, Zone
from hw.sim.power import SimSysfs, read_simulated
from tests.contract.power import PowerContract


class TestSysfsPower(PowerContract):
    adapter = "hw.linux.sysfs_power.SysfsPower"
    ran_on = "a folder with files like an Orin's sysfs (hw.sim.power), faults included"

    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path: Path) -> None:
        self.tree = SimSysfs(tmp_path / "sys")

    def make(self) -> SysfsPower:
        return SysfsPower(self.tree.root, read_simulated)

    def test_temperatures_with_the_trips_that_matter(self) -> None:
        """The trip that only starts the fan is none of them."""
        self.tree.heat("gpu-thermal", 71.5)
        zones = {zone.name: zone for zone in self.make().read().zones}
        assert zones["gpu-thermal"] == Zone("gpu-thermal", 71.5, 99.0, 104.5)
        assert zones["cv0-thermal"].celsius is None, "a part that sleeps has no temperature"

    def test_throttling_is_what_slows_down_and_not_the_fan(self) -> None:
        power = self.make()
        self.tree.throttle("pwm-fan", 3)
        self.tree.throttle("hot-surface-alert", 1)
        assert power.read().throttling == ()
        self.tree.throttle("gpu-throttle-alert", 1)
        assert power.read().throttling == ("gpu-throttle-alert",)

    def test_supply_and_over_current(self) -> None:
        power = self.make()
        assert power.read().supply_good is True
        self.tree.supply(18.9, 2.5, alarm=True)
        self.tree.over_current("oc3", 7)
        readings = power.read()
        assert readings.supply == Rail("VDD_IN", 18.9, 2.5, alarm=True)
        assert readings.supply.watts == pytest.approx(47.25)
        assert readings.supply_good is False
        assert dict(readings.over_current)["oc3"] == 7
        assert "NC" not in {rail.name for rail in readings.rails}

    def test_clocks(self) -> None:
        power = self.make()
        self.tree.limit_cpu(729e6)
        clocks = {one.name: one for one in power.read().frequencies}
        assert (clocks["policy0"].hz, clocks["policy0"].allowed_hz, clocks["policy0"].max_hz) == (729e6, 729e6, 1984e6)
        assert clocks["17000000.gpu"].hz == 306e6

    @pytest.mark.parametrize("name", ["gpu-thermal", "VDD_IN", "oc2", "cpu-throttle-alert"])
    def test_a_sensor_that_vanishes_is_named_until_it_is_back(self, name: str) -> None:
        power = self.make()
        power.read()
        self.tree.vanish(name)
        for _ in range(2):
            assert _lost(power.read()) == {name: os.strerror(errno.ENOENT)}
        self.tree.heal(name, 0)
        assert _lost(power.read()) == {}

    @pytest.mark.parametrize("text", ["", "-", "nan", "44500 mC", "4294967295", "-2740000"])
    def test_nonsense_is_named_and_is_no_temperature(self, text: str) -> None:
        power = self.make()
        power.read()
        self.tree.nonsense("cpu-thermal", text)
        readings = power.read()
        assert "cpu-thermal" in _lost(readings)
        assert {zone.celsius for zone in readings.zones if zone.name == "cpu-thermal"} == {None}

    def test_an_error_of_the_driver_is_named_and_a_sleeping_part_is_not(self) -> None:
        power = self.make()
        self.tree.fail("soc0-thermal", errno.EIO)
        assert _lost(power.read()) == {"soc0-thermal": os.strerror(errno.EIO)}
        self.tree.asleep("soc0-thermal")
        assert _lost(power.read()) == {}

    def test_who_waits_for_a_sensor_that_hangs_can_see_which(self) -> None:
        power = self.make()
        power.read()
        self.tree.hang("gpu-thermal")
        reader = threading.Thread(target=power.read, daemon=True)
        reader.start()
        deadline = time.monotonic() + 10
        while not power.busy_with.startswith("gpu-thermal"):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.tree.heal("gpu-thermal", 45_000)
        reader.join(10)
        assert not reader.is_alive()

    def test_a_machine_without_sensors_has_none(self, tmp_path: Path) -> None:
        assert SysfsPower(tmp_path / "nothing").read() == Readings()

    def test_a_second_zone_of_one_name_is_told_apart(self) -> None:
        (self.tree.root / "class/thermal/thermal_zone1/type").write_text("cpu-thermal\n")
        names = [zone.name for zone in self.make().read().zones]
        assert names[:2] == ["cpu-thermal", "cpu-thermal thermal_zone1"]

    def test_a_driver_loaded_again_under_another_number_is_the_same_sensor(self) -> None:
        power = self.make()
        power.read()
        (self.tree.root / "class/hwmon/hwmon3").rename(self.tree.root / "class/hwmon/hwmon5")
        readings = power.read()
        assert [rail.name for rail in readings.rails] == ["VDD_IN", "VDD_CPU_GPU_CV"]
        assert readings.lost == ()


@settings(max_examples=30)
@given(st.data())
def test_whatever_stands_in_any_file_nothing_is_raised_and_no_impossible_temperature_told(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = SimSysfs(Path(folder) / "sys")
        power = SysfsPower(tree.root, read_simulated)
        if data.draw(st.booleans()):
            power.read()
        files = sorted(path for path in tree.root.rglob("*") if path.is_file())
        for path in data.draw(st.lists(st.sampled_from(files), max_size=8, unique=True)):
            what = data.draw(st.one_of(st.binary(max_size=30), st.integers().map(lambda n: str(n).encode()),
                                       st.sampled_from(["gone", "folder"])))
            path.unlink()
            if isinstance(what, bytes):
                path.write_bytes(what)
            elif what == "folder":
                path.mkdir()
        readings = power.read()
        assert all(zone.celsius is None or -60 <= zone.celsius <= 200 for zone in readings.zones)
        assert all(one.max_hz > 0 for one in readings.frequencies)


class TestSysfsPowerOnBench(PowerContract):
    adapter = "hw.linux.sysfs_power.SysfsPower"
    bench = "power.sysfs"
    ran_on = "no hardware yet"

    @pytest.fixture(autouse=True)
    def _root(self, bench_table: SysfsBench) -> None:
        self.root = bench_table.root

    def make(self) -> SysfsPower:
        return SysfsPower(self.root)


def _lost(readings: Readings) -> dict[str, str]:
    return {fault.name: fault.problem for fault in readings.lost}
