"""The unmodified Jetson.GPIO over an emulated gpiochip: presses and faults counted, and parts that are not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.gpio_figures import DEFINITIONS, FAULTS, LINES, Figures, told

OPEN = """
from hw.board_definition import read_definition
from hw.header40 import CARRIERS
from hw.sim.gpiochip import SimGpioChips
from hw.sim.header import SimHeader
board = read_definition("agx-orin-two-wire")
chips = SimGpioChips(SimHeader(board), CARRIERS[board.board.carrier], generators={generators})
from firmware.errors import PartMissing
from hw.jetson.gpio import load_gpio, set_up
from hw.jetson.lights import JetsonLights
from hw.jetson.pins import JetsonPins
"""


def under_umockdev(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["umockdev-wrapper", sys.executable, *command], capture_output=True, text=True, timeout=100,
                          check=False)


@pytest.mark.parametrize("board", DEFINITIONS)
def test_no_press_and_no_fault_is_lost_or_invented(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = under_umockdev("-m", "tests.gpio_figures", "--board", board, "--strokes", "10", "--rounds", "1", "--json")
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    figures = Figures(**{name: Counter(of) if isinstance(of, dict) else of for name, of in found.items()})
    with capsys.disabled():
        print("\n" + told(figures), end=" ")
    assert figures.faults_made == {line + behind: 1 for line in LINES for behind in FAULTS[board].values()}
    assert figures.presses_made.total() >= 20
    assert figures.right, told(figures)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("generators", "use", "refusal"),
    [
        (True, "chips.hold(7); JetsonPins(board)", "pin 7 of the header cannot be used: .*busy"),
        (True, "set_up(8, load_gpio().IN)", "pin 8 of the header cannot be used: Channel 8 is invalid"),
        (False, "JetsonLights(board)", "no tone generator behind pin 15 .*enable it with jetson-io"),
    ],
    ids=["a line in use", "no such pin", "no tone generator"],
)
def test_a_part_that_is_not_there_is_refused_by_name(generators: bool, use: str, refusal: str) -> None:
    done = under_umockdev("-c", f"{OPEN.format(generators=generators)}\ntry: {use}\n"
                          "except PartMissing as missing: print(missing)\nelse: print('taken')\n")
    assert re.search(refusal, done.stdout), done.stdout + done.stderr
