"""What goes out over one connection: birth, state, events, answers, health; and what of it is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from firmware.errors import BrokerFault
from firmware.fleet.command_desk import CommandDesk
from firmware.fleet.outbox import Outbox
from firmware.fleet.session import Session
from firmware.fleet.timing import MAX_IN_FLIGHT, Timing
from firmware.fleet.topics import FleetAnswer, FleetHealth, Leaf, State, Status, encode, topic


class Delivery:
    """Events leave the outbox in order and stay in it until acknowledged; only a bounded few are in flight."""

    def __init__(
        self,
        device: str,
        session: Session,
        outbox: Outbox,
        desk: CommandDesk,
        state: Callable[[], State],
        health: Callable[[], FleetHealth],
        health_interval_s: float,
        timing: Timing,
    ) -> None:
        self._device, self._session, self._outbox, self._desk = device, session, outbox, desk
        self._make_state, self._make_health, self._health_interval_s = state, health, health_interval_s
        self._timing = timing
        self._window = max(1, min(MAX_IN_FLIGHT, session.receive_maximum))
        self._events: dict[int, int] = {}  # message number -> number in the outbox
        self._answers: dict[int, FleetAnswer] = {}
        self._statuses: set[int] = set()
        self._states: set[int] = set()
        self._sent_n = 0
        self._nobody_listens = False
        self._events_from_s = float("-inf")
        self._last_state: State | None = None
        self._state_at_s = self._health_at_s = float("-inf")
        self._moved_s = time.monotonic()

    @property
    def in_flight(self) -> int:
        return len(self._events) + len(self._answers) + len(self._statuses) + len(self._states)

    def status(self, status: Status) -> None:
        """Publish the birth or the goodbye, retained. Raises BrokerFault."""
        self._statuses.add(self._send("status", encode(status), retain=True))

    @property
    def status_known(self) -> bool:
        """Whether the broker has every status that was published here."""
        return not self._statuses

    @property
    def all_told(self) -> bool:
        """Whether everything there is has been sent and acknowledged, or nobody listens."""
        behind = self._outbox.last_n > self._sent_n and not self._nobody_listens
        return not (behind or self.in_flight or self._desk.answers)

    def step(self) -> None:
        """Send what there is to send and the connection can take. Raises BrokerFault, DiskFault."""
        self.settle()
        if self.in_flight and time.monotonic() - self._moved_s > self._timing.ack_timeout_s:
            raise BrokerFault(
                f"the broker acknowledged nothing for {self._timing.ack_timeout_s:g} s",
                meaning="The recording is not affected; events wait on the disk and are sent later",
                todo="check the broker and the network",
            )
        for send in (self._send_state, self._send_answers, self._send_events, self._send_health):
            if self._session.congested:
                return
            send()

    def settle(self) -> None:
        """Take note of what the broker has acknowledged. Raises DiskFault."""
        while self._session.acked:
            number, heard = self._session.acked.popleft()
            if not any(number in kind for kind in (self._events, self._answers, self._statuses, self._states)):
                continue  # health, QoS 0: paho reports it as soon as it is written, so it is no sign of life
            self._moved_s = time.monotonic()
            self._answers.pop(number, None)
            self._statuses.discard(number)
            self._states.discard(number)
            if number in self._events:
                self._event_settled(self._events.pop(number), heard)

    def _event_settled(self, n: int, heard: bool) -> None:
        """Forget an event that the broker took; keep one that it threw away because nobody has subscribed yet."""
        if heard:
            self._outbox.acknowledged(n)
            self._nobody_listens = False
        else:
            self._nobody_listens = True
            self._sent_n = min(self._sent_n, n - 1)
            self._events_from_s = time.monotonic() + self._timing.nobody_retry_s

    def give_back(self) -> None:
        """The connection is gone: unacknowledged answers go back to be sent again; events are in the outbox anyway."""
        self._desk.answers.extendleft(reversed(self._answers.values()))
        self._answers.clear()

    def _send(self, leaf: Leaf, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        if not self.in_flight:
            self._moved_s = time.monotonic()
        return self._session.publish(topic(self._device, leaf), payload, qos=qos, retain=retain)

    def _send_state(self) -> None:
        """The newest state only: while one is in flight the next may still change."""
        if self._states:
            return
        state, now_s = self._make_state(), time.monotonic()
        if self._last_state is not None:
            same = msgspec.structs.replace(state, unix_s=self._last_state.unix_s)
            if same == self._last_state:
                return
            only_bytes = msgspec.structs.replace(same, durable_bytes=self._last_state.durable_bytes)
            if only_bytes == self._last_state and now_s - self._state_at_s < self._timing.byte_count_every_s:
                return
        self._states.add(self._send("state", encode(state), retain=True))
        self._last_state, self._state_at_s = state, now_s

    def _send_answers(self) -> None:
        while self._desk.answers and self.in_flight < self._window and not self._session.congested:
            answer = self._desk.answers.popleft()
            try:
                self._answers[self._send("answer", encode(answer))] = answer
            except BrokerFault:
                self._desk.answers.appendleft(answer)
                raise

    def _send_events(self) -> None:
        room = self._window - self.in_flight
        if self._nobody_listens:  # one at a time, and not before the others have come back, so that the order holds
            room = 0 if self._events or time.monotonic() < self._events_from_s else min(room, 1)
        if room <= 0 or self._outbox.last_n <= self._sent_n:
            return
        for n, payload in self._outbox.after(self._sent_n, room):
            self._events[self._send("events", payload)] = n
            self._sent_n = n
            if self._session.congested:
                return

    def _send_health(self) -> None:
        now_s = time.monotonic()
        if now_s - self._health_at_s >= self._health_interval_s:
            self._send("health", encode(self._make_health()), qos=0)
            self._health_at_s = now_s
