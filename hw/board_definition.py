"""What a board is, as data: hw/boards/*.toml, typed. Which pin does what, which pedal, lights, sounder and camera.

A definition is read and checked like scrubcam.toml; the rules that span its settings are in board_rules.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware import settings_file
from firmware.config import Board as BoardConfig
from firmware.errors import ConfigError
from firmware.settings_file import Form

FOLDER = Path(__file__).parent / "boards"

Pin = Annotated[int, Meta(ge=0, le=40)]
Title = Annotated[str, Meta(pattern=r"^.{0,80}$")]
ContactType = Literal["none", "contact-no", "contact-no-nc"]


class About(Struct, forbid_unknown_fields=True, frozen=True):
    """What the board is. `kind` must be the `board.kind` of the configuration that names this definition."""

    title: Title = ""
    kind: Literal["sim", "jetson", "pc"] = "sim"
    carrier: Literal["none", "agx-orin-devkit", "orin-nano-devkit"] = "none"
    """Whose 40-pin header the pins below are on; none: there is no header."""


class Contact(Struct, forbid_unknown_fields=True, frozen=True):
    """One input: a potential-free contact, by its pins. 0: no such pin.

    contact-no: one wire, normally open. contact-no-nc: a second wire from the normally closed contact, so that a cut
    and a crushed cable are told from a pedal at rest.
    """

    type: ContactType = "none"
    pin: Pin = 0
    nc_pin: Pin = 0
    closed: Literal["low", "high"] = "low"
    """The level at a pin while its contact is closed."""
    pull_up_ohm: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """From the opto-isolator's output to 3.3 V, on the interface board, before the buffer that drives the pin. 0:
    another interface drives both levels."""


class Pedal(Struct, forbid_unknown_fields=True, frozen=True):
    """The foot pedal: a contact on the header (as [privacy]), a USB pedal or a wireless one."""

    type: Literal["contact-no", "contact-no-nc", "usb", "wireless"] = "contact-no"
    pin: Pin = 0
    nc_pin: Pin = 0
    closed: Literal["low", "high"] = "low"
    pull_up_ohm: Annotated[int, Meta(ge=0, le=100_000)] = 0
    usb_id: Annotated[str, Meta(pattern=r"^([0-9a-f]{4}:[0-9a-f]{4})?$")] = ""
    """Vendor and product of the USB pedal, or of the wireless pedal's receiver, as `lsusb` shows them."""
    pedal_key: Annotated[str, Meta(pattern=r"^(KEY_[A-Z0-9_]{1,32}|BTN_[A-Z0-9_]{1,32})?$")] = ""
    """The key that it sends for the pedal, by its evdev name, e.g. "KEY_B"."""
    privacy_key: Annotated[str, Meta(pattern=r"^(KEY_[A-Z0-9_]{1,32}|BTN_[A-Z0-9_]{1,32})?$")] = ""
    """The key of its second switch, which is then the privacy button."""
    usb_serial: Annotated[str, Meta(pattern=r"^[ -~]{0,64}$")] = ""
    """Its serial number, to tell it from an equal pedal; most pedals have none."""
    usb_port: Annotated[str, Meta(pattern=r"^[!-~]{0,100}$")] = ""
    """The USB socket that it hangs on, as `scrubcam pedal listen` shows it, to tell it from an equal pedal."""
    link_sign: Literal["none", "device", "key-held", "key-lost", "heartbeat"] = "none"
    """wireless: how the receiver tells that the pedal is out of reach. device: its device goes away (Bluetooth);
    key-held: link_key is held while the pedal is in reach; key-lost: while it is not; heartbeat: link_key is typed
    again and again while it is."""
    link_key: Annotated[str, Meta(pattern=r"^(KEY_[A-Z0-9_]{1,32}|BTN_[A-Z0-9_]{1,32})?$")] = ""
    link_silence_s: Annotated[float, Meta(ge=0.5, le=60)] = 3.0
    """heartbeat: the longest silence of a pedal in reach."""
    battery_key: Annotated[str, Meta(pattern=r"^(KEY_[A-Z0-9_]{1,32}|BTN_[A-Z0-9_]{1,32})?$")] = ""
    """wireless: the key that the receiver holds while the pedal's battery is low."""


