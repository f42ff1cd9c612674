"""What every hardware watchdog does: takes its timeout or says no by name, serves one program, is fed, is stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from firmware.errors import PartMissing
from hw.ports import Watchdog

TIMEOUT_S = 120
ROOT = Path(__file__).resolve().parents[2]


class WatchdogContract:
    """A subclass gives `make(timeout_s)`. On a real device each test leaves it stopped, or the machine restarts."""

    port = "watchdog"

    def make(self, timeout_s: int = TIMEOUT_S) -> Watchdog:
        raise NotImplementedError

    def test_it_is_fed_again_and_again_and_stopped_in_order(self) -> None:
        watchdog = self.make()
        try:
            for _ in range(10):
                watchdog.feed()
        finally:
            watchdog.close()
            watchdog.close()

    def test_a_second_program_is_refused_by_name_and_does_no_harm(self) -> None:
        watchdog = self.make()
        try:
            with pytest.raises(PartMissing, match="in use") as caught:
                self.make()
            assert caught.value.todo
            watchdog.feed()
        finally:
            watchdog.close()

    def test_it_can_be_started_again_after_it_was_stopped(self) -> None:
        for _ in range(2):
            watchdog = self.make()
            watchdog.feed()
            watchdog.close()


class WatchdogContractElsewhere:
    """The contract runs in a process of its own: `bed` is the test file with its subclass, `wrapper` what starts it."""

    port = "watchdog"
    bed: str
    wrapper: list[str]

    def test_the_contract_holds_in_a_process_of_its_own(self) -> None:
        command = [*self.wrapper, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", self.bed]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
