"""The agent's side of the recorder's local socket: keeps asking for it, fills the outbox, hands commands over.

The recorder never waits for this end: whatever is missed here is asked for again from the journal.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

from firmware.errors import DiskFault
from firmware.fleet.backoff import Backoff
from firmware.fleet.outbox import Outbox
from firmware.ipc import Channel, ChannelClosed
from firmware.log import get_logger
from firmware.messages import (
    ActAsFleet,
    Answer,
    Command,
    Event,
    FromRecorder,
    Health,
    StateReport,
    Subscribe,
    ToRecorder,
)
from firmware.recorder_socket import connect_to_recorder

_SEND_TIMEOUT_S = 1.0
_MAX_ANSWERS = 200
_ANCHOR_TIMEOUT_S = 10.0

log = get_logger("recorder-link")


class RecorderLink:
    """A thread that follows the recorder. `state` and `health` are its last words, None while it is unreachable.

    `silent_after_s` without a word from a connected recorder counts as unreachable.
    """

    def __init__(
        self, run_dir: Path, outbox: Outbox, *, silent_after_s: float = 15.0, retry_most_s: float = 2.0
    ) -> None:
        self._run_dir, self._outbox, self._silent_after_s = run_dir, outbox, silent_after_s
        self._retry = Backoff(first_s=0.1, most_s=retry_most_s, stable_s=5.0)
        self._channel: Channel[ToRecorder, FromRecorder] | None = None
        self._channel_lock = threading.Lock()
        self._answers: deque[Answer] = deque(maxlen=_MAX_ANSWERS)
        self._stopping = threading.Event()
        self._turned_away = False
        self._gap_at = -1
        self._anchor = 0
        self._thread = threading.Thread(target=self._run, name="recorder-link", daemon=True)
        self.state: StateReport | None = None
        self.health: Health | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._drop()
        self._thread.join(timeout=5.0)

    def ask(self, command: Command) -> bool:
        """Hand a command over; False when the recorder cannot be reached. The answer comes among `answers`."""
        with self._channel_lock:
            channel = self._channel
        if channel is None or self.state is None:
            return False
        try:
            channel.send(command, timeout_s=_SEND_TIMEOUT_S)
        except ChannelClosed:
            self._drop()  # part of the command may have gone out; only a new connection is sure to be in step
            return False
        return True

    def answers(self) -> list[Answer]:
        """The recorder's answers since the last call."""
        found = []
        while self._answers:
            found.append(self._answers.popleft())
        return found

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow(self._connect())
            except (ChannelClosed, OSError) as error:
                log.info("recorder-unreachable", error=str(error))
            except DiskFault as fault:
                log.error("outbox-failed", error=str(fault))
            except Exception:  # this thread must outlive anything: without it the fleet hears nothing
                log.exception("recorder-link-failed")
            self._drop()
            self._stopping.wait(self._retry.failed(time.monotonic()))

    def _connect(self) -> Channel[ToRecorder, FromRecorder]:
        channel = connect_to_recorder(self._run_dir)
        with self._channel_lock:
            self._channel = channel
        return channel

    def _follow(self, channel: Channel[ToRecorder, FromRecorder]) -> None:
        """Take in what the recorder says until it is gone. Raises ChannelClosed, DiskFault."""
        self._turned_away = False
        # The last event taken is asked for once more: a journal that does not have it is another journal, whose
        # low numbers would otherwise never come up.
        self._anchor = self._outbox.cursor
        channel.send(ActAsFleet(), timeout_s=_SEND_TIMEOUT_S)
        channel.send(Subscribe(max(0, self._anchor - 1)), timeout_s=_SEND_TIMEOUT_S)
        self._retry.connected(time.monotonic())
        since_s = heard_s = time.monotonic()
        while not self._stopping.is_set():
            message = channel.recv(0.5)
            if message is not None:
                heard_s = time.monotonic()
                self._take(message)
            elif time.monotonic() - heard_s > self._silent_after_s:
                raise ChannelClosed(f"the recorder said nothing for {self._silent_after_s:g} s")
            if self._anchor and time.monotonic() - since_s > _ANCHOR_TIMEOUT_S:
                self._start_over(f"event {self._anchor} is not in it")
            if self._turned_away and self._outbox.has_room:
                raise ChannelClosed("there is room again for the events that were turned away")

    def _take(self, message: FromRecorder) -> None:
        if isinstance(message, StateReport):
            self.state = message
        elif isinstance(message, Health):
            self.health = message
        elif isinstance(message, Answer):
            self._answers.append(message)
        elif isinstance(message, Event):
            self._take_event(message)

    def _take_event(self, event: Event) -> None:
        if self._turned_away:
            return  # it would not be the next one
        taken = self._outbox.take(event, accept_gap=event.seq == self._gap_at)
        self._anchor = 0
        if taken == "full":
            log.warning("outbox-full", meaning="further events wait in the recorder's journal")
            self._turned_away = True
        elif taken == "gap":
            # Ask once more; a gap that stays is in the journal itself, and what follows must not wait for ever.
            log.error("journal-gap", after=self._outbox.cursor, next=event.seq)
            self._gap_at = event.seq
            raise ChannelClosed("events are missing")
        elif taken == "foreign":
            self._start_over(f"event {event.seq} is another one")

    def _start_over(self, why: str) -> None:
        """The recorder has another journal (the old one was lost): all of it is news. Raises ChannelClosed."""
        log.error("journal-replaced", why=why, meaning="the new journal is sent from its first event")
        self._outbox.start_over()
        raise ChannelClosed("the recorder has another journal")

    def _drop(self) -> None:
        """Close the connection; from here on nothing is known of the recorder."""
        with self._channel_lock:
            channel, self._channel = self._channel, None
        self.state = self.health = None
        if channel is not None:
            channel.close()