class Lamp(Struct, forbid_unknown_fields=True, frozen=True):
    """One light, switched by a driver transistor behind its pin: a header pin cannot feed a lamp. 0: not there."""

    pin: Pin = 0
    lit: Literal["high", "low"] = "high"


class Sounder(Struct, forbid_unknown_fields=True, frozen=True):
    """The sounder, behind a driver transistor. on-off: it has its own pitch. pwm: the pin gives pitch and volume."""

    type: Literal["none", "on-off", "pwm"] = "none"
    pin: Pin = 0
    frequency_hz: Annotated[int, Meta(ge=0, le=8000)] = 0
    """A pwm sounder that is loud at one pitch only plays every tone at this one. 0: each tone at its own."""


class Capture(Struct, forbid_unknown_fields=True, frozen=True):
    """The capture device that this board is built with."""

    device: Annotated[str, Meta(pattern=r"^(/dev/[A-Za-z0-9/_.-]{1,100})?$")] = ""
    """Its device node, e.g. "/dev/video0". Empty: whatever source.uri says."""


class HardwareWatchdog(Struct, forbid_unknown_fields=True, frozen=True):
    """The timer that restarts the whole unit."""

    device: Annotated[str, Meta(pattern=r"^(/dev/[A-Za-z0-9/_.-]{1,100})?$")] = ""
    """e.g. "/dev/watchdog0". Empty: the board has none."""


class BoardDefinition(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of one definition file."""

    board: About = About()
    pedal: Pedal = Pedal()
    privacy: Contact = Contact()
    power_fail: Contact = Contact()
    record_light: Lamp = Lamp()
    ready_light: Lamp = Lamp()
    sounder: Sounder = Sounder()
    capture: Capture = Capture()
    watchdog: HardwareWatchdog = HardwareWatchdog()

    def contacts(self) -> dict[str, Contact]:
        """The contacts that are wired (or simulated), by role: "pedal", "privacy", "power_fail"."""
        inputs = {"privacy": self.privacy, "power_fail": self.power_fail}
        found = {role: contact for role, contact in inputs.items() if contact.type != "none"}
        pedal = self.pedal
        if pedal.type == "contact-no" or pedal.type == "contact-no-nc":
            wired = Contact(pedal.type, pedal.pin, pedal.nc_pin, pedal.closed, pedal.pull_up_ohm)
            return {"pedal": wired, **found}
        return found


def names() -> list[str]:
    """The definitions that come with the product."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_definition(name: str) -> BoardDefinition:
    """A definition by its name, or by the path of a file of one's own. Raises ConfigError with file and line."""
    if "/" in name or name.endswith(".toml"):
        return settings_file.load(_form(), name)
    if name not in names():
        raise ConfigError(f"there is no board definition {name!r}; there are {', '.join(names())}",
                          meaning="Nothing was started", todo="name one of them, or the path of a file of your own")
    return settings_file.load(_form(), FOLDER / f"{name}.toml")


def definition_of(cfg: BoardConfig) -> BoardDefinition:
    """The definition that the configuration names. Raises ConfigError, also when it is for another kind of board."""
    definition = read_definition(cfg.definition)
    if definition.board.kind != cfg.kind:
        raise ConfigError(
            f'board.kind = "{cfg.kind}", but the definition {cfg.definition!r} is for a board of kind'
            f' "{definition.board.kind}"', meaning="Nothing was started",
            todo="name a definition of that kind in board.definition: `scrubcam board list` shows them",
        )
    return definition


def _form() -> Form[BoardDefinition]:
    from hw.board_rules import broken_rules  # they are about the types above

    return Form(BoardDefinition, broken_rules, "board definition",
                todo="docs/wiring.md explains every setting of a board definition",
                example="give the path of a board definition; hw/boards/ has examples")
