"""What every clock does: time passes on both scales, and never backwards on the monotonic one."""

from __future__ import annotations

from hw.ports import Clock


class ClockContract:
    """A subclass gives `make()` and `wait(clock, seconds)`, which lets time pass."""

    port = "clock"

    def make(self) -> Clock:
        raise NotImplementedError

    def wait(self, clock: Clock, seconds: float) -> None:
        raise NotImplementedError

    def test_time_passes_on_both_scales(self) -> None:
        clock = self.make()
        monotonic, wall = clock.monotonic_ns(), clock.unix_s()
        self.wait(clock, 0.05)
        assert clock.monotonic_ns() - monotonic >= 49_000_000
        assert clock.unix_s() - wall >= 0.04

    def test_monotonic_time_never_goes_back(self) -> None:
        clock = self.make()
        seen = [clock.monotonic_ns() for _ in range(1000)]
        assert seen == sorted(seen)
