"""Board definitions: the shipped ones hold, every mistake is told at its line, and every broken wiring is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware.config import Board as BoardConfig
from firmware.errors import ConfigError
from hw import header40
from hw.board_definition import BoardDefinition, definition_of, names, read_definition
from hw.board_rules import broken_rules, pins_in_use

TWO_WIRE = read_definition("agx-orin-two-wire")
FREE_PINS = sorted(header40.GPIO - {11} - {pin for _, pin in pins_in_use(TWO_WIRE)})


def with_pin(definition: BoardDefinition, key: str, pin: int) -> BoardDefinition:
    section, name = key.split(".")
    return replace(definition, **{section: replace(getattr(definition, section), **{name: pin})})


@pytest.mark.parametrize("name", names())
def test_every_shipped_definition_reads_and_can_be_configured(name: str) -> None:
    definition = read_definition(name)
    assert definition.board.title
    assert definition_of(BoardConfig(kind=definition.board.kind, definition=name)) == definition


def test_the_shipped_definitions_cover_what_the_documents_promise() -> None:
    shipped = [read_definition(name) for name in names()]
    assert {d.board.kind for d in shipped} == {"sim", "jetson", "pc"}
    assert {d.pedal.type for d in shipped} >= {"contact-no", "contact-no-nc", "usb"}
    assert {d.board.carrier for d in shipped} == {"none", *header40.CARRIERS}


@given(st.sampled_from([key for key, _ in pins_in_use(TWO_WIRE)]), st.integers(1, 40))
def test_a_pin_is_taken_if_and_only_if_it_is_a_free_gpio_that_can_do_the_job(key: str, pin: int) -> None:
    taken = {other: used for other, used in pins_in_use(TWO_WIRE) if other != key}
    section = key.split(".")[0]
    fits = pin in header40.GPIO and pin not in taken.values()
    fits = fits and not (pin == 11 and section in ("pedal", "privacy", "power_fail"))  # output only on this carrier
    fits = fits and not (section == "sounder" and pin not in (13, 15, 18))
    assert (broken_rules(with_pin(TWO_WIRE, key, pin)) == []) == fits


@given(st.data())
def test_any_distinct_gpios_are_a_good_wiring(data: st.DataObject) -> None:
    keys = [key for key, _ in pins_in_use(TWO_WIRE) if key != "sounder.pin"]
    gpios = sorted(header40.GPIO - {11, TWO_WIRE.sounder.pin})
    pins = data.draw(st.lists(st.sampled_from(gpios), min_size=len(keys), max_size=len(keys), unique=True))
    definition = TWO_WIRE
    for key, pin in zip(keys, pins, strict=True):
        definition = with_pin(definition, key, pin)
    assert broken_rules(definition) == []


@given(st.data())
def test_two_roles_on_one_pin_are_always_told_with_both_names(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from([key for key, _ in pins_in_use(TWO_WIRE)]), min_size=2, max_size=2,
                              unique=True))
    wrong = with_pin(TWO_WIRE, keys[0], dict(pins_in_use(TWO_WIRE))[keys[1]])
    assert any(set(rule.keys) == set(keys) and "two jobs" in rule.text for rule in broken_rules(wrong))


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of the two-wire definition with one line changed."""
    text = (Path(header40.__file__).parent / "boards" / "agx-orin-two-wire.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("pin = 7", "pin = 6", "pin 6 of the 40-pin header is GND"),
        ("pin = 7", "pin = 8", "belongs to a bus (UART TX)"),
        ("pin = 7", "pin = 11", "passes pin 11 outwards only"),
        ("pin = 7", "pin = 12", "pedal.nc_pin = 12, pedal.pin = 12: one pin cannot do two jobs"),
        ("pin = 7", "pin = 41", "pedal.pin = 41: allowed 0 to 40"),
        ("nc_pin = 12\n", "", "two-wire: give the pin of the normally closed contact"),
        ("pin = 18", "# pin", "a contact on a header needs its pin"),
        ('type = "contact-no-nc"', 'type = "contact-no"', "only contact-no-nc has a second wire"),
        ('type = "contact-no-nc"', 'type = "usb"', "a usb pedal needs its usb_id"),
        ('closed = "low"', 'closed = "high"', "with a pull-up a closed contact reads low"),
        ('closed = "low"', 'usb_id = "0c45:7403"', "only a usb or wireless pedal has this"),
        ('type = "pwm"', 'type = "on-off"\nfrequency_hz = 440', "only a pwm sounder's pitch can be chosen"),
        ('type = "pwm"', 'type = "none"', "say whether it is on-off or pwm"),
        ("pin = 15", "pin = 32", "no tone generator is behind this pin; there is one at 13, 15, 18"),
        ("[record_light]\npin = 13", "[record_light]", "nobody at the table could see"),
        ('carrier = "agx-orin-devkit"', 'carrier = "none"', "say on which carrier's header the pins are"),
        ('kind = "jetson"', 'kind = "sim"', "only a board of kind jetson has a carrier"),
        ("[watchdog]", "[watchdogs]", "[watchdogs]: no such section; did you mean [watchdog]?"),
        ("pull_up_ohm", "pull_up", "pedal.pull_up: no such setting; did you mean pedal.pull_up_ohm (0 to 100000 ohm)?"),
        ('device = "/dev/video0"', 'device = "video0"', "capture.device"),
    ],
)
def test_each_mistake_is_told_with_file_and_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(ConfigError) as caught:
        read_definition(str(path))
    assert told in caught.value.what
    assert all(re.match(re.escape(str(path)) + r":\d+: ", line) for line in caught.value.what.split("\n"))
    assert "docs/wiring.md" in caught.value.todo


def test_a_name_that_nobody_ships_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="agx-orin-two-wire, orin-nx-two-wire, pc-usb, sim"):
        read_definition("agx-orin")


@pytest.mark.parametrize(("kind", "name"), [("jetson", "sim"), ("sim", "agx-orin-one-wire"), ("sim", "pc-usb")])
def test_a_definition_for_another_kind_of_board_is_refused(kind: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=f'board.kind = "{kind}", but the definition'):
        definition_of(BoardConfig(kind=kind, definition=name))


def test_the_header_is_as_the_vendors_library_knows_it(vendor_pins: dict[str, dict[int, bool]]) -> None:
    """The library lists a pin's number and, where it has one, its tone generator."""
    for carrier in header40.CARRIERS.values():
        pins = vendor_pins[carrier.library_model]
        assert pins.keys() == header40.GPIO
        assert {pin for pin, pwm in pins.items() if pwm} == carrier.pwm
    assert header40.GPIO | header40.POWER.keys() | header40.BUSES.keys() == set(range(1, 41))


@pytest.fixture
def vendor_pins() -> dict[str, dict[int, bool]]:
    """Jetson.GPIO's table, read without importing the package, which needs a Jetson's pins."""
    import ast
    import importlib.metadata

    source = importlib.metadata.distribution("Jetson.GPIO").locate_file("Jetson/GPIO/gpio_pin_data.py")
    tables = {}
    for node in ast.parse(Path(str(source)).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("JETSON_ORIN_PIN_DEFS", "JETSON_ORIN_NX_PIN_DEFS"):
                rows = ast.literal_eval(node.value)
                tables[name.removesuffix("_PIN_DEFS")] = {row[3]: row[7] is not None for row in rows}
    return tables
