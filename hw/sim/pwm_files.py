"""One simulated tone generator as the kernel shows it: export, period, duty_cycle and enable, in a folder of files.

The kernel sees each write by itself; a plain file keeps what a longer write left behind a shorter one. So every value
is taken and the file blanked, often (`look`). Two writes to one file between two looks count as one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hw.sim.header import SimHeader


class PwmFiles:
    """The generator of `pin`, below `folder` ("/sys/devices/<chip>")."""

    def __init__(self, folder: Path, pin: int, header: SimHeader) -> None:
        self._chip, self._pin, self._header = folder / "pwm" / "pwmchip0", pin, header
        self._chip.mkdir(parents=True)
        self._export, self._unexport, self._pwm = (self._chip / name for name in ("export", "unexport", "pwm0"))
        self._export.touch()
        self._unexport.touch()
        self._values = {"period": 0, "duty_cycle": 0, "enable": 0}

    def look(self) -> None:
        """Take what was written since the last look; tell the header what the generator does now."""
        if _taken(self._export) is not None and not self._pwm.exists():
            self._pwm.mkdir()
            for name in self._values:
                (self._pwm / name).touch()  # "enable" last: whoever exports waits for it
        if _taken(self._unexport) is not None:
            shutil.rmtree(self._pwm, ignore_errors=True)
            self._values = dict.fromkeys(self._values, 0)
        if not self._pwm.exists():
            return
        written = {name: value for name in self._values if (value := _taken(self._pwm / name)) is not None}
        if written:
            self._values |= written
            period_ns, duty_ns, enabled = self._values.values()
            duty = 100 * duty_ns / period_ns if period_ns and enabled else 0.0
            self._header.modulate(1e9 / period_ns if period_ns else 0.0, duty)


def _taken(path: Path) -> int | None:
    """The number that was written into the file, which is blank afterwards; None for a blank one."""
    text = path.read_text().split("\n")[0].strip()
    if not text:
        return None
    with path.open("r+") as file:
        file.truncate()
    return int(text)
