"""The judgement of the power readings: told before frames drop, once, by name; well again only with some distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.recorder.machine_types import SECOND, Alerted
from firmware.recorder.power_watch import (
    CALM_NS,
    HYSTERESIS_C,
    RISE_KNOWN_NS,
    SILENT_NS,
    Limits,
    PowerWatch,
)
from hw.readings import Rail, Readings, SensorFault, Zone

LIMITS = Limits()
STEP_NS = 2 * SECOND
celsius = st.floats(20, 110, allow_nan=False)


def at(*temperatures: float | None, name: str = "cpu-thermal", **more: object) -> list[Readings]:
    """One reading after the other, two seconds apart, of a zone that throttles at 99 °C and switches off at 104.5."""
    return [Readings(zones=(Zone(name, one, 99.0, 104.5),), **more) for one in temperatures]  # type: ignore[arg-type]


def told(readings: Sequence[Readings], watch: PowerWatch | None = None, start_ns: int = SECOND) -> list[Alerted]:
    watch = watch or PowerWatch(LIMITS)
    return [alert for n, one in enumerate(readings) for alert in watch.look(start_ns + n * STEP_NS, one)]


def test_near_the_trip_point_is_told_with_the_zone_and_what_to_do() -> None:
    (alert,) = told(at(60, 60, 92))
    assert alert.code == "temperature-cpu-thermal"
    assert "cpu-thermal is at 92 °C" in alert.text
    assert "at 99 °C the unit slows down" in alert.text
    assert "Do: " in alert.text


def test_a_zone_on_its_way_there_is_told_before_it_is_near() -> None:
    rising = [80.0 + 0.1 * n for n in range(60)]  # 0.05 °C a second: at 85 °C it has 280 s, at 93 °C it would be near
    alerts = told(at(*rising))
    assert not alerts
    (alert,) = told(at(*[80.0 + 0.4 * n for n in range(20)]))  # 0.2 °C a second: at 84 °C it has 75 s
    assert "and rises" in alert.text
    told_at = next(n for n in range(20) if told(at(*[80.0 + 0.4 * m for m in range(n + 1)])))
    assert told_at * STEP_NS >= RISE_KNOWN_NS
    assert 80.0 + 0.4 * told_at < 99 - LIMITS.warn_margin_c


def test_a_unit_that_warms_up_after_it_was_switched_on_is_no_alert() -> None:
    assert not told(at(*[min(25.0 + 1.5 * n, 70.0) for n in range(120)]))


@given(st.lists(celsius, min_size=1, max_size=80))
def test_alerts_come_and_go_in_turns_and_never_flap(temperatures: list[float]) -> None:
    """Between "told" and "well again" lie at least as many degrees as the hysteresis has."""
    watch, now, last_told_c = PowerWatch(LIMITS), SECOND, None
    state = False
    for n, one in enumerate(temperatures):
        now += STEP_NS
        for alert in watch.look(now, at(one)[0]):
            assert alert.cleared == state, "the same word twice"
            state = not state
            if alert.cleared:
                assert one < 99 - LIMITS.warn_margin_c - HYSTERESIS_C
            last_told_c = one
        near = one >= 99 - LIMITS.warn_margin_c
        assert state or not near, f"{one} °C is near and not told (reading {n}, last word at {last_told_c})"


@given(st.lists(celsius, min_size=1, max_size=60))
def test_a_start_is_refused_exactly_near_the_switch_off(temperatures: list[float]) -> None:
    watch, refused = PowerWatch(LIMITS), False
    for n, one in enumerate(temperatures):
        list(watch.look(SECOND + n * STEP_NS, at(one)[0]))
        edge = 104.5 - LIMITS.refuse_margin_c
        refused = one >= edge or (refused and one >= edge - HYSTERESIS_C)
        assert bool(watch.refusal) == refused
        if refused:
            assert "cpu-thermal" in watch.refusal
            assert "switches itself off" in watch.refusal


def test_throttling_is_told_at_once_and_goes_after_a_calm() -> None:
    hot = replace(at(60)[0], throttling=("gpu-throttle-alert",))
    watch = PowerWatch(LIMITS)
    (alert,) = told([hot, at(60)[0], hot], watch)
    assert alert.code == "throttled"
    assert "gpu-throttle-alert" in alert.text
    calm = at(*[60.0] * 20)
    (gone,) = told(calm, watch, SECOND + 3 * STEP_NS)
    assert gone == Alerted("throttled", cleared=True)
    assert not told(calm[: CALM_NS // STEP_NS], PowerWatch(LIMITS))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_over_current_is_what_is_added_not_what_there_was(counts: list[int]) -> None:
    """Events of before the start, and a count that begins again, are none."""
    watch, before, active = PowerWatch(LIMITS), counts[0], False
    for n, count in enumerate(counts):
        alerts = list(watch.look(n * 60 * SECOND + SECOND, replace(at(60)[0], over_current=(("oc1", count),))))
        assert [alert.cleared for alert in alerts if alert.code == "over-current"] == (
            [not count > before] if (count > before) != active else []
        )
        active, before = count > before, count


def test_an_overloaded_supply_is_told_with_its_rail() -> None:
    rail = Rail("VDD_IN", 18.2, 4.1, alarm=True)
    (alert,) = told([replace(at(60)[0], rails=(rail,), supply=rail)])
    assert alert.code == "supply"
    assert "VDD_IN draws 4.1 A at 18.2 V" in alert.text


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_sensor_that_is_lost_is_named_once_and_so_is_its_return(lost: list[bool]) -> None:
    fault = (SensorFault("gpu-thermal", "No such device"),)
    alerts = told([replace(at(60)[0], lost=fault if one else ()) for one in lost])
    changes = [now for before, now in zip([False, *lost], lost, strict=False) if before != now]
    assert [not alert.cleared for alert in alerts] == changes
    assert {alert.code for alert in alerts} <= {"sensor-gpu-thermal"}
    assert all("No such device" in alert.text for alert in alerts if not alert.cleared)


def test_a_zone_that_is_expected_and_none_at_all_are_told() -> None:
    watch = PowerWatch(replace(LIMITS, expected_zones=("cpu-thermal", "tj-thermal")))
    (alert,) = told(at(50, 50), watch)
    assert (alert.code, "tj-thermal cannot be read (was not found)" in alert.text) == ("sensor-tj-thermal", True)
    (none,) = told([Readings(), Readings()])
    assert none.code == "sensors-none"


def test_a_zone_that_falls_asleep_is_no_longer_hot() -> None:
    first, last = told(at(97, None))
    assert (first.cleared, last.cleared) == (False, True)
    assert not told(at(97, None, 60))[2:]


def test_sensors_that_hang_are_told_with_what_hangs() -> None:
    watch = PowerWatch(LIMITS)
    assert not list(watch.waited(SILENT_NS, "gpu-thermal"))
    (alert,) = watch.waited(SILENT_NS + 1, "gpu-thermal (/sys/class/thermal/thermal_zone1/temp)")
    assert alert.code == "sensors-hang"
    assert "gpu-thermal (/sys" in alert.text
    (back,) = watch.waited(0, "")
    assert back.cleared


def test_a_reading_that_is_too_old_refuses_no_start() -> None:
    watch = PowerWatch(LIMITS)
    told(at(103), watch)
    assert watch.refusal
    list(watch.waited(SILENT_NS + 1, "cpu-thermal"))
    assert not watch.refusal


@pytest.mark.parametrize("name", ["acpitz thermal_zone3", "x86_pkg_temp", "Ünsinn/../x", "n" * 200])
def test_an_alert_s_code_is_a_plain_word(name: str) -> None:
    (alert,) = told(at(95, name=name))
    assert alert.code.replace("-", "").replace("_", "").replace(".", "").isascii()
    assert len(alert.code) < 60
