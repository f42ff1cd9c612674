"""What every power adapter does: tells plain readings that can be, again and again, and raises nothing."""

from __future__ import annotations

from hw.ports import Power


class PowerContract:
    """A subclass gives `make()`."""

    port = "power"

    def make(self) -> Power:
        raise NotImplementedError

    def test_it_finds_at_least_one_temperature(self) -> None:
        assert self.make().read().zones

    def test_what_it_tells_can_be(self) -> None:
        readings = self.make().read()
        names = [zone.name for zone in readings.zones]
        assert len(set(names)) == len(names), "two zones of one name"
        for zone in readings.zones:
            assert zone.celsius is None or -60 <= zone.celsius <= 200
            if zone.throttle_c is not None and zone.critical_c is not None:
                assert 1 <= zone.throttle_c <= zone.critical_c <= 200
        for frequency in readings.frequencies:
            assert frequency.hz >= 0
            assert 0 < frequency.allowed_hz <= frequency.max_hz
        for rail in readings.rails:
            assert 0 <= rail.volts < 100
        assert all(count >= 0 for _, count in readings.over_current)
        assert not readings.lost, "it lost a sensor that it has just found"

    def test_the_same_sensors_each_time(self) -> None:
        power = self.make()
        first, second = power.read(), power.read()
        assert [zone.name for zone in first.zones] == [zone.name for zone in second.zones]
        assert [rail.name for rail in first.rails] == [rail.name for rail in second.rails]

    def test_it_waits_for_nothing_between_two_reads(self) -> None:
        power = self.make()
        power.read()
        assert power.busy_with == ""
