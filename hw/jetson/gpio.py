"""The one import site of Jetson.GPIO: numbering set once, never cleaned up while the process lives."""

from __future__ import annotations

from typing import Any

from firmware.errors import PartMissing


def load_gpio() -> Any:
    """Jetson.GPIO in BOARD numbering. Raises PartMissing when it is absent or finds no gpiochip it may open."""
    todo = "on a Jetson: pip install 'scrubcam[jetson]', user in group gpio; on a PC: board.kind = \"sim\""
    try:
        import Jetson.GPIO as GPIO
    except ImportError as error:
        raise PartMissing(
            f"the board is configured as \"jetson\", but Jetson.GPIO is not installed ({error})",
            meaning="Pedal and lights are not there, so nothing is recorded", todo=todo,
        ) from None
    except Exception as error:  # the library raises bare Exceptions when it does not know the machine
        raise PartMissing(
            f"Jetson.GPIO does not find a Jetson's pins here: {error}",
            meaning="Pedal and lights are not there, so nothing is recorded", todo=todo,
        ) from None
    GPIO.setwarnings(False)
    if GPIO.getmode() is None:
        GPIO.setmode(GPIO.BOARD)
    return GPIO
