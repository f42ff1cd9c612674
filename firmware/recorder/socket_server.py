"""The recorder's local socket: commands in, answers, state, health and events out. Decides nothing.

Each connection has two threads of its own, so that a slow or dead listener is dropped and never holds up the loop.
Mode 0600: only the recorder's own user, and root, can speak to it.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

from firmware.errors import ConfigError, DiskFault
from firmware.ipc import Channel, ChannelClosed
from firmware.messages import Answer, Command, Event, FromRecorder, Health, StateReport, Subscribe, ToRecorder
from firmware.recorder.journal import Journal
from firmware.recorder_socket import SOCKET_NAME

MAX_CLIENTS = 16
OUTBOX_BOUND = 256
SLOW_AFTER_S = 5.0
REMEMBERED_ANSWERS = 512


class AnswerMemory:
    """The last answers by command id: a repeated id gets the same answer and does nothing again."""

    def __init__(self, bound: int = REMEMBERED_ANSWERS) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._bound = bound

    def get(self, command_id: str) -> Answer | None:
        return self._answers.get(command_id)

    def keep(self, answer: Answer) -> None:
        self._answers[answer.id] = answer
        while len(self._answers) > self._bound:
            self._answers.popitem(last=False)


class SocketServer:
    """Listens on <run_dir>/recorder.sock. `inbox` is read by the loop; `publish*` and `answer` never wait."""

    def __init__(self, run_dir: str | Path, journal: Journal, wake: Callable[[], None]) -> None:
        """Raises ConfigError when the socket cannot be made."""
        self.path = Path(run_dir) / SOCKET_NAME
        self.inbox: queue.Queue[tuple[_Client, Command]] = queue.Queue(256)
        self._journal, self._wake = journal, wake
        self._clients: set[_Client] = set()
        self._lock = threading.Lock()
        self._last_state: StateReport | None = None
        self._closed = False
        try:
            self._listener = _listen(self.path)
        except OSError as error:
            raise ConfigError(
                f"the recorder's socket {self.path} cannot be made ({error})",
                todo="check paths.run_dir: it must exist, be writable and have a path of less than 100 bytes",
            ) from error
        threading.Thread(target=self._accept, name="socket", daemon=True).start()

    def publish(self, report: StateReport | Health) -> None:
        """To every subscriber. A state report is also what a new one gets first."""
        with self._lock:
            if isinstance(report, StateReport):
                self._last_state = report
            clients = list(self._clients)
        for client in clients:
            client.offer(report)

    def event_is_durable(self, _event: Event) -> None:
        """There is something new in the journal."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.look()

    def answer(self, client: _Client, answer: Answer) -> None:
        client.offer(answer)

    def close(self) -> None:
        self._closed = True
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close(flush_s=1.0)
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if len(self._clients) >= MAX_CLIENTS or self._closed:
                    sock.close()
                    continue
                client = _Client(sock, self)
                self._clients.add(client)
            client.start()

    # ---- called by the clients' threads --------------------------------------------------------

    def state_now(self) -> StateReport | None:
        with self._lock:
            return self._last_state

    def open_journal(self) -> Journal:
        return self._journal.reader()

    def received(self, client: _Client, command: Command) -> bool:
        try:
            self.inbox.put_nowait((client, command))
        except queue.Full:
            return False
        self._wake()
        return True

    def gone(self, client: _Client) -> None:
        with self._lock:
            self._clients.discard(client)


class _Client:
    """One connection: a thread that reads, a thread that writes, a bounded outbox between it and the loop."""

    def __init__(self, sock: socket.socket, server: SocketServer) -> None:
        self._channel: Channel[FromRecorder, ToRecorder] = Channel(sock, FromRecorder, ToRecorder)
        self._server = server
        self._changed = threading.Condition()
        self._outbox: deque[FromRecorder] = deque()
        self._subscribed = False
        self._sent_seq = 0
        self._news = False
        self._closed = False
        self._sender = threading.Thread(target=self._send, name="socket-out", daemon=True)

    def start(self) -> None:
        threading.Thread(target=self._receive, name="socket-in", daemon=True).start()
        self._sender.start()

    def offer(self, message: FromRecorder) -> None:
        """Queue without waiting; whoever does not keep up is dropped."""
        with self._changed:
            if not isinstance(message, Answer) and not self._subscribed:
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

    def _receive(self) -> None:
        try:
            while not self._closed:
                message = self._channel.recv(1.0)
                if isinstance(message, Subscribe):
                    with self._changed:
                        self._subscribed, self._sent_seq, self._news = True, message.after_seq, True
                        state = self._server.state_now()
                        if state is not None:
                            self._outbox.append(state)
                        self._changed.notify()
                elif isinstance(message, Command) and not self._server.received(self, message):
                    break
        except ChannelClosed:
            pass
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _send(self) -> None:
        journal: Journal | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(self._has_work, timeout=1.0)
                    messages, closing = list(self._outbox), self._closed
                    self._outbox.clear()
                    behind = self._subscribed and self._news
                    self._news = False
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


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`, mode 0600 from its first moment; one left by a crash is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(MAX_CLIENTS)
    return listener
