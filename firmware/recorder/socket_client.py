"""One connection to the recorder's socket: its role, what it may ask, what it is sent.

Each has two threads of its own, so that a slow or dead listener is dropped and never holds up the loop.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from firmware import roles
from firmware.errors import DiskFault
from firmware.ipc import Channel, ChannelClosed
from firmware.messages import (
    AboutRoles,
    ActAsFleet,
    Answer,
    ApproveZones,
    AskTimestamps,
    CollectorReport,
    Command,
    FromRecorder,
    Hold,
    Login,
    LogLine,
    LogPage,
    MayHandOver,
    ReadLog,
    Role,
    SetLogin,
    Subscribe,
    TimestampsWaiting,
    TimestampToken,
    ToRecorder,
)
from firmware.recorder.journal import Journal

if TYPE_CHECKING:
    from firmware.recorder.socket_server import SocketServer

OUTBOX_BOUND = 256
SLOW_AFTER_S = 5.0
DENIED_PAUSE_S = 0.5
"""A connection that was denied something is not heard for so long: it can fill neither the log nor the memory."""


def role_of_peer(uid: int, own_uid: int, agent_uid: int | None = None) -> Role:
    """What the kernel's word on the other end is worth before any login."""
    if uid in (0, own_uid):
        return "operator"
    return "fleet" if uid == agent_uid else "anyone"


