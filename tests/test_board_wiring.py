"""The drawing, the tables and `scrubcam board`: as the definitions say, up to date, and true of what is plugged in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware.cli.main import app
from firmware.config import Config, Source
from firmware.config import Sounder as SounderConfig
from hw.board_check import Seen, compare, compare_config
from hw.board_definition import Sounder, names, read_definition
from hw.board_rules import pins_in_use
from hw.wiring import inputs, pins
from hw.wiring_docs import PAGE, documents
from hw.wiring_svg import drawing

ROOT = Path(__file__).resolve().parent.parent
TWO_WIRE = read_definition("agx-orin-two-wire")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", sorted(documents((ROOT / PAGE).read_text(encoding="utf-8"))))
def test_the_page_and_its_drawings_are_up_to_date(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text == documents((ROOT / PAGE).read_text(encoding="utf-8"))[path], "run `python -m hw.wiring_docs`"


def test_no_drawing_is_left_of_a_board_that_is_gone() -> None:
    drawn = {f"{name}.svg" for name in names() if pins(read_definition(name))}
    assert {path.name for path in (ROOT / "docs" / "wiring").iterdir()} == drawn


@pytest.mark.parametrize("name", names())
def test_a_drawing_names_every_pin_with_its_job_once(name: str) -> None:
    definition = read_definition(name)
    texts = [element.text for element in ElementTree.fromstring(drawing(definition)).iter(f"{SVG}text")]
    for _, pin in pins_in_use(definition):
        assert texts.count(f"pin {pin}") == 1, "its circuit"
        assert texts.count(pins(definition)[pin]) >= 1, "its job beside the header"
    tags = {text for text in texts if text and text.startswith("pin ")}
    assert tags == {f"pin {pin}" for _, pin in pins_in_use(definition)}


@pytest.mark.parametrize("name", names())
def test_a_drawing_stays_on_its_page(name: str) -> None:
    picture = ElementTree.fromstring(drawing(read_definition(name)))
    width, height = int(picture.attrib["width"]), int(picture.attrib["height"])
    for element in picture.iter(f"{SVG}text"):
        x, y, length = int(element.attrib["x"]), int(element.attrib["y"]), 8 * len(element.text or "")
        left = x - {"start": 0, "middle": length / 2, "end": length}[element.attrib["text-anchor"]]
        if element.attrib.get("class") != "h":
            assert 0 <= left <= left + length * 0.9 <= width, element.text
        assert 0 < y < height


READINGS = {
    "as at rest": lambda level: [level == "high"] * 50,
    "reads": lambda level: [level != "high"] * 50,
    "flickers": lambda level: [True, False] * 25,
    "Device or resource busy": lambda level: "pin cannot be used: Device or resource busy",
}


@given(st.lists(st.sampled_from(sorted(READINGS)), min_size=5, max_size=5))
def test_each_pin_is_judged_by_what_it_read_at_rest(chosen: list[str]) -> None:
    wires = inputs(TWO_WIRE)
    levels: dict[int, Sequence[bool] | str] = {
        wire.pin: READINGS[what](wire.at_rest) for wire, what in zip(wires, chosen, strict=True)}
    for finding, what in zip(compare(TWO_WIRE, Seen(levels)), chosen, strict=False):
        assert what in finding.told
        assert finding.ok == (what == "as at rest")
        assert bool(finding.todo) != finding.ok


def test_a_board_that_is_all_there_has_nothing_to_do() -> None:
    for name in ("agx-orin-two-wire", "pc-usb"):
        definition = read_definition(name)
        seen = Seen(
            {wire.pin: [wire.at_rest == "high"] * 9 for wire in inputs(definition)},
            {pin: "" for _, pin in pins_in_use(definition)}, {"/dev/video0": "", "/dev/watchdog0": ""},
            "",
        )
        findings = compare(definition, seen)
        assert findings
        assert all(finding.ok and not finding.todo for finding in findings)
        assert not all(finding.ok for finding in compare(definition, Seen()))


def test_what_the_configuration_asks_and_the_board_cannot_do_is_told() -> None:
    on_off = replace(TWO_WIRE, sounder=Sounder("on-off", 15))
    config = Config(source=Source(uri="/dev/video2"), sounder=SounderConfig(quiet_from="22:00", quiet_to="07:00"))
    assert [finding.part for finding in compare_config(on_off, config)] == ["Capture device /dev/video0", "Sounder"]
    assert compare_config(TWO_WIRE, replace(config, source=Source(uri="/dev/video0"))) == []
    silent = replace(TWO_WIRE, sounder=Sounder())
    assert ["no tone is ever heard" in f.told for f in compare_config(silent, Config())] == [False, True]
    assert compare_config(read_definition("sim"), Config()) == []


PROBE = """
from hw.board_check import compare
from hw.board_definition import read_definition
from hw.board_probe import look
from hw.header40 import CARRIERS
from hw.sim.gpiochip import SimGpioChips
from hw.sim.header import SimHeader
board = read_definition("agx-orin-two-wire")
hand = SimHeader(board)
chips = SimGpioChips(hand, CARRIERS[board.board.carrier])
hand.cut("pedal")
hand.press("privacy")
hand.unplug("power_fail")
chips.hold(board.ready_light.pin)
for finding in compare(board, look(board)):
    print(finding.ok, finding.part, "|", finding.told, "|", finding.todo)
assert not [event for event in hand.log() if event.kind in ("light", "sounder")], "it lit or sounded"
"""


def test_a_check_over_the_emulated_header_names_what_is_broken() -> None:
    done = subprocess.run(["umockdev-wrapper", sys.executable, "-c", PROBE], capture_output=True, text=True,
                          timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" | ", 1) for line in done.stdout.splitlines())
    assert told["True Pedal, normally open contact, pin 7"].startswith("reads high, as at rest"), "as a cut wire looks"
    assert told["False Pedal, normally closed contact, pin 12"].startswith("reads high, at rest it should read low")
    assert "False Privacy button, normally open contact, pin 18" in told
    assert "Input/output error" in told["False Power-fail contact, normally open contact, pin 24"]
    assert "True Record light, pin 13" in told
    assert "stop the recorder" in told["False Ready light, pin 16"]
    assert "True Sounder, pin 15" in told
    assert told["False Hardware watchdog /dev/watchdog0"].startswith("not there")


def test_the_commands_list_show_draw_and_refuse(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert all(name in run(app, ["board", "list"]).stdout for name in names())
    assert "Privacy button" in run(app, ["board", "show", "agx-orin-two-wire"]).stdout
    assert run(app, ["board", "wiring", "agx-orin-two-wire", "--out", str(tmp_path / "a.svg")]).exit_code == 0
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == drawing(TWO_WIRE)
    assert "no board definition 'agx'" in str(run(app, ["board", "show", "agx"]).exception)
    assert "Jetson" in str(run(app, ["board", "check", "agx-orin-two-wire"]).exception)
    assert "name a definition, or give --config" in str(run(app, ["board", "check"]).exception)
    assert run(app, ["board", "check", "sim"]).exit_code == 0
