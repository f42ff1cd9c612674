"""A test's hand on the emulated pedal and its eye on the adapter, both in a process of their own (host.py)."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hw.ports import PedalLost

ANSWER_S = 30.0


class Remote:
    """Requests to the host, by name: `remote.ask("key", node="event0", code=48, down=True)`. Also a `Pins`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, verb: str, timeout_s: float = ANSWER_S, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, arguments]) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        line = self._process.stdout.readline() if ready else ""
        assert line, f"the host did not answer {verb}"
        return json.loads(line)

    def read(self) -> dict[str, bool]:
        answer = self.ask("read")
        if "lost" in answer:
            raise PedalLost(answer["lost"], fault=answer["fault"])
        return dict(answer["levels"])

    def close(self) -> None:
        self.ask("close")


@contextmanager
def host() -> Iterator[Remote]:
    """A host process with nothing plugged in."""
    process = subprocess.Popen(["umockdev-wrapper", sys.executable, "-m", "tests.evdev.host"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Remote(process)
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        process.stdout.close()