class Client:
    """A thread that reads, a thread that writes, a bounded outbox between it and the loop."""

    def __init__(self, sock: socket.socket, server: SocketServer) -> None:
        _, self._uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self._role = role_of_peer(self._uid, os.getuid(), server.agent_uid)
        self._name = ""
        self._channel: Channel[FromRecorder, ToRecorder] = Channel(sock, FromRecorder, ToRecorder)
        self._server = server
        self._changed = threading.Condition()
        self._outbox: deque[FromRecorder] = deque()
        self._subscribed = self._hears_events = False
        self._sent_seq = 0
        self._news = False
        self._log: Journal | None = None
        self._closed = False
        self._sender = threading.Thread(target=self._send, name="socket-out", daemon=True)

    def start(self) -> None:
        threading.Thread(target=self._receive, name="socket-in", daemon=True).start()
        self._sender.start()

    def offer(self, message: FromRecorder) -> None:
        """Queue without waiting; whoever does not keep up is dropped."""
        with self._changed:
            if not isinstance(message, Answer | TimestampsWaiting) and not self._subscribed:
                return
            if len(self._outbox) >= OUTBOX_BOUND:
                self._closed = True
            else:
                self._outbox.append(message)
            self._changed.notify()

    def look(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify()

    def close(self, flush_s: float = 0.0) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if flush_s and self._sender.is_alive():
            self._sender.join(flush_s)
        self._channel.close()

    @property
    def who(self) -> str:
        """For records and the audit log: the login's name, or the role."""
        return self._name or self._role

    def _receive(self) -> None:
        try:
            while not self._closed:
                message = self._channel.recv(1.0)
                if message is not None and not self._take(message):
                    break
        except (ChannelClosed, DiskFault):
            pass
        if self._log is not None:
            self._log.close()
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _take(self, message: ToRecorder) -> bool:
        """Act on one message; False when this connection cannot go on. Raises ChannelClosed, DiskFault."""
        if isinstance(message, Subscribe):
            self._subscribe(message.after_seq)
        elif isinstance(message, ActAsFleet):
            if self._role == "operator":
                self._role, self._name = "fleet", ""
        elif isinstance(message, Command):
            problem = roles.refusal(self._role, message.verb)
            if not problem:
                return self._server.received(self, replace(message, origin=self.who, role=self._role))
            self._refuse(message.id, message.verb, problem)
        elif isinstance(message, AskTimestamps | TimestampToken):
            return self._about_timestamps(message)
        elif isinstance(message, ReadLog):
            self._read_log(message)
        elif isinstance(message, CollectorReport):
            return self._about_collector(message)
        else:
            self._answer(message.id, self._about_roles(message))
        return True

    def _about_roles(self, message: AboutRoles) -> str:
        """Carry out what needs no loop; what stood against it, or empty."""
        access = self._server.access
        if access is None:
            return "login: there are no logins here"
        if isinstance(message, Login):
            role, problem = access.log_in(message, self._uid)
            if role is not None:
                self._role, self._name = role, message.name
            return problem
        action = _action(message)
        problem = access.may_set_login(self._role) if action == "set-login" else roles.refusal(self._role, action)
        if problem:
            access.denied(self.who, action)
        elif isinstance(message, SetLogin):
            problem = access.set_login(message, self.who)
        elif isinstance(message, ApproveZones):
            problem = access.approve_zones(message, self.who)
        elif isinstance(message, Hold):
            problem = access.hold(message, self.who)
        return problem

    def _about_timestamps(self, message: AskTimestamps | TimestampToken) -> bool:
        """What waits, or keep a token: small files. False for whoever may not. Raises DiskFault."""
        desk = self._server.timestamps
        if not self._may("timestamps"):
            return False
        if isinstance(message, AskTimestamps):
            self.offer(TimestampsWaiting(desk.waiting() if desk is not None else []))
        elif desk is not None:
            desk.take(message)
        return True

    def _read_log(self, asked: ReadLog) -> None:
        """A page of the audit log, sent from here: whoever reads slowly is waited for, and then dropped."""
        problem = roles.refusal(self._role, "read-log")
        if problem:
            self._refuse(asked.id, "read-log", problem)
            return
        if self._log is None:
            self._log = self._server.open_journal()
            if self._server.access is not None and self._role != "fleet":
                self._server.access.log_read(self.who)
        rows = self._log.rows_after(asked.after_seq, asked.limit)
        lines = [LogLine(row.seq, row.line, row.chain, row.signature) for row in rows]
        self._channel.send(LogPage(asked.id, lines), SLOW_AFTER_S)

    def _about_collector(self, report: CollectorReport) -> bool:
        """False for whoever may not."""
        if not self._may("report-collector"):
            return False
        self._server.on_collector(report)
        return True

    def _may(self, action: roles.Action) -> bool:
        """By the table; a no is noted."""
        allowed = roles.may(self._role, action)
        if not allowed:
            self._denied(action)
        return allowed

    def _refuse(self, command_id: str, action: roles.Action, problem: str) -> None:
        self._denied(action)
        self._answer(command_id, problem)

    def _denied(self, action: roles.Action) -> None:
        if self._server.access is not None:
            self._server.access.denied(self.who, action)

    def _answer(self, request_id: str, problem: str) -> None:
        report = self._server.state_now()
        self.offer(Answer(request_id, not problem, report.state if report is not None else "BOOT", problem))
        if problem:
            threading.Event().wait(DENIED_PAUSE_S)

    def _subscribe(self, after_seq: int) -> None:
        with self._changed:
            self._subscribed, self._sent_seq, self._news = True, after_seq, True
            self._hears_events = roles.may(self._role, "listen")
            state = self._server.state_now()
            if state is not None:
                self._outbox.append(state)
            self._changed.notify()

    def _send(self) -> None:
        journal: Journal | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(self._has_work, timeout=1.0)
                    messages, closing = list(self._outbox), self._closed
                    self._outbox.clear()
                    behind = self._subscribed and self._hears_events and self._news
                    self._news = False
                if behind and self._sent_seq < 0:
                    journal = journal or self._server.open_journal()
                    self._sent_seq = journal.last_seq()
                for message in messages:
                    self._channel.send(message, SLOW_AFTER_S)
                if behind:
                    journal = journal or self._server.open_journal()
                    self._send_events(journal)
                if closing and not messages and not behind:
                    break
        except (ChannelClosed, DiskFault):
            pass
        finally:
            if journal is not None:
                journal.close()
            self._channel.close()
            self._server.gone(self)

    def _has_work(self) -> bool:
        return bool(self._outbox) or self._closed or (self._subscribed and self._news)

    def _send_events(self, journal: Journal) -> None:
        """One batch from where this listener is; asks to be called again while there may be more."""
        events = journal.after(self._sent_seq)
        for event in events:
            self._channel.send(event, SLOW_AFTER_S)
            self._sent_seq = event.seq
        if events:
            self.look()


def _action(message: SetLogin | ApproveZones | Hold | MayHandOver) -> roles.Action:
    """What the table calls it."""
    if isinstance(message, Hold):
        return "release" if message.release else "hold"
    if isinstance(message, MayHandOver):
        return "hand-over"
    return "set-login" if isinstance(message, SetLogin) else "approve-zones"
