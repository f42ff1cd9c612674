"""A real recorder on a simulated board whose sensors are driven from outside: heat, throttling, loss, refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.messages import Event, PowerFigures
from hw.sim.power import SimSysfs
from tests.recorder_helpers import CONSENT, Listener, Unit, until


@pytest.fixture
def tree(tmp_path: Path) -> SimSysfs:
    return SimSysfs(tmp_path / "sys")


@pytest.fixture
def unit(tmp_path: Path, tree: SimSysfs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    unit.configure("power", sensors="sysfs", interval_s=0.5)
    monkeypatch.setenv("SCRUBCAM_SIM_SYS", str(tree.root))
    yield unit
    if unit.process is not None:
        unit.kill9()


def alert(listener: Listener, code: str, *, cleared: bool = False) -> Event:
    kind = "alert-cleared" if cleared else "alert"

    def came() -> Event | None:
        listener.read()
        return next((one for one in listener.events if one.kind == kind and one.fields["code"] == code), None)

    return until(came, 40.0, f"{kind} {code}")


def figures(listener: Listener) -> PowerFigures | None:
    listener.read()
    return listener.healths[-1].power if listener.healths else None


def test_heat_loss_and_throttling_are_told_by_light_journal_and_health_and_the_recording_goes_on(
    unit: Unit, tree: SimSysfs,
) -> None:
    listener = unit.start()
    recording_id = listener.record(CONSENT)
    told = until(lambda: figures(listener), what="figures in a health message")
    assert told.temperatures_c["gpu-thermal"] == 45.0
    assert "cv0-thermal" not in told.temperatures_c
    assert (told.supply_v, told.supply_w, told.supply_good) == (19.8, 17.8, True)
    assert told.clocks_hz["policy0"] == 1_984_000_000

    tree.heat("gpu-thermal", 93.0)
    assert "gpu-thermal is at 93 °C" in str(alert(listener, "temperature-gpu-thermal").fields["text"])
    unit.light("ready", "double")
    tree.throttle("gpu-throttle-alert")
    assert "gpu-throttle-alert" in str(alert(listener, "throttled").fields["text"])
    tree.vanish("soc0-thermal")
    assert "No such file" in str(alert(listener, "sensor-soc0-thermal").fields["text"])
    tree.nonsense("tj-thermal")
    alert(listener, "sensor-tj-thermal")
    until(lambda: (one := figures(listener)) and one.throttling == ["gpu-throttle-alert"], what="the figures follow")
    tree.heal("soc0-thermal", 45_000)
    alert(listener, "sensor-soc0-thermal", cleared=True)
    tree.heat("gpu-thermal", 60.0)
    alert(listener, "temperature-gpu-thermal", cleared=True)
    assert listener.states[-1].state == "RECORDING"
    assert listener.states[-1].recording_id == recording_id
    assert listener.ask("stop").ok
    listener.event("sealed")
    assert unit.stop() == 0


def test_a_unit_about_to_switch_itself_off_refuses_by_name_and_a_hanging_sensor_is_told(
    unit: Unit, tree: SimSysfs,
) -> None:
    listener = unit.start()
    listener.state("READY")
    assert listener.ask("consent", consent=CONSENT).ok
    tree.heat("cpu-thermal", 103.0)
    alert(listener, "temperature-cpu-thermal")
    refused = until(lambda: None if (answer := listener.ask("start")).ok else answer, what="a refusal")
    assert refused.reason == "power: cpu-thermal is at 103 °C, at 104.5 °C the unit switches itself off"
    tree.heat("cpu-thermal", 50.0)
    tree.hang("VDD_IN")
    assert "VDD_IN" in str(alert(listener, "sensors-hang").fields["text"])
    assert listener.ask("status").ok, "the loop waits for a sensor"
    tree.heal("VDD_IN", 900)
    alert(listener, "sensors-hang", cleared=True)
    until(lambda: listener.ask("start").ok, what="a start once it has cooled down")
    assert unit.stop() == 0
