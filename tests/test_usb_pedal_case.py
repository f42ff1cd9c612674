"""A case by a USB pedal: the whole recorder, the real adapter and the unmodified libevdev, over an emulated pedal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.config import Controls
from firmware.messages import Event
from firmware.recorder.machine_types import Alerted
from firmware.recorder.pedal_desk import PedalDesk
from tests.evdev.remote import Remote, host
from tests.recorder_helpers import CONSENT, Listener, Unit, until

USB_ID, PORT = "3553:b001", "usb-0000:00:14.0-2"
B, C, LINK, BATTERY = 48, 46, 193, 192
DEFINITION = """
[board]
kind = "sim"
[pedal]
type = "wireless"
usb_id = "3553:b001"
pedal_key = "KEY_B"
privacy_key = "KEY_C"
link_sign = "key-lost"
link_key = "KEY_F23"
battery_key = "KEY_F22"
"""
REST_S = 0.3  # a foot does not press twice in one debouncing


class Pedal:
    """A foot on the pedal, a hand on its plug."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.plug()

    def plug(self) -> None:
        self._node = self._remote.ask("plug", usb_id=USB_ID, keys=[B, C, LINK, BATTERY], port=PORT)

    def unplug(self) -> None:
        self._remote.ask("unplug", node=self._node)

    def key(self, code: int, down: bool) -> None:
        self._remote.ask("key", node=self._node, code=code, down=down)

    def tap(self, code: int, seconds: float) -> None:
        self._remote.ask("tap", node=self._node, code=code, seconds=seconds)
        time.sleep(REST_S)


@pytest.fixture
def remote() -> Iterator[Remote]:
    with host() as remote:
        yield remote


@pytest.fixture
def pedal(remote: Remote) -> Pedal:
    return Pedal(remote)


@pytest.fixture
def unit(tmp_path: Path, remote: Remote, pedal: Pedal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    for name, value in remote.ask("environment").items():
        monkeypatch.setenv(name, value)
    unit = Unit(tmp_path)
    (tmp_path / "board.toml").write_text(DEFINITION)
    unit.configure("board", kind="sim", definition=str(tmp_path / "board.toml"))
    yield unit
    if unit.process is not None:
        unit.process.kill()
        unit.process.wait(10)
        unit._forget()


def alert(listener: Listener, code: str, kind: str = "alert") -> Event:
    def came() -> Event | None:
        listener.read()
        return next((e for e in reversed(listener.events) if e.kind == kind and e.fields["code"] == code), None)

    return until(came, what=f"{kind} {code}")


def test_a_case_by_foot_with_everything_that_a_pedal_can_lose(unit: Unit, pedal: Pedal) -> None:
    listener = unit.start()
    listener.state("READY", 60.0)
    assert not [event for event in listener.events if event.kind == "alert"], "a pedal that is there was missed"
    assert listener.ask("consent", consent=CONSENT).ok
    until(lambda: (listener.read(), listener.healths and listener.healths[-1].frames_out > 0)[1], 60.0, "pictures")
    pedal.tap(B, 0.15)
    listener.state("RECORDING", 60.0)

    pedal.unplug()
    told = alert(listener, "pedal")
    assert "3553:b001 is unplugged" in str(told.fields["text"])
    unit.light("ready", "double")
    pedal.plug()
    alert(listener, "pedal", "alert-cleared")

    pedal.key(LINK, True)
    assert "out of reach" in str(alert(listener, "pedal-link").fields["text"])
    pedal.key(LINK, False)
    alert(listener, "pedal-link", "alert-cleared")
    pedal.key(BATTERY, True)
    assert "battery" in str(alert(listener, "pedal-battery").fields["text"])
    pedal.key(BATTERY, False)
    alert(listener, "pedal-battery", "alert-cleared")
    listener.read()
    assert listener.states[-1].state == "RECORDING", "a lost pedal stopped the recording"
    assert "bookmark" not in listener.kinds()

    pedal.tap(B, 0.15)
    listener.event("bookmark")
    pedal.tap(C, 0.15)
    listener.state("PAUSED")
    pedal.tap(C, 0.15)
    listener.state("RECORDING")
    pedal.tap(B, 1.2)
    listener.event("sealed")
    assert unit.stop() == 0


@pytest.mark.parametrize("needed", [True, False])
def test_a_start_without_the_pedal_is_the_sites_choice(remote: Remote, pedal: Pedal, needed: bool) -> None:
    pedal.unplug()
    remote.ask("open", spec={"usb_id": USB_ID, "keys": {"pedal": "KEY_B"}})
    desk = PedalDesk(Controls(start_without_pedal=not needed), remote)
    (told,) = desk.read(time.monotonic_ns(), "")
    assert told == Alerted("pedal", "the USB pedal 3553:b001 is unplugged"), "it is told either way"
    assert desk.refusal == ("the USB pedal 3553:b001 is unplugged" if needed else "")
    pedal.plug()
    until(lambda: desk.read(time.monotonic_ns(), "") == [Alerted("pedal", cleared=True)], what="the pedal again")
    assert desk.refusal == ""
