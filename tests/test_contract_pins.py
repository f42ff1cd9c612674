"""Pins under their contract: the simulated board, and the Jetson's adapter over the unmodified library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hil.bench_file import HeaderBench
from hil.command_hand import CommandHand
from hw.board_definition import read_definition
from hw.ports import Pins
from hw.sim.board import SimBoard
from tests.contract.pins import OneWireContract, TwoWireContract
from tests.gpio_rig import Parts, rig

ON_GPIOCHIP = "the unmodified Jetson.GPIO 2.1.13 over a gpiochip emulated with umockdev, {} pedals"


class _OnSimBoard:
    definition = ""

    @pytest.fixture
    def hand(self) -> Iterator[SimBoard]:
        board = SimBoard(definition=read_definition(self.definition), seed=5)
        yield board
        board.close()

    @pytest.fixture
    def pins(self, hand: SimBoard) -> Pins:
        return hand


class _OnGpiochip:
    definition = ""

    @pytest.fixture
    def parts(self) -> Iterator[Parts]:
        with rig(self.definition) as parts:
            yield parts

    @pytest.fixture
    def hand(self, parts: Parts) -> Any:
        return parts.header

    @pytest.fixture
    def pins(self, parts: Parts) -> Any:
        return parts.pins


class TestSimBoardOneWire(_OnSimBoard, OneWireContract):
    adapter = "hw.sim.board.SimBoard"
    ran_on = "nothing: simulated one-wire contacts that chatter and break"
    definition = "sim"


class TestSimBoardTwoWire(_OnSimBoard, TwoWireContract):
    adapter = "hw.sim.board.SimBoard"
    ran_on = "nothing: simulated two-wire contacts that chatter, travel and break"
    definition = "sim-two-wire"
    at_rest = {"pedal": False, "privacy": False, "power_fail": False}


class TestJetsonPinsOneWire(_OnGpiochip, OneWireContract):
    adapter = "hw.jetson.pins.JetsonPins"
    ran_on = ON_GPIOCHIP.format("one-wire")
    definition = "agx-orin-one-wire"


class TestJetsonPinsTwoWire(_OnGpiochip, TwoWireContract):
    adapter = "hw.jetson.pins.JetsonPins"
    ran_on = ON_GPIOCHIP.format("two-wire")
    definition = "orin-nx-two-wire"
    at_rest = {"pedal": False, "privacy": False, "power_fail": False}


class _OnHeader:
    """A real header; a person or a relay box moves its contacts."""

    adapter = "hw.jetson.pins.JetsonPins"
    ran_on = "no hardware yet"
    test_an_unplugged_line_is_named_the_others_go_on_and_it_heals = None  # a header's pin cannot go away
    test_a_stuck_contact_reads_as_it_stands_and_follows_the_foot_when_mended = None  # nor a good contact be stuck

    @pytest.fixture(autouse=True)
    def _definition(self, bench_table: HeaderBench) -> None:
        self.definition = read_definition(bench_table.definition)
        self.at_rest = dict.fromkeys(self.definition.contacts(), False)

    @pytest.fixture
    def pins(self) -> Pins:
        from hw.jetson.pins import JetsonPins

        return JetsonPins(self.definition)

    @pytest.fixture
    def hand(self, bench_table: HeaderBench) -> Iterator[CommandHand]:
        hand = CommandHand(bench_table.hand)
        yield hand
        for line in ("pedal", "privacy"):
            hand.mend(line)


class TestJetsonPinsOneWireOnBench(_OnHeader, OneWireContract):
    bench = "pins.jetson_one_wire"


class TestJetsonPinsTwoWireOnBench(_OnHeader, TwoWireContract):
    bench = "pins.jetson_two_wire"
