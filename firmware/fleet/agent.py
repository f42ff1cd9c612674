"""The agent: carries the recorder's words to the broker and the fleet's commands back.

One loop owns the broker; the recorder's socket has its own thread. The recording depends on neither.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from firmware import __version__
from firmware.config import Config
from firmware.errors import BrokerFault, DiskFault
from firmware.fleet.audit_client import AuditClient
from firmware.fleet.backoff import Backoff
from firmware.fleet.command_desk import CommandDesk
from firmware.fleet.delivery import Delivery
from firmware.fleet.outbox import Outbox
from firmware.fleet.recorder_link import RecorderLink
from firmware.fleet.session import Session
from firmware.fleet.timestamp_client import TimestampClient
from firmware.fleet.timing import Timing
from firmware.fleet.topics import FleetHealth, State, Status, encode, state_of, topic
from firmware.log import get_logger

log = get_logger("agent")


class Agent:
    """`run()` until `stop()`. Raises DiskFault at construction when the outbox cannot be opened, TimestampFault."""

    def __init__(self, config: Config, timing: Timing = Timing(), unix_s: Callable[[], float] = time.time) -> None:
        self._mqtt, self._device, self._timing, self._unix_s = config.mqtt, config.device.name, timing, unix_s
        self._outbox = Outbox(Path(config.paths.state_dir) / "fleet" / "outbox.db", self._device)
        self._link = RecorderLink(Path(config.paths.run_dir), self._outbox, silent_after_s=timing.silent_after_s)
        self._desk = CommandDesk(self._device, self._link, timing.answer_timeout_s, unix_s)
        self._backoff = Backoff(timing.first_retry_s, timing.most_retry_s, timing.stable_s)
        self._timestamps = (TimestampClient(config.timestamps, Path(config.paths.run_dir)) if config.timestamps.url
                            else None)
        self._audit = AuditClient(config) if config.audit.host else None
        self._run_id = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._reconnects = 0

    def stop(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Follow the recorder and keep a connection to the broker, if there is one, until `stop`."""
        if self._timestamps is not None:
            self._timestamps.start()
        if self._audit is not None:
            self._audit.start()
        try:
            if self._mqtt.host:
                self._link.start()
                while not self._stopping.is_set():
                    self._one_connection()
            self._stopping.wait()
        finally:
            if self._mqtt.host:
                self._link.close()
            if self._timestamps is not None:
                self._timestamps.close()
            if self._audit is not None:
                self._audit.close()
            self._outbox.close()

    def _one_connection(self) -> None:
        """From one attempt to connect to its end and the wait after it."""
        will = encode(self._status("offline", "lost"))
        session = Session(self._mqtt, f"scrubcam-{self._device}", topic(self._device, "status"), will)
        try:
            session.open()
            self._backoff.connected(time.monotonic())
            log.info("broker-connected", host=self._mqtt.host, port=self._mqtt.port)
            self._serve(session)
            return
        except BrokerFault as fault:
            log.warning("broker-fault", error=str(fault))
        except DiskFault as fault:
            log.error("outbox-failed", error=str(fault))
        except Exception:  # an unforeseen error costs one connection, never the agent
            log.exception("agent-failed")
        finally:
            session.drop()
        self._reconnects += 1
        self._stopping.wait(self._backoff.failed(time.monotonic()))
        self._desk.gather()

    def _serve(self, session: Session) -> None:
        """Carry both ways until `stop` or a fault. Raises BrokerFault, DiskFault."""
        delivery = Delivery(self._device, session, self._outbox, self._desk, self._state, self._health,
                            self._mqtt.health_interval_s, self._timing)
        try:
            delivery.status(self._status("online", ""))
            session.subscribe(topic(self._device, "command"))
            while not self._stopping.is_set():
                for message in session.step(self._timing.tick_s):
                    self._desk.take(message)
                self._desk.gather()
                delivery.step()
            self._goodbye(session, delivery)
        finally:
            delivery.give_back()

    def _goodbye(self, session: Session, delivery: Delivery) -> None:
        """Tell what there still is to tell, then say offline; where the broker does not confirm that in time, the will
        says so instead."""
        deadline_s = time.monotonic() + self._timing.goodbye_s
        while not delivery.all_told and time.monotonic() < deadline_s:
            session.step(self._timing.tick_s)
            delivery.step()
        delivery.status(self._status("offline", "stopped"))
        deadline_s = time.monotonic() + self._timing.goodbye_s
        while not delivery.status_known and time.monotonic() < deadline_s:
            session.step(self._timing.tick_s)
            delivery.settle()
        session.end(with_will=not delivery.status_known)

    def _status(self, status: Literal["online", "offline"], reason: Literal["", "lost", "stopped"]) -> Status:
        return Status(self._device, status, self._unix_s(), reason, __version__, self._run_id)

    def _state(self) -> State:
        return state_of(self._device, self._unix_s(), self._link.state)

    def _health(self) -> FleetHealth:
        return FleetHealth(self._device, self._unix_s(), self._outbox.waiting, self._reconnects, self._link.health)
