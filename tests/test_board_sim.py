"""The simulated board as it is driven from outside: its socket, its contacts that chatter, its log."""

from __future__ import annotations

import itertools
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.config import Board as BoardConfig
from firmware.errors import ConfigError, PartMissing
from hw.board import make_board
from hw.board_definition import read_definition
from hw.contacts import Wires
from hw.ports import PedalLost
from hw.sim.board import SimBoard
from hw.sim.board_wire import MAX_LINE_BYTES, BoardRemote
from hw.sim.contact import MAX_BOUNCE_NS, SimContact

REST_S = MAX_BOUNCE_NS / 1e9 + 0.002


def wait_for(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


class TestSimBoard:
    @pytest.fixture
    def board(self) -> Iterator[SimBoard]:
        board = SimBoard(seed=5)
        yield board
        board.close()

    def test_a_contact_chatters_and_then_rests(self, board: SimBoard) -> None:
        seen: set[int] = set()
        for _ in range(20):
            board.press("pedal")
            readings = []
            end = time.monotonic() + REST_S
            while time.monotonic() < end:
                readings.append(board.read()["pedal"])
            readings.append(board.read()["pedal"])  # after the rest, however busy the machine was before
            seen.add(sum(a != b for a, b in itertools.pairwise(readings)))
            assert readings[-1] is True
            board.release("pedal")
            time.sleep(REST_S)
            assert board.read()["pedal"] is False
        assert max(seen) > 1, "a contact without bounce would flatter the debouncer"

    def test_a_burst_of_noise_is_read_as_closings_until_it_ends(self, board: SimBoard) -> None:
        board.burst("pedal", 0.05)
        wait_for(lambda: board.read()["pedal"])
        assert board.read()["privacy"] is False
        time.sleep(0.06)
        assert board.read() == {"pedal": False, "privacy": False}
        assert board.log() == [], "nobody pressed"
        with pytest.raises(ValueError, match="no line 'nose'"):
            board.burst("nose", 0.01)

    def test_the_log_tells_every_change_once_in_order(self, board: SimBoard) -> None:
        board.show("record", "on")
        board.show("record", "on")
        board.tone("start", 60)
        board.press("pedal")
        board.cut("privacy")
        board.cut("privacy")
        board.mend("privacy")
        board.show("record", "off")
        log = board.log()
        assert [(e.kind, e.name, e.value) for e in log] == [
            ("light", "record", "on"), ("tone", "start", "60"), ("press", "pedal", ""), ("cut", "privacy", ""),
            ("mend", "privacy", ""), ("light", "record", "off"),
        ]
        assert [e.monotonic_ns for e in log] == sorted(e.monotonic_ns for e in log)
        assert board.patterns() == {"ready": "off", "record": "off"}

    def test_a_two_wire_contact_travels_between_its_sides(self) -> None:
        """Break before make: between pressed and released there is a time in which neither side is closed."""
        hand, now_ns = SimContact(two_wire=True), 0
        for foot in (True, False):
            hand.move(foot, now_ns, random.Random(4))
            seen = [hand.wires(now_ns + ms * 1_000_000, random.Random(4)) for ms in range(60)]
            assert Wires(False, False) in seen
            assert Wires(True, True) not in seen
            assert seen[-1] == Wires(foot, not foot)
            now_ns += 100_000_000


class TestBoardSocket:
    @pytest.fixture
    def board(self, tmp_path: Path) -> Iterator[SimBoard]:
        board = SimBoard(tmp_path)
        yield board
        board.close()

    @pytest.fixture
    def remote(self, board: SimBoard, tmp_path: Path) -> Iterator[BoardRemote]:
        remote = BoardRemote(tmp_path)
        yield remote
        remote.close()

    def test_press_and_release_from_another_hand(self, board: SimBoard, remote: BoardRemote) -> None:
        remote.ask("press pedal")
        time.sleep(REST_S)
        assert board.read() == {"pedal": True, "privacy": False}
        remote.ask("release pedal")
        time.sleep(REST_S)
        assert board.read() == {"pedal": False, "privacy": False}

    def test_a_tap_lets_go_by_itself(self, board: SimBoard, remote: BoardRemote) -> None:
        remote.ask("tap privacy 0.05")
        time.sleep(REST_S)
        assert board.read()["privacy"] is True
        wait_for(lambda: [e["kind"] for e in remote.log()] == ["press", "release"])

    def test_lights_and_log_are_readable(self, board: SimBoard, remote: BoardRemote) -> None:
        board.show("record", "fast")
        board.tone("warning", 100)
        assert remote.lights() == {"ready": "off", "record": "fast"}
        assert [(e["kind"], e["name"], e["value"]) for e in remote.log()] == [
            ("light", "record", "fast"), ("tone", "warning", "100"),
        ]

    def test_unplug_over_the_wire(self, board: SimBoard, remote: BoardRemote) -> None:
        remote.ask("unplug pedal")
        with pytest.raises(PedalLost):
            board.read()

    @pytest.mark.parametrize("verb", ["cut", "crush", "stick", "plug", "mend"])
    def test_every_fault_goes_over_the_wire(self, tmp_path: Path, verb: str) -> None:
        board = SimBoard(tmp_path, read_definition("sim-two-wire"))
        remote = BoardRemote(tmp_path)
        if verb in ("plug", "mend"):
            remote.ask("cut power_fail")
        remote.ask(f"{verb} power_fail")
        assert board.log()[-1].kind == verb
        remote.close()
        board.close()

    @pytest.mark.parametrize(
        "line", ["", "dance", "press", "press nose", "tap pedal", "tap pedal -1", "tap pedal nan", "tap pedal 1e9",
                 "burst pedal 0", "burst nose 0.01"]
    )
    def test_nonsense_is_answered_and_changes_nothing(self, board: SimBoard, remote: BoardRemote, line: str) -> None:
        with pytest.raises(ValueError, match=r"one of|no line|a tap|convert"):
            remote.ask(line)
        assert board.log() == []
        assert remote.lights() == {"ready": "off", "record": "off"}

    def test_an_endless_line_is_cut_off_and_others_are_served(
        self, board: SimBoard, remote: BoardRemote, tmp_path: Path
    ) -> None:
        with socket.socket(socket.AF_UNIX) as rude:
            rude.settimeout(5)
            rude.connect(str(tmp_path / "board.sock"))
            rude.sendall(b"x" * (MAX_LINE_BYTES * 2))
            assert rude.recv(1) == b""
        assert remote.lights()["ready"] == "off"

    def test_the_socket_is_private_and_goes_away(self, tmp_path: Path) -> None:
        board = SimBoard(tmp_path)
        path = tmp_path / "board.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        board.close()
        assert not path.exists()

    def test_a_killed_process_socket_is_taken_over(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(tmp_path / "board.sock"))
        board = SimBoard(tmp_path)
        remote = BoardRemote(tmp_path)
        assert remote.lights()["record"] == "off"
        remote.close()
        board.close()


class TestMakeBoard:
    def test_sim_as_configured(self, tmp_path: Path) -> None:
        board = make_board(BoardConfig(kind="sim"), tmp_path)
        assert board.pins.read() == {"pedal": False, "privacy": False}
        board.close()

    def test_a_run_dir_too_long_for_a_socket_is_a_named_fault(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"board\.sock"):
            make_board(BoardConfig(kind="sim"), tmp_path / ("d" * 120))

    def test_jetson_without_its_library_is_refused_and_never_replaced(self, tmp_path: Path) -> None:
        with pytest.raises(PartMissing, match=r"Jetson\.GPIO") as caught:
            make_board(BoardConfig(kind="jetson", definition="agx-orin-one-wire"), tmp_path)
        assert "install" in caught.value.todo
