"""The real Jetson adapters over the unmodified Jetson.GPIO, in a process of their own with a simulated gpiochip.

`rig(definition)` starts that process under umockdev-wrapper and gives its parts as proxies: `pins` and `lights` (the
adapters), `header` (a hand on the contacts, an eye on the lamps). Whatever an adapter raises is raised here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

START_S = 60.0


class _Rig(BaseManager):
    """Serves the parts at a Unix socket."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Proxies into the other process."""

    pins: Any
    lights: Any
    header: Any


@contextmanager
def rig(definition: str) -> Iterator[Parts]:
    """One board, from power-on to power-off. AssertionError with the process's words when it does not start."""
    assert shutil.which("umockdev-wrapper"), "apt install umockdev gir1.2-umockdev-1.0 (deploy/setup.sh does)"
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "rig")
        process = subprocess.Popen(["umockdev-wrapper", sys.executable, "-m", "tests.gpio_rig", definition, address],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for name in ("pins", "lights", "header"):
                _Rig.register(name)
            manager = _Rig(address, authkey=b"rig")
            deadline = time.monotonic() + START_S
            while not _connected(manager):
                assert process.poll() is None, f"the rig ended: {process.stdout and process.stdout.read()}"
                assert time.monotonic() < deadline, "the rig did not start"
                time.sleep(0.01)
            parts: Any = manager
            yield Parts(parts.pins(), parts.lights(), parts.header())
            assert process.poll() is None, f"the rig died: {process.stdout and process.stdout.read()}"
        finally:
            process.kill()
            process.communicate(timeout=10)


def _connected(manager: _Rig) -> bool:
    """Its socket is not there yet, or is there and does not listen yet."""
    try:
        manager.connect()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def _serve(name: str, address: str) -> None:
    from hw.board_definition import read_definition
    from hw.header40 import CARRIERS
    from hw.jetson.lights import JetsonLights
    from hw.jetson.pins import JetsonPins
    from hw.sim.gpiochip import SimGpioChips
    from hw.sim.header import SimHeader

    definition = read_definition(name)
    header = SimHeader(definition)
    chips = SimGpioChips(header, CARRIERS[definition.board.carrier])
    pins, lights = JetsonPins(definition), JetsonLights(definition)
    for part, made in (("pins", pins), ("lights", lights), ("header", header)):
        _Rig.register(part, callable=lambda made=made: made)
    _Rig(address, authkey=b"rig").get_server().serve_forever()
    chips.close()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
