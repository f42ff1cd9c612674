"""What a USB pedal was heard to send, as text for a board definition and a udev rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw.linux.event_nodes import EventNode

STROKE_NS = 20_000_000
"""A press shorter than this is none to the debouncer: the pedal types its key instead of holding it."""
ROLES = ("pedal_key", "privacy_key")


@dataclass(frozen=True, slots=True)
class Press:
    """One press that was heard, from the key's going down to its coming up."""

    key: str
    held_ns: int


def definition(node: EventNode, presses: Sequence[Press]) -> list[str]:
    """Lines for the pedal's part of a board definition; the first key heard is the pedal's, the second privacy's."""
    keys = list(dict.fromkeys(press.key for press in presses))
    return ["[pedal]", 'type = "usb"', f'usb_id = "{node.usb_id}"',
            *(f'{role} = "{key}"' for role, key in zip(ROLES, keys, strict=False)),
            *(f"# it also sends {key}" for key in keys[len(ROLES):]),
            f'# of two equal pedals: usb_port = "{node.port}"' + (f', or usb_serial = "{node.serial}"'
                                                                 if node.serial else "")]


def udev_rule(usb_id: str) -> str:
    """Gives the pedal to the recorder's user alone, and keeps desktops off it."""
    vendor, product = usb_id.split(":")
    return (f'SUBSYSTEM=="input", KERNEL=="event*", ATTRS{{id/vendor}}=="{vendor}", ATTRS{{id/product}}=="{product}", '
            'OWNER="scrubcam", GROUP="root", MODE="0400", TAG-="uaccess", ENV{LIBINPUT_IGNORE_DEVICE}="1"')


def remarks(presses: Sequence[Press]) -> list[str]:
    """What a person should know about these presses before relying on the pedal."""
    typed = sorted({press.key for press in presses if press.held_ns < STROKE_NS})
    return [f"{key} came as a stroke without length: set the pedal up to hold its key while the foot is down, or no"
            " press of it counts" for key in typed]
