"""The 40-pin header of the carriers we know, as data: what each pin is there, and which pins can make a tone.

From NVIDIA's Jetson.GPIO 2.1.13 (its table of channels; a test compares) and the names printed on the carriers.
"""

from __future__ import annotations

from dataclasses import dataclass

POWER: dict[int, str] = {
    1: "3.3 V", 17: "3.3 V", 2: "5 V", 4: "5 V",
    6: "GND", 9: "GND", 14: "GND", 20: "GND", 25: "GND", 30: "GND", 34: "GND", 39: "GND",
}
BUSES: dict[int, str] = {3: "I2C SDA", 5: "I2C SCL", 27: "I2C SDA", 28: "I2C SCL", 8: "UART TX", 10: "UART RX"}
"""Taken by a bus of the module: no GPIO on any of the carriers."""
GPIO = frozenset(range(1, 41)) - POWER.keys() - BUSES.keys()


@dataclass(frozen=True, slots=True)
class Carrier:
    """One carrier board. `library_model` is Jetson.GPIO's name for it, `pwm` the pins with a tone generator behind.

    `output_only`: the carrier's level shifter passes these pins outwards only; as inputs they read nothing.
    """

    title: str
    library_model: str
    pwm: frozenset[int]
    output_only: frozenset[int] = frozenset()


CARRIERS: dict[str, Carrier] = {
    "agx-orin-devkit": Carrier("NVIDIA Jetson AGX Orin developer kit", "JETSON_ORIN", frozenset({13, 15, 18}),
                               output_only=frozenset({11})),
    "orin-nano-devkit": Carrier("NVIDIA Jetson Orin Nano developer kit's carrier, with an Orin NX module",
                                "JETSON_ORIN_NX", frozenset({15, 32, 33})),
}


def pin_name(pin: int) -> str:
    """What stands beside the pin in a drawing."""
    return POWER.get(pin) or BUSES.get(pin) or "GPIO"
