"""A thread of the agent that goes its round now and again, for ever, on a connection of its own to the recorder.

A recorder that is away is asked again at the usual pace; what stands against the round itself makes the waits longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import ScrubcamError
from firmware.fleet.backoff import Backoff
from firmware.ipc import Channel, ChannelClosed
from firmware.log import get_logger
from firmware.messages import ActAsFleet, FromRecorder, ToRecorder
from firmware.recorder_socket import connect_to_recorder


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds. `look_every_s`: how soon something new is noticed; waits double from `first_s` to `most_s`.
    `recorder_s`: how long the recorder may take for one answer."""

    look_every_s: float
    first_s: float
    most_s: float
    recorder_s: float = 10.0


class Rounds:
    """`start`, `close`. `go` raises `fault` (its peer is away or refuses), ChannelClosed or OSError (no recorder)."""

    def __init__(self, name: str, go: Callable[[], None], fault: type[ScrubcamError], pace: Pace) -> None:
        self._go, self._fault, self._pace, self._log = go, fault, pace, get_logger(name)
        self._backoff = Backoff(pace.first_s, pace.most_s, stable_s=0.0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Has `close` been called? A round that takes long asks in between."""
        return self._stopping.is_set()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def went_well(self) -> None:
        """The peer took what it was given: the next failure begins with a short wait again."""
        self._backoff.connected(time.monotonic())

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._pace.look_every_s
            try:
                self._go()
            except (ChannelClosed, OSError) as error:
                self._log.info("recorder-unreachable", error=str(error))
            except self._fault as fault:
                wait_s = self._backoff.failed(time.monotonic())
                self._log.warning(f"{fault.code}-fault", error=str(fault), again_in_s=round(wait_s, 1))
            except Exception:  # this thread must outlive anything: without it the peer hears nothing
                wait_s = self._backoff.failed(time.monotonic())
                self._log.exception("round-failed")
            self._stopping.wait(wait_s)


@contextmanager
def as_fleet(run_dir: Path, timeout_s: float) -> Iterator[Channel[ToRecorder, FromRecorder]]:
    """A connection to the recorder in the fleet's role. Raises OSError when there is none, ChannelClosed."""
    channel = connect_to_recorder(run_dir)
    try:
        channel.send(ActAsFleet(), timeout_s=timeout_s)
        yield channel
    finally:
        channel.close()
