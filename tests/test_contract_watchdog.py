"""The hardware watchdogs under their contract: simulated, and Linux's own interface over an emulated device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.errors import PartMissing
from hil.bench_file import WatchdogBench
from hw.linux.watchdog import LinuxWatchdog
from hw.ports import Watchdog
from hw.sim.watchdog import SimWatchdog, WatchdogDevice, WatchdogWire
from tests.contract.watchdog import TIMEOUT_S, WatchdogContract, WatchdogContractElsewhere


def until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class TestSimWatchdog(WatchdogContract):
    adapter = "hw.sim.watchdog.SimWatchdog"
    ran_on = "nothing: a simulated timer that outlives the recorder"

    @pytest.fixture(autouse=True)
    def _device(self, tmp_path: Path) -> Iterator[None]:
        self.now, self.resets = 0.0, 0
        self.device = WatchdogDevice(self._reset, clock=lambda: self.now)
        self.path = str(tmp_path / "watchdog.sock")
        wire = WatchdogWire(Path(self.path), self.device)
        yield
        wire.close()

    def _reset(self) -> None:
        self.resets += 1

    def make(self, timeout_s: int = TIMEOUT_S) -> SimWatchdog:
        return SimWatchdog(self.path, timeout_s)

    def test_not_fed_it_resets_the_machine_once(self) -> None:
        watchdog = self.make()
        self.now += TIMEOUT_S
        assert not self.device.look()
        watchdog.feed()
        self.now += TIMEOUT_S + 1
        assert self.device.look()
        assert self.device.look()
        assert self.resets == 1
        watchdog.close()

    def test_a_program_that_dies_leaves_it_running_and_the_next_one_can_take_it(self) -> None:
        self.make()._sock.close()
        until(lambda: not self.device.open_now)
        assert self.device.running
        self.now += 50
        watchdog = self.make()
        watchdog.feed()
        self.now += 100
        assert not self.device.look()
        self.now += 100
        assert self.device.look()
        watchdog.close()

    def test_stopped_in_order_it_resets_nothing_unless_nowayout(self) -> None:
        for nowayout in (False, True):
            self.device.nowayout = nowayout
            self.make().close()
            assert self.device.running == nowayout
        self.now += TIMEOUT_S + 1
        assert self.device.look()

    def test_a_timeout_that_it_cannot_do_is_refused_and_leaves_it_stopped(self) -> None:
        self.device.most_s = 60
        with pytest.raises(PartMissing, match="grants 60 s, 120 s are asked for"):
            self.make()
        until(lambda: not self.device.open_now)
        assert not self.device.running

    def test_absent_it_is_refused_by_name(self, tmp_path: Path) -> None:
        with pytest.raises(PartMissing, match="not there"):
            SimWatchdog(str(tmp_path / "other.sock"), TIMEOUT_S)


class TestLinuxWatchdog(WatchdogContractElsewhere):
    adapter = "hw.linux.watchdog.LinuxWatchdog"
    ran_on = "a /dev/watchdog0 emulated by umockdev, which cannot refuse a second open"
    bed, wrapper = "tests/watchdog_bed.py", ["umockdev-wrapper"]

    @pytest.mark.parametrize(("path", "words"), [
        ("/dev/watchdog9", "is not there"), ("/dev/null", "is no watchdog"), ("/dev", "does not open"),
    ])
    def test_what_is_no_watchdog_is_refused_by_name(self, path: str, words: str) -> None:
        with pytest.raises(PartMissing, match=words) as caught:
            LinuxWatchdog(path, TIMEOUT_S)
        assert caught.value.todo


class TestLinuxWatchdogOnBench(WatchdogContract):
    """Restarts the machine when a test is cut short: for a guest or a unit with nothing on it."""

    adapter = "hw.linux.watchdog.LinuxWatchdog"
    bench = "watchdog.linux"
    ran_on = "virtual bench (QEMU, Debian's 6.12 kernel): QEMU's i6300esb; no hardware yet"

    @pytest.fixture(autouse=True)
    def _table(self, bench_table: WatchdogBench) -> None:
        self.table = bench_table

    def make(self, timeout_s: int = TIMEOUT_S) -> Watchdog:
        return LinuxWatchdog(self.table.device, min(timeout_s, self.table.timeout_s))
