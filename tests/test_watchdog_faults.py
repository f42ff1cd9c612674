"""A whole recorder that cannot heal: whom its watchdogs feed then. Its clock is real until the fault, then fast.

The recorder runs in this process, with a real pipeline, a simulated disk and systemd's notify socket; the patience of
minutes then passes in seconds.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.config_file import load
from firmware.recorder.evidence import PATIENCE_NS
from firmware.recorder.machine_types import SECOND
from firmware.recorder.process import Parts, RecorderProcess
from hw.board import make_board
from hw.disk import OsDisk
from hw.sim.disk import SimDisk
from hw.sim.watchdog import SimWatchdog, WatchdogDevice, WatchdogWire
from tests.recorder_helpers import CONSENT, Listener, Unit, children_of, until
from tests.test_watchdog_process import Systemd


class FastClock:
    """CLOCK_MONOTONIC, and from `hurry` on so much faster."""

    def __init__(self) -> None:
        self._rate, self._real_ns = 1, time.monotonic_ns()
        self._own_ns = self._real_ns

    def monotonic_ns(self) -> int:
        return self._own_ns + (time.monotonic_ns() - self._real_ns) * self._rate

    def unix_s(self) -> float:
        return time.time()

    def hurry(self, rate: int) -> None:
        own, real = self.monotonic_ns(), time.monotonic_ns()
        self._own_ns, self._real_ns, self._rate = own, real, rate


class Whole:
    """One recorder between its watchdogs."""

    def __init__(self, root: Path, disk: SimDisk | OsDisk) -> None:
        self.unit, self.clock = Unit(root, preroll_s=1), FastClock()
        cfg = load(self.unit.config)
        for folder in (cfg.paths.state_dir, cfg.paths.run_dir):
            Path(folder).mkdir()
        self.systemd = Systemd(root / "notify.sock")
        self.device = WatchdogDevice(most_s=255)
        self.wire = WatchdogWire(root / "watchdog.sock", self.device)
        self.board = make_board(cfg.board, cfg.paths.run_dir)
        self.process = RecorderProcess(
            cfg, Parts(self.board, disk, self.clock, None, lambda: SimWatchdog(str(root / "watchdog.sock"), 120))
        )
        self.thread = threading.Thread(target=self.process.run)
        self.thread.start()
        self.listener: Listener = self.unit.listen()

    def fed(self) -> tuple[int, int]:
        return self.systemd.fed(), self.device.feeds

    def starved(self) -> bool:
        """Is systemd's watchdog not fed for two seconds, though the hardware's is?"""
        before = self.fed()
        time.sleep(2.0)
        after = self.fed()
        self.listener.read()  # who does not listen is dropped
        return after[0] == before[0] and after[1] > before[1]

    def close(self) -> None:
        self.listener.close()
        self.process.ask_to_stop()
        self.thread.join(60)
        self.board.close()
        self.wire.close()
        self.systemd.close()
        assert not self.thread.is_alive()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[SimDisk | OsDisk], Whole]]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
    made: list[Whole] = []

    def whole(disk: SimDisk | OsDisk) -> Whole:
        made.append(Whole(tmp_path, disk))
        return made[-1]

    yield whole
    for one in made:
        one.close()


def freeze_pipelines(stop: threading.Event) -> None:
    """Every pipeline that the recorder starts stands still at once."""
    while not stop.wait(0.05):
        for pid in children_of(os.getpid()):
            try:
                if b"firmware.pipeline" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGSTOP)
            except OSError:
                continue  # it ended


def test_pipelines_that_freeze_again_and_again_starve_systemd_s_watchdog_and_not_the_hardware_s(
    make: Callable[[SimDisk | OsDisk], Whole],
) -> None:
    whole = make(OsDisk())
    whole.listener.state("READY", 60.0)
    listener = whole.listener
    until(lambda: (listener.read(), listener.healths and listener.healths[-1].frames_out > 0)[1], 60.0, "pictures")
    stop = threading.Event()
    freezer = threading.Thread(target=freeze_pipelines, args=(stop,), daemon=True)
    freezer.start()
    try:
        whole.clock.hurry(20)
        since = whole.clock.monotonic_ns()
        until(whole.starved, 90.0, "no more feeding")
        assert whole.clock.monotonic_ns() - since > PATIENCE_NS - 10 * SECOND, "starved before its patience was over"
    finally:
        stop.set()
        freezer.join(10)


def test_a_disk_that_hangs_for_good_under_a_recording_does_too(make: Callable[[SimDisk | OsDisk], Whole]) -> None:
    disk = SimDisk()
    whole = make(disk)
    whole.listener.record(CONSENT)
    assert not whole.starved()
    for operation in ("write", "sync"):
        disk.hang(operation)  # type: ignore[arg-type]
    whole.clock.hurry(4)  # no faster: the pictures go on coming, and are to count as fresh
    try:
        until(whole.starved, 90.0, "no more feeding")
        assert whole.listener.states[-1].state in ("FAULT", "SELFTEST")
        assert whole.listener.states[-1].fault
    finally:
        disk.release()
