"""The one place that imports libevdev. Refuses by name when the package or the system's library is absent."""

from __future__ import annotations

from typing import Any

from firmware.errors import PartMissing


def load_libevdev() -> Any:
    """The module `libevdev`. Raises PartMissing."""
    try:
        import libevdev
    except (ImportError, OSError) as error:  # OSError: its Python part is there, the system's libevdev.so.2 is not
        raise PartMissing(
            f"libevdev is not installed: {error}",
            meaning="A USB pedal could not be read, so the recorder does not start",
            todo="run deploy/setup.sh, or apt install libevdev2 and pip install libevdev",
        ) from None
    return libevdev
