"""The supervisor: starts, restarts, gives up by name, and stops in order with the recording sealed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorder_helpers import CONSENT, Unit, children_of, runs, until

RUN = "import sys; from firmware.recorder.supervisor import run; sys.exit(run(sys.argv[1]))"


class Supervised(Unit):
    """A unit under its supervisor, as `scrubcam run` has it."""

    def supervise(self, *, agent: bool = False) -> None:
        if agent:  # nobody listens there: the agent lives on and keeps trying
            text = self.config.read_text()
            self.config.write_text(text.replace("[mqtt]", '[mqtt]\nhost = "127.0.0.1"\nport = 9\ntls = false'))
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(self.config)], stderr=subprocess.PIPE, text=False,
        )

    def child(self, module: str) -> int:
        """The process id of a supervised child."""

        def found() -> int | None:
            assert self.process is not None
            for pid in children_of(self.process.pid):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if module.encode() in words and b"child.py" not in words[3]:
                    return pid
            return None

        return until(found, what=f"{module} running")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal the supervisor; its exit status and what it said."""
        assert self.process is not None
        self.process.send_signal(number)
        said = self.process.communicate(timeout=30)[1].decode()
        status = self.process.returncode
        self._forget()
        return status, said


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Supervised]:
    unit = Supervised(tmp_path)
    yield unit
    if unit.process is not None:
        unit.process.kill()
        unit.process.communicate(timeout=10)
        unit._forget()


def test_a_stop_seals_and_ends_everything(unit: Supervised) -> None:
    unit.supervise()
    listener = unit.listen()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    recorder = unit.child("firmware.recorder")
    status, said = unit.end()
    assert status == 0
    assert "no agent is started" in said
    assert "Traceback" not in said
    assert not runs(recorder)
    with unit.open() as recording:
        assert recording.verify().state == "sealed"


def test_a_killed_recorder_comes_back_and_closes_what_it_left(unit: Supervised) -> None:
    unit.supervise()
    listener = unit.listen()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    first = unit.child("firmware.recorder")
    os.kill(first, signal.SIGKILL)
    until(lambda: not runs(first), what="its end")
    listener.close()
    second = unit.child("firmware.recorder")
    assert second != first
    listener = unit.listen()
    assert listener.event("recovered").fields["outcome"] == "closed"
    assert unit.end(signal.SIGINT)[0] == 0


def test_the_agents_death_never_touches_the_recorder(unit: Supervised) -> None:
    unit.supervise(agent=True)
    listener = unit.listen()
    listener.state("READY")
    recorder, agent = unit.child("firmware.recorder"), unit.child("firmware.fleet")
    os.kill(agent, signal.SIGKILL)
    until(lambda: not runs(agent), what="its end")
    time.sleep(0.3)
    assert unit.child("firmware.fleet") != agent
    assert unit.child("firmware.recorder") == recorder
    assert listener.ask("status").state == "READY"
    status, said = unit.end()
    assert status == 0
    assert "Traceback" not in said


def test_children_die_with_a_killed_supervisor(unit: Supervised) -> None:
    unit.supervise()
    unit.listen().state("READY")
    recorder = unit.child("firmware.recorder")
    assert unit.process is not None
    unit.process.kill()
    unit.process.communicate(timeout=10)
    until(lambda: not runs(recorder), what="the recorder's end")
    unit._forget()


def test_a_fault_that_no_restart_heals_ends_the_supervisor(unit: Supervised) -> None:
    (unit.root / "state").mkdir()
    (unit.root / "run").mkdir()
    (unit.root / "run" / "recorder.sock").mkdir()  # a directory where the socket must be
    unit.supervise()
    assert unit.process is not None
    said = unit.process.communicate(timeout=30)[1].decode()
    assert unit.process.returncode == 3
    assert "recorder.sock" in said
    assert "Traceback" not in said
    unit._forget()
