"""Boards whose pedal sends keys over USB: what a definition may say, and what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware.config import Board as BoardConfig
from firmware.errors import ConfigError
from hw.board import make_board
from hw.board_definition import BoardDefinition, Pedal
from hw.board_rules import broken_rules
from hw.linux.key_pedal import key_pedal
from hw.linux.usb_pedal import UsbPedal
from hw.ports import PedalLost
from hw.wireless_pins import WirelessPins

USB: dict[str, Any] = {"type": "usb", "usb_id": "ffff:fffe", "pedal_key": "KEY_B"}
WIRELESS = USB | {"type": "wireless", "link_sign": "key-lost", "link_key": "KEY_F23"}


@pytest.mark.parametrize("pedal", [
    USB, USB | {"privacy_key": "BTN_0", "usb_serial": "A 7", "usb_port": "usb-3610000.usb-2.1"}, WIRELESS,
    WIRELESS | {"link_sign": "heartbeat", "battery_key": "KEY_F22"}, WIRELESS | {"link_sign": "device", "link_key": ""},
])
def test_a_whole_pedal_is_taken(pedal: dict[str, Any]) -> None:
    assert broken_rules(BoardDefinition(pedal=Pedal(**pedal))) == []


@pytest.mark.parametrize(("pedal", "key", "says"), [
    (USB | {"usb_id": ""}, "pedal.usb_id", "needs its usb_id"),
    (USB | {"pedal_key": ""}, "pedal.pedal_key", "needs its pedal_key"),
    (USB | {"privacy_key": "KEY_B"}, "pedal.privacy_key", "two jobs"),
    (USB | {"link_key": "KEY_C"}, "pedal.link_key", "only a wireless pedal"),
    (USB | {"battery_key": "KEY_C"}, "pedal.battery_key", "only a wireless pedal"),
    (WIRELESS | {"link_sign": "none", "link_key": ""}, "pedal.link_sign", "at rest"),
    (WIRELESS | {"link_key": ""}, "pedal.link_key", "go together"),
    (WIRELESS | {"link_sign": "device"}, "pedal.link_key", "go together"),
    (WIRELESS | {"link_key": "KEY_B"}, "pedal.link_key", "two jobs"),
    ({"usb_port": "usb-1"}, "pedal.usb_port", "only a usb or wireless pedal"),
])
def test_a_pedal_that_cannot_work_is_refused(pedal: dict[str, Any], key: str, says: str) -> None:
    rules = broken_rules(BoardDefinition(pedal=Pedal(**pedal)))
    assert [rule for rule in rules if key in rule.keys and says in rule.text], rules


@pytest.mark.parametrize(("pedal", "adapter"), [(USB, UsbPedal), (WIRELESS, WirelessPins)])
def test_the_definition_chooses_the_adapter(pedal: dict[str, Any], adapter: type) -> None:
    pins = key_pedal(Pedal(**pedal))
    assert type(pins) is adapter
    with pytest.raises(PedalLost, match="ffff:fffe is unplugged"):
        pins.read()
    pins.close()


def test_a_pc_has_a_usb_pedal_and_no_lights(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[board]\nkind = "pc"\n[pedal]\ntype = "usb"\nusb_id = "ffff:fffe"\npedal_key = "KEY_B"\n')
    board = make_board(BoardConfig(kind="pc", definition=str(own)), tmp_path)
    with pytest.raises(PedalLost, match="ffff:fffe is unplugged") as lost:
        board.pins.read()
    assert lost.value.others == {}
    board.lights.show("record", "on")
    board.lights.tone("start", 50)
    with pytest.raises(ValueError, match="purple"):
        board.lights.show("record", "purple")  # type: ignore[arg-type]
    board.close()
    board.close()
    assert not (tmp_path / "board.sock").exists(), "no simulated board was put in its place"


def test_a_key_that_does_not_exist_starts_nothing() -> None:
    with pytest.raises(ConfigError, match="KEY_NONSENSE"):
        key_pedal(Pedal(**USB | {"pedal_key": "KEY_NONSENSE"}))
