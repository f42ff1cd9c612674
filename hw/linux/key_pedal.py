"""The pedal of a board definition that sends keys: a USB pedal, or a wireless one over its receiver."""

from __future__ import annotations

from hw.board_definition import Pedal
from hw.linux.usb_pedal import UsbPedal, UsbPedalSpec
from hw.ports import Pins
from hw.wireless_pins import WirelessPins


def key_pedal(pedal: Pedal) -> Pins:
    """A pedal that is away is no error. Raises PartMissing (no libevdev) and ConfigError (no such key)."""
    keys = {"pedal": pedal.pedal_key, "privacy": pedal.privacy_key, "link": pedal.link_key,
            "battery_low": pedal.battery_key}
    keys = {role: key for role, key in keys.items() if key}
    spec = UsbPedalSpec(pedal.usb_id, keys, pedal.usb_serial, pedal.usb_port)
    if pedal.link_sign == "none":
        return UsbPedal(spec)
    return WirelessPins(UsbPedal(spec), pedal.link_sign, pedal.link_silence_s)
