"""The recorder's local socket: who may connect, what they hear, and the way of their commands to the loop.

Mode 0600: only the recorder's own user, and root, can speak to it; 0660 where the site names a group.
"""

from __future__ import annotations

import os
import pwd
import queue
import shutil
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from firmware.errors import ConfigError
from firmware.messages import Answer, CollectorReport, Command, Event, Health, StateReport
from firmware.recorder.access import Access
from firmware.recorder.journal import Journal
from firmware.recorder.socket_client import Client
from firmware.recorder.timestamp_desk import TimestampDesk
from firmware.recorder_socket import SOCKET_NAME

MAX_CLIENTS = 16
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

    def __init__(
        self, run_dir: str | Path, journal: Journal, wake: Callable[[], None], access: Access | None = None,
        group: str = "", timestamps: TimestampDesk | None = None,
        on_collector: Callable[[CollectorReport], None] = lambda _report: None, agent_user: str = "",
    ) -> None:
        """Without `access` nobody can log in. `on_collector` is called from other threads.

        Raises ConfigError when the socket cannot be made.
        """
        self.path = Path(run_dir) / SOCKET_NAME
        self.inbox: queue.Queue[tuple[Client, Command]] = queue.Queue(256)
        self._journal, self._wake, self.access, self.timestamps = journal, wake, access, timestamps
        self.on_collector = on_collector
        self._clients: set[Client] = set()
        self._lock = threading.Lock()
        self._last_state: StateReport | None = None
        self._closed = False
        self.agent_uid = _uid_of(agent_user) if agent_user else None
        try:
            self._listener = _listen(self.path, group)
        except LookupError as error:
            raise ConfigError(f"access.group: this machine has no group {group!r}", todo="make it, or name another",
                              meaning="The recorder cannot start") from error
        except OSError as error:
            raise ConfigError(
                f"the recorder's socket {self.path} cannot be made ({error})",
                todo="check paths.run_dir: it must exist, be writable and have a path of less than 100 bytes; with"
                " access.group the recorder's user must be a member of that group",
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

    def answer(self, client: Client, answer: Answer) -> None:
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
                client = Client(sock, self)
                self._clients.add(client)
            client.start()

    # ---- called by the clients' threads --------------------------------------------------------

    def state_now(self) -> StateReport | None:
        with self._lock:
            return self._last_state

    def open_journal(self) -> Journal:
        return self._journal.reader()

    def received(self, client: Client, command: Command) -> bool:
        try:
            self.inbox.put_nowait((client, command))
        except queue.Full:
            return False
        self._wake()
        return True

    def gone(self, client: Client) -> None:
        with self._lock:
            self._clients.discard(client)


def _uid_of(user: str) -> int:
    """Raises ConfigError: with a wrong name the agent would be nobody, and the fleet would hear nothing."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"access.agent_user: this machine has no user {user!r}", todo="make it, or name another",
                          meaning="The recorder cannot start") from None


def _listen(path: Path, group: str) -> socket.socket:
    """A listening socket at `path`, mode 0600 from its first moment; one left by a crash is replaced.

    With a group its members may come to it too. Raises OSError, LookupError (no such group).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    if group:
        for place, mode in ((path.parent, 0o710), (path, 0o660)):
            shutil.chown(place, group=group)
            place.chmod(mode)
    listener.listen(MAX_CLIENTS)
    return listener
