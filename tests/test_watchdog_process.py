"""A real recorder with both watchdogs listening: systemd's notify socket and a hardware timer that outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.errors import PartMissing
from hw.sim.watchdog import WatchdogDevice, WatchdogWire
from tests.recorder_helpers import CONSENT, Unit, until


class Systemd:
    """The other end of sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.setblocking(False)
        self.words: list[str] = []

    def read(self) -> list[str]:
        while True:
            try:
                self.words.append(self._sock.recv(100).decode())
            except BlockingIOError:
                return self.words

    def fed(self) -> int:
        return self.read().count("WATCHDOG=1")

    def close(self) -> None:
        self._sock.close()


class Bench:
    """A unit between its watchdogs."""

    def __init__(self, root: Path) -> None:
        self.unit = Unit(root)
        self.unit.configure("power", hardware_watchdog=True)
        self.device = WatchdogDevice()
        self.wire = WatchdogWire(root / "watchdog.sock", self.device)
        self.systemd = Systemd(root / "notify.sock")

    def both_fed(self) -> None:
        """Within a few seconds, however busy the machine is."""
        before = self.systemd.fed(), self.device.feeds
        until(lambda: self.systemd.fed() > before[0] and self.device.feeds > before[1], what="feeding")

    def close(self) -> None:
        if self.unit.process is not None:
            self.unit.process.send_signal(signal.SIGCONT)
            self.unit.kill9()
        self.wire.close()
        self.systemd.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
    monkeypatch.setenv("SCRUBCAM_SIM_WATCHDOG", str(tmp_path / "watchdog.sock"))
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_fed_while_it_works_without_any_agent_starved_while_its_loop_stands_and_stopped_in_order(bench: Bench) -> None:
    listener = bench.unit.start()
    listener.record(CONSENT)
    assert "READY=1" in bench.systemd.read()
    assert (bench.device.open_now, bench.device.running, bench.device.timeout_s) == (True, True, 120)
    for _ in range(3):
        bench.both_fed()

    assert bench.unit.process is not None
    bench.unit.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    before = bench.systemd.fed(), bench.device.feeds
    time.sleep(3.0)
    assert (bench.systemd.fed(), bench.device.feeds) == before, "fed by a loop that stands"
    bench.unit.process.send_signal(signal.SIGCONT)
    bench.both_fed()

    assert bench.unit.stop() == 0
    assert bench.systemd.read()[-1] == "STOPPING=1"
    until(lambda: not bench.device.open_now, what="the end of the connection")
    assert not bench.device.running, "an orderly end stops the timer"
    with bench.unit.open() as recording:
        assert recording.verify().ok


def test_a_killed_recorder_leaves_the_timer_running_and_the_next_one_feeds_it_again(bench: Bench) -> None:
    bench.unit.start().record(CONSENT)
    bench.both_fed()
    bench.unit.kill9()
    until(lambda: not bench.device.open_now, what="the end of the connection")
    assert bench.device.running, "the machine would never be restarted"
    bench.unit.start()
    bench.both_fed()
    assert not bench.device.look()
    assert bench.unit.stop() == 0


def test_one_that_is_asked_for_and_absent_is_a_named_fault(bench: Bench) -> None:
    environment = os.environ | {"SCRUBCAM_SIM_WATCHDOG": str(bench.unit.root / "nothing.sock")}
    done = subprocess.run([sys.executable, "-m", "firmware.recorder", "--config", str(bench.unit.config)],
                          env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == PartMissing.exit_code
    assert "the simulated watchdog" in done.stderr
    assert "is not there" in done.stderr
    assert "Do: " in done.stderr
