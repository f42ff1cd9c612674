"""The one import site of Jetson.GPIO: each pin is set up once, and never cleaned up while the process lives."""

from __future__ import annotations

from typing import Any

from firmware.errors import PartMissing

_MEANING = "Pedal and lights are not there, so nothing is recorded"


def load_gpio() -> Any:
    """Jetson.GPIO in BOARD numbering. Raises PartMissing when it is absent or finds no gpiochip it may open."""
    todo = "on a Jetson: pip install 'scrubcam[jetson]', user in group gpio; on a PC: board.kind = \"sim\""
    try:
        import Jetson.GPIO as GPIO
    except ImportError as error:
        raise PartMissing(f"the board is configured as \"jetson\", but Jetson.GPIO is not installed ({error})",
                          meaning=_MEANING, todo=todo) from None
    except Exception as error:  # the library raises bare Exceptions when it does not know the machine
        raise PartMissing(f"Jetson.GPIO does not find a Jetson's pins here: {error}", meaning=_MEANING,
                          todo=todo) from None
    GPIO.setwarnings(False)
    if GPIO.getmode() is None:
        GPIO.setmode(GPIO.BOARD)
    return GPIO


def set_up(pin: int, direction: int, initial: int | None = None) -> None:
    """Make `pin` an input or output. Raises PartMissing when another process holds it, or the chip is not there."""
    try:
        load_gpio().setup(pin, direction, initial=initial)
    except PartMissing:
        raise
    except Exception as error:  # OSError from the kernel, ValueError and bare Exceptions from the library
        raise PartMissing(f"pin {pin} of the header cannot be used: {error}", meaning=_MEANING,
                          todo="stop what else uses it, and compare with `scrubcam board show`") from None


def make_tone_generator(pin: int, frequency_hz: int) -> Any:
    """The tone generator behind `pin`, running and silent. Raises PartMissing when this system does not show it."""
    try:
        pwm = load_gpio().PWM(pin, frequency_hz)
        pwm.start(0)
        return pwm
    except PartMissing:
        raise
    except Exception as error:
        raise PartMissing(f"there is no tone generator behind pin {pin} of the header: {error}", meaning=_MEANING,
                          todo="enable it with jetson-io (pwm on that pin), or set sounder.type to on-off") from None
