"""The self-test of the whole path, on the process's side: the child that runs it, its result, when it is due.

The recorder holds no codec and no detector, so the test is a process of its own: it gets the configuration and gives
its findings, a JSON line each. It dies with the recorder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import msgspec

from firmware import __version__
from firmware.config import Config
from firmware.durable import write_durably
from firmware.errors import DiskFault
from firmware.json_data import decode_json
from firmware.log import get_logger
from firmware.recorder import machine_types as t
from firmware.recorder.link import child_command, child_environment

LIMIT_S = 60.0
RESULT_NAME = "selftest.json"
MOST_LINE_BYTES = 4096
ALERT = "selftest"
log = get_logger("selftest")


class Kept(msgspec.Struct):
    """What is known of the last one: in which boot of the machine it was begun and by which software, and what came
    through uncovered."""

    boot_id: str = ""
    software: str = ""
    uncovered: str = ""


class SelftestDesk:
    """`run` and `stop` never wait. Results come as events through `report`, from another thread."""

    def __init__(self, cfg: Config, report: Callable[[t.MachineEvent], None]) -> None:
        self._cfg, self._report = cfg, report
        self._path = os.path.join(cfg.paths.state_dir, RESULT_NAME)
        self._kept = _read(self._path)
        self._lock = threading.Lock()
        self._number = 0
        """Of the test that counts; each run and each stop makes a new one."""
        self._child: subprocess.Popen[bytes] | None = None
        self._held = False

    @property
    def due(self) -> bool:
        """Is there to be one at this start: the first since the machine was switched on, or of new software?"""
        return self._cfg.selftest.at_boot and (self._kept.boot_id, self._kept.software) != (_boot_id(), __version__)

    @property
    def problem(self) -> str:
        """What a start is refused for: the last self-test saw something identifying uncovered."""
        return self._kept.uncovered

    def held(self, held_ns: int) -> bool:
        """True once for each time that the button has been closed for so long (0: it is open)."""
        wanted_ns = round(self._cfg.selftest.hold_s * 1e9)
        now = 0 < wanted_ns <= held_ns
        new, self._held = now and not self._held, now
        return new

    def run(self) -> None:
        """Start it."""
        self.stop()
        threading.Thread(target=self._run, args=(self._number,), name="selftest", daemon=True).start()

    def stop(self) -> None:
        """End it at once; its result does not count any more. May be called when none runs."""
        with self._lock:
            self._number += 1
            child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _run(self, number: int) -> None:
        # Noted before it begins: a test that brings the recorder down would do so again at the next start.
        self._keep(Kept(_boot_id(), __version__, self._kept.uncovered))
        with self._lock:
            if number != self._number:
                return
            try:
                child = self._child = subprocess.Popen(
                    child_command(sys.executable, "-m", "firmware.selftest_child"), env=child_environment(),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            except OSError as error:
                self._tell({"passed": False, "problem": f"it cannot be started ({error})"}, "")
                return
        found, status = self._listen(child)
        with self._lock:
            counts, self._child = number == self._number, None
        if counts:
            self._judge(found, status)

    def _listen(self, child: subprocess.Popen[bytes]) -> tuple[list[dict[str, object]], int]:
        """Give it the configuration; its findings, and its exit status."""
        end = threading.Timer(LIMIT_S, child.kill)
        end.daemon = True
        end.start()
        found: list[dict[str, object]] = []
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with child.stdin as words:
                words.write(msgspec.json.encode(self._cfg))
            while line := child.stdout.readline(MOST_LINE_BYTES):
                if line.startswith(b"{"):  # a native library may have words of its own
                    found.append(json.loads(line))
        except (OSError, ValueError) as error:
            log.error("unreadable", error=str(error))
        finally:
            status = child.wait()
            end.cancel()
            child.stdout.close()
        return found, status

    def _judge(self, found: list[dict[str, object]], status: int) -> None:
        fields: dict[str, t.Scalar] = {str(one["name"]).replace(" ", "_"): bool(one["held"]) for one in found}
        failed = [f"{one['name']}: {one['told']}" for one in found if not one["held"]]
        if status != 0:
            late = f"not done within {LIMIT_S:.0f} s" if status < 0 else f"it ended with status {status}"
            failed.append(late)
        uncovered = [str(one["name"]) for one in found if one["privacy"] and not one["held"]]
        problem = "; ".join(failed)[:500]
        self._tell({"passed": not failed, **fields, **({"problem": problem} if problem else {})}, ", ".join(uncovered))

    def _tell(self, fields: dict[str, t.Scalar], uncovered: str) -> None:
        """A test that never got as far as the pictures says nothing about what is covered: the last word stands."""
        looked = "face_covered" in fields
        if looked:
            self._keep(Kept(_boot_id(), __version__, f"the last self-test failed: {uncovered}" if uncovered else ""))
        problem = str(fields.get("problem", ""))
        self._report(t.PathTested(fields))
        self._report(t.Alerted(ALERT, problem, cleared=bool(fields["passed"])))

    def _keep(self, kept: Kept) -> None:
        self._kept = kept
        try:
            write_durably(self._path, msgspec.json.encode(kept))
        except DiskFault as fault:
            log.error("result-not-kept", error=str(fault), meaning="the next start tests again")


def _read(path: str) -> Kept:
    """What was kept; nothing when it cannot be read: then there is one more test than needed."""
    try:
        with open(path, "rb") as file:
            return decode_json(file.read(MOST_LINE_BYTES), Kept)
    except (OSError, ValueError):
        return Kept()


def _boot_id() -> str:
    """The kernel's own id of this boot of the machine; empty where it tells none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
