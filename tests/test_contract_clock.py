"""The clocks under their contract; and what only the one that tests move by hand can show."""

from __future__ import annotations

import time

import pytest

from hw.sim.clock import SimClock, SystemClock
from tests.contract.clock import ClockContract


class TestSimClock(ClockContract):
    adapter = "hw.sim.clock.SimClock"
    ran_on = "nothing: time moved by hand"

    def make(self) -> SimClock:
        return SimClock()

    def wait(self, clock: SimClock, seconds: float) -> None:
        clock.advance(seconds)

    def test_a_wall_clock_that_is_set_back_changes_no_order(self) -> None:
        clock = self.make()
        before = clock.monotonic_ns()
        clock.set_wall(0.0)
        clock.advance(0.001)
        assert clock.monotonic_ns() > before
        assert clock.unix_s() == pytest.approx(0.001)
        with pytest.raises(ValueError, match="does not go back"):
            clock.advance(-1)


class TestSystemClock(ClockContract):
    adapter = "hw.sim.clock.SystemClock"
    ran_on = "the clock of the machine that runs the tests"

    def make(self) -> SystemClock:
        return SystemClock()

    def wait(self, clock: SystemClock, seconds: float) -> None:
        time.sleep(seconds)


class TestSystemClockOnBench(TestSystemClock):
    bench = "clock.system"
    ran_on = "virtual bench (QEMU, Debian's 6.12 kernel); no hardware yet"
