"""Reads files of sysfs: text or a number, and what could not be read, by sensor. It knows no sensor."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

MAX_BYTES = 4096


def read_text(path: str) -> str:
    """The content of one file, stripped. Raises OSError.

    Not by open(): Python's own buffered reading turns EAGAIN, which a sleeping sensor answers, into something else.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, MAX_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(handle)


class Sysfs:
    """`busy_with` is what is being read, "" in between. `lost` is what could not be read: sensor -> why."""

    def __init__(self, root: str | Path, read: Callable[[str], str] = read_text) -> None:
        self.root, self._read = Path(root), read
        self.busy_with = ""
        self.lost: dict[str, str] = {}

    def folders(self, folder: str, prefix: str = "") -> list[Path]:
        """What lies in a folder below the root and begins with `prefix`, in the order of the numbers in the names."""
        try:
            names = [name for name in os.listdir(self.root / folder) if name.startswith(prefix)]
        except OSError:
            return []
        return [self.root / folder / name for name in sorted(names, key=lambda name: (len(name), name))]

    def text(self, path: Path, sensor: str = "") -> str | None:
        """The file's text; None when it cannot be read. With `sensor`, that is noted, unless the part only sleeps."""
        self.busy_with = f"{sensor or path.parent.name} ({path})"
        try:
            return self._read(str(path))
        except BlockingIOError:
            return None
        except OSError as error:
            if sensor:
                self.lost[sensor] = error.strerror or str(error)
            return None
        finally:
            self.busy_with = ""

    def number(self, path: Path, sensor: str = "", *, scale: float = 1.0,
               possible: tuple[float, float] | None = None) -> float | None:
        """The number in the file, times `scale`; None, and noted, as above, also when it is none that can be."""
        text = self.text(path, sensor)
        if text is None:
            return None
        try:
            value = round(int(text) * scale, 6)
        except ValueError:
            problem = f"reads {text[:40]!r}"
        else:
            if possible is None or possible[0] <= value <= possible[1]:
                return value
            problem = f"reads {value:g}"
        if sensor:
            self.lost[sensor] = problem
        return None
