"""The agent's side of the audit collector: asks the recorder for the lines it lacks and delivers them, page by page.

On a thread and a connection of its own. Nothing waits in memory but the page under way: the recorder's journal is the
buffer, and a small file says up to where the collector has it. That moves only when the collector has confirmed a page.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from firmware.audit import chain
from firmware.audit.cursor import Cursor, after, next_lines
from firmware.audit.syslog import frame, syslog_message
from firmware.config import Config
from firmware.durable import write_durably
from firmware.errors import CollectorFault, DiskFault
from firmware.fleet.collector import DELIVERY_TIMEOUT_S, QUIET_S, deliver
from firmware.fleet.rounds import Pace, Rounds, as_fleet
from firmware.ipc import Channel, ChannelClosed
from firmware.json_data import decode_json
from firmware.log import get_logger
from firmware.messages import (
    MAX_LOG_PAGE,
    Answer,
    CollectorReport,
    FromRecorder,
    LogLine,
    LogPage,
    ReadLog,
    ToRecorder,
)

CURSOR_NAME = "audit-cursor.json"

log = get_logger("audit-collector")


PACE = Pace(look_every_s=2.0, first_s=1.0, most_s=60.0)


class AuditClient:
    """`start` and `close`. A collector or a recorder that is away is asked again, for ever."""

    def __init__(
        self, config: Config, pace: Pace = PACE, *, delivery_s: float = DELIVERY_TIMEOUT_S, quiet_s: float = QUIET_S
    ) -> None:
        self._audit, self._device, self._recorder_s = config.audit, config.device.name, pace.recorder_s
        self._delivery_s, self._quiet_s = delivery_s, quiet_s
        self._run_dir = Path(config.paths.run_dir)
        self._cursor_file = os.path.join(config.paths.state_dir, "fleet", CURSOR_NAME)
        self._cursor = _load(self._cursor_file)
        self._failing_since_s: float | None = None
        self._told_away: bool | None = None  # None: what an agent before this one told is not known
        self._rounds = Rounds("audit-collector", self._round, CollectorFault, pace)
        self.start, self.close = self._rounds.start, self._rounds.close

    def _round(self) -> None:
        """Deliver all there is. Raises CollectorFault, ChannelClosed, OSError (no recorder)."""
        with as_fleet(self._run_dir, self._recorder_s) as channel:
            while not self._rounds.stopping:
                lines = self._lines(channel)
                if not lines:
                    return
                try:
                    deliver(self._audit, _frames(lines, self._device), self._delivery_s, self._quiet_s)
                except CollectorFault as fault:
                    self._failed(channel, fault)
                    raise
                self._delivered(channel, lines)

    def _lines(self, channel: Channel[ToRecorder, FromRecorder]) -> Sequence[LogLine]:
        """The next page for the collector. Raises ChannelClosed."""
        wanted = ReadLog(uuid.uuid4().hex, self._cursor.ask_after, MAX_LOG_PAGE)
        channel.send(wanted, timeout_s=self._recorder_s)
        heard = channel.recv(self._recorder_s)
        if not isinstance(heard, LogPage) or heard.id != wanted.id:
            raise ChannelClosed(f"the recorder gave no page of its log ({_why(heard)})")
        found = next_lines(self._cursor, heard.lines)
        if found.problem:
            log.error("journal-not-continuous", problem=found.problem, start_over=found.start_over)
        if found.start_over:
            self._keep(Cursor())
            return self._lines(channel)
        return found.lines

    def _delivered(self, channel: Channel[ToRecorder, FromRecorder], lines: Sequence[LogLine]) -> None:
        self._keep(after(lines))
        self._rounds.went_well()
        self._failing_since_s = None
        if self._told_away is not False:
            channel.send(CollectorReport(), timeout_s=self._recorder_s)
            self._told_away = False

    def _failed(self, channel: Channel[ToRecorder, FromRecorder], fault: CollectorFault) -> None:
        """Tell the recorder once it has lasted too long; and again each time, for a recorder that was restarted."""
        now_s = time.monotonic()
        since_s = self._failing_since_s = self._failing_since_s if self._failing_since_s is not None else now_s
        if now_s - since_s >= self._audit.alert_after_s:
            with contextlib.suppress(ChannelClosed):  # the next time tells it again
                channel.send(CollectorReport(fault.what[:500]), timeout_s=self._recorder_s)
                self._told_away = True

    def _keep(self, cursor: Cursor) -> None:
        """What cannot be written is known while this process lives; after it, those lines are sent twice."""
        self._cursor = cursor
        try:
            write_durably(self._cursor_file, msgspec.json.encode(cursor))
        except DiskFault as fault:
            log.error("cursor-not-kept", error=str(fault), meaning="lines may be told twice after a restart")


def _load(path: str) -> Cursor:
    """Where it stood; from the first line on where that is not known. Makes the folder. Raises DiskFault."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "rb") as file:
            return decode_json(file.read(), Cursor)
    except FileNotFoundError:
        return Cursor()
    except ValueError as error:
        log.error("cursor-damaged", path=path, error=str(error), meaning="the whole log is told once more")
        return Cursor()
    except OSError as error:
        raise DiskFault(f"{path} cannot be read ({error.strerror})", meaning="The audit collector is told nothing",
                        todo="check the disk that holds paths.state_dir") from error


def _frames(lines: Sequence[LogLine], device: str) -> Iterator[bytes]:
    for line in lines:
        yield frame(syslog_message(chain.told(chain.Row(line.seq, line.line, line.chain, line.signature)), device))


def _why(heard: FromRecorder | None) -> str:
    return heard.reason if isinstance(heard, Answer) else "no answer" if heard is None else type(heard).__name__
