"""The recorder as it is, on a Jetson's board whose gpiochip is emulated: python -m tests.gpio_recorder --config FILE.

Starts itself again under umockdev-wrapper. The board is driven through board.sock, as the simulated one is; its lamps
are seen as lit or dark.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from firmware.config_file import load
from firmware.recorder.__main__ import main
from hw.board_definition import definition_of
from hw.header40 import CARRIERS
from hw.sim.board_wire import BoardWire
from hw.sim.header import SimHeader


def emulated(arguments: list[str]) -> int:
    cfg = load(arguments[arguments.index("--config") + 1])
    definition = definition_of(cfg.board)
    header = SimHeader(definition)
    from hw.sim.gpiochip import SimGpioChips  # before the library, which looks for its chips when it is imported

    chips = SimGpioChips(header, CARRIERS[definition.board.carrier])
    wire = BoardWire(Path(cfg.paths.run_dir) / "board.sock", header)
    del os.environ["LD_PRELOAD"]  # the pipeline has the machine's own devices
    try:
        return main(arguments)
    finally:
        wire.close()
        chips.close()


if __name__ == "__main__":
    if "libumockdev-preload" not in os.environ.get("LD_PRELOAD", ""):
        os.execvp("umockdev-wrapper", ["umockdev-wrapper", sys.executable, "-m", "tests.gpio_recorder", *sys.argv[1:]])
    sys.exit(emulated(sys.argv[1:]))
