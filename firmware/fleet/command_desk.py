"""Takes the fleet's commands to the recorder and keeps the answers until they are sent. Decides nothing itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from firmware.fleet.commands import Refusal, read_command
from firmware.fleet.recorder_link import RecorderLink
from firmware.fleet.session import Inbound
from firmware.fleet.timing import MAX_ANSWERS, MAX_PENDING_COMMANDS
from firmware.fleet.topics import FleetAnswer
from firmware.log import get_logger

log = get_logger("commands")


class CommandDesk:
    """Every command gets an answer: the recorder's, or why there is none. `answers` is oldest first and bounded."""

    def __init__(
        self, device: str, link: RecorderLink, answer_timeout_s: float, unix_s: Callable[[], float]
    ) -> None:
        self._device, self._link, self._timeout_s, self._unix_s = device, link, answer_timeout_s, unix_s
        self._pending: dict[str, float] = {}
        self.answers: deque[FleetAnswer] = deque(maxlen=MAX_ANSWERS)

    def take(self, message: Inbound) -> None:
        """Hand one message of the command topic on, or answer why not. Nothing waits for a later moment."""
        read = read_command(
            message.payload, retained=message.retained, expiry_s=message.expiry_s, now_unix_s=self._unix_s()
        )
        if read is None:
            return
        if isinstance(read, Refusal):
            log.warning("command-refused", id=read.id, reason=read.reason)
            self._refuse(read.id, read.reason)
        elif len(self._pending) >= MAX_PENDING_COMMANDS:
            self._refuse(read.id, f"busy: {MAX_PENDING_COMMANDS} commands wait for the recorder")
        elif self._link.ask(read):
            self._pending[read.id] = time.monotonic() + self._timeout_s
        else:
            self._refuse(read.id, "recorder: unreachable")

    def gather(self) -> None:
        """Collect what the recorder answered, and answer for it where it did not in time."""
        for answer in self._link.answers():
            self._pending.pop(answer.id, None)
            self.answers.append(
                FleetAnswer(self._device, self._unix_s(), answer.id, answer.ok, answer.state, answer.reason)
            )
        now_s = time.monotonic()
        for late in [command for command, deadline_s in self._pending.items() if now_s > deadline_s]:
            del self._pending[late]
            self._refuse(late, f"recorder: no answer within {self._timeout_s:g} s; the command may still take effect")

    def _refuse(self, command: str, reason: str) -> None:
        report = self._link.state
        state = report.state if report is not None else "UNKNOWN"
        self.answers.append(FleetAnswer(self._device, self._unix_s(), command, False, state, reason))
