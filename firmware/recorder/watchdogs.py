"""Feeds systemd's watchdog and the hardware's as the evidence says, and keeps what was tried over a restart.

Judges nothing of that (evidence.py does). The hardware's is started with the recorder, unless this is yet another start
of one that never showed any evidence: to start it is to feed it, and a recorder that dies again and again must not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from firmware.durable import write_durably
from firmware.errors import ScrubcamError
from firmware.json_data import decode_json
from firmware.log import get_logger
from firmware.recorder.evidence import Evidence
from firmware.recorder.machine_types import SECOND, Alerted, MachineState
from firmware.recorder.watchdog import SystemdWatchdog
from hw.ports import Watchdog

KEPT_NAME = "watchdogs.json"
FEED_NS = SECOND
MOST_STARTS = 5
CODE = "watchdog"
NOTHING_HELPED = "restarts did not bring pictures or a working disk back. Do: have the unit serviced"
NOT_FED = "the hardware watchdog does not take its feeding ({}): the unit may restart at any time. Do: have it serviced"

log = get_logger("watchdogs")


class Kept(msgspec.Struct, frozen=True):
    """What happened since there was evidence last: steps taken (evidence.py), starts of the recorder."""

    tries: int = 0
    starts: int = 0


class Watchdogs:
    """`look` at each tick. `start_hardware` starts the hardware's, or gives None where there is to be none."""

    def __init__(self, state_dir: str, start_hardware: Callable[[], Watchdog | None]) -> None:
        self._path, self._start_hardware = Path(state_dir) / KEPT_NAME, start_hardware
        self._systemd = SystemdWatchdog()
        self._hardware: Watchdog | None = None
        self._late = False
        self._writing = threading.Lock()
        self._kept = self._read()
        self._evidence = Evidence(self._kept.tries, hardware=False)
        self._fed_ns = 0
        self._problem = ""
        self._told = False

    def ready(self) -> None:
        """The recorder is up. Raises PartMissing when the hardware watchdog is configured and cannot be had."""
        self._kept = Kept(self._kept.tries, self._kept.starts + 1)
        self._write()  # waits for the disk: one that hangs here leaves the hardware unfed
        self._late = self._kept.starts > MOST_STARTS
        if not self._late:
            self._hardware = self._start_hardware()
        self._evidence = Evidence(self._kept.tries, hardware=self._hardware is not None)
        self._systemd.ready()

    def look(
        self, now_ns: int, state: MachineState, picture_age_s: float | None, problem_code: str,
    ) -> Iterator[Alerted]:
        """Feed, once a second, whom the evidence says; and what there is to tell."""
        feed = self._evidence.look(now_ns, state, picture_age_s, problem_code)
        if feed.evident and self._late:
            self._start_late()
        kept = Kept() if feed.evident else Kept(feed.tries, self._kept.starts)
        if kept != self._kept:
            if kept.tries != self._kept.tries:
                log.warning("no-evidence" if kept.tries else "evidence-again", tries=kept.tries, state=state.name)
            self._kept = kept
            threading.Thread(target=self._write, name="watchdogs", daemon=True).start()
        if now_ns - self._fed_ns >= FEED_NS:
            self._fed_ns = now_ns
            if feed.systemd:
                self._systemd.feed()
            if feed.hardware:
                self._feed_hardware()
        text = NOTHING_HELPED if self._evidence.given_up else self._problem
        if bool(text) != self._told:
            self._told = bool(text)
            yield Alerted(CODE, text, cleared=not text)

    def stopping(self) -> None:
        self._systemd.close()

    def close(self) -> None:
        """The recorder ended on purpose, with nothing left open."""
        if self._hardware is not None:
            try:
                self._hardware.close()
            except OSError as error:
                log.error("watchdog-not-stopped", problem=error.strerror or str(error))

    def _start_late(self) -> None:
        self._late = False
        try:
            self._hardware = self._start_hardware()
        except ScrubcamError as fault:
            self._problem = str(fault)
        self._evidence = Evidence(0, hardware=self._hardware is not None)

    def _feed_hardware(self) -> None:
        if self._hardware is not None:
            try:
                self._hardware.feed()
                self._problem = ""
            except OSError as error:
                self._problem = NOT_FED.format(error.strerror or error)

    def _read(self) -> Kept:
        """What an earlier process kept; a file that cannot be read counts as nothing."""
        try:
            return decode_json(self._path.read_bytes(), Kept)
        except (OSError, ValueError):
            return Kept()

    def _write(self) -> None:
        """What is to be kept at this moment; one writer at a time, so that the last word stays."""
        with self._writing:
            try:
                write_durably(str(self._path), msgspec.json.encode(self._kept))
            except (ScrubcamError, OSError) as fault:
                log.error("tries-not-kept", problem=str(fault), meaning="a step may be taken once more")
