"""Runs the recorder and the agent as two processes, for `scrubcam run` where systemd does not do it.

The recorder starts its own pipeline. A child that dies is started again, with a wait that grows; the agent's death
never touches the recorder. A stop seals first: the recorder ends before the agent, which then tells its last events.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from firmware.config_file import load
from firmware.log import get_logger
from firmware.recorder.link import child_command, child_environment

WINDOW_S = 60.0
RECORDER_RESTARTS = 5
WAITS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
RECORDER_STOP_S = 20.0
AGENT_STOP_S = 5.0
POLL_S = 0.1
GIVEN_UP = 20
_FINAL = frozenset({3, 9, 13})
"""Exit codes that no restart heals: configuration, keys, a missing part."""

log = get_logger("supervisor")


@dataclass(slots=True)
class Child:
    """One supervised process; `deaths_s` are those within the window."""

    name: str
    module: str
    process: subprocess.Popen[bytes] | None = None
    deaths_s: list[float] = field(default_factory=list)
    start_at_s: float = 0.0

    def start(self, config_path: str) -> None:
        # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which stops things in order.
        self.process = subprocess.Popen(
            child_command(sys.executable, "-m", self.module, "--config", config_path),
            env=child_environment() | _notify_environment(self.name), stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def died(self, now_s: float) -> int | None:
        """The exit status if it has just died; then the wait before the next start is set."""
        if self.process is None:
            return None
        status = self.process.poll()
        if status is None:
            return None
        self.process = None
        self.deaths_s = [*(at for at in self.deaths_s if now_s - at < WINDOW_S), now_s]
        self.start_at_s = now_s + WAITS_S[min(len(self.deaths_s), len(WAITS_S)) - 1]
        return status

    def stop(self, timeout_s: float) -> int:
        """SIGTERM, wait, and SIGKILL only after the deadline. Returns the exit status, 0 when it did not run."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.error("killed", child=self.name, waited_s=timeout_s)
            self.process.kill()
        try:
            return self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL  # the kernel itself waits for a disk: it ends when that answers


def run(config_path: str | Path) -> int:
    """Until SIGTERM, SIGINT or a fault that no restart heals. Returns the exit status for the command."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return supervise(str(config_path), stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def supervise(config_path: str, stop: threading.Event) -> int:
    """The loop of `run`, ended by `stop`. Raises ConfigError before anything is started."""
    cfg = load(config_path)
    recorder = Child("recorder", "firmware.recorder")
    children = [recorder]
    if cfg.agent_wanted:
        children.append(Child("agent", "firmware.fleet"))
    if not cfg.mqtt.host:
        print("scrubcam: mqtt.host is empty, so nothing is sent to a fleet manager"
              f"{'' if cfg.agent_wanted else ' and no agent is started'}.", file=sys.stderr)
    try:
        while not stop.wait(POLL_S):
            now = time.monotonic()
            for child in children:
                status = child.died(now)
                if status is None and child.process is None and now >= child.start_at_s:
                    child.start(config_path)
                elif status is not None and (ended := _judge(child, recorder, status)) is not None:
                    return ended
    finally:
        ended_with = recorder.stop(RECORDER_STOP_S)
        for child in children[1:]:
            child.stop(AGENT_STOP_S)
    if ended_with == -signal.SIGKILL:
        print("scrubcam: the recorder had to be killed. What was synced is safe; the next start closes it. "
              "Do: check the disk.", file=sys.stderr)
        return GIVEN_UP
    return max(0, ended_with)


def _judge(child: Child, recorder: Child, status: int) -> int | None:
    """What a death means: None to go on, else the exit status of the whole."""
    log.warning("died", child=child.name, status=status)
    if child is not recorder:
        return None
    if status == 0:
        return 0  # it was stopped by someone else, cleanly
    if status in _FINAL:
        return status
    if len(child.deaths_s) > RECORDER_RESTARTS:
        print(f"scrubcam: the recorder ended {len(child.deaths_s)} times within {WINDOW_S:g} s; it is not started "
              "again. What was recorded is safe and is closed at the next start. Do: look at the messages above.",
              file=sys.stderr)
        return GIVEN_UP
    return None


def _notify_environment(name: str) -> dict[str, str]:
    """Under systemd the recorder alone speaks for the unit."""
    socket = os.environ.get("NOTIFY_SOCKET", "")
    return {"NOTIFY_SOCKET": socket} if socket and name == "recorder" else {}
