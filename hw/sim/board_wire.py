"""The wire to a simulated board: one Unix socket, one request a line, one JSON answer a line, both ways bounded.

    press pedal | release pedal | tap pedal 0.1 | burst pedal 0.01 | lights | log
    unplug pedal | cut pedal | crush pedal | stick pedal | plug pedal | mend pedal

A tap answers at once and lets go by itself. It must not know what a press means.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from hw.sim.hand import BoardEvent

MAX_LINE_BYTES = 256
MAX_CLIENTS = 16
MAX_TAP_S = 60.0
SEND_TIMEOUT_S = 2.0


class Driven(Protocol):
    """A board that is driven from outside: what hand.py does, and what the lights show."""

    def press(self, line: str) -> None: ...
    def release(self, line: str) -> None: ...
    def unplug(self, line: str) -> None: ...
    def cut(self, line: str) -> None: ...
    def crush(self, line: str) -> None: ...
    def stick(self, line: str) -> None: ...
    def plug(self, line: str) -> None: ...
    def mend(self, line: str) -> None: ...
    def jam(self, part: str) -> None: ...
    def free(self, part: str) -> None: ...
    def burst(self, line: str, seconds: float) -> None: ...
    def patterns(self) -> dict[str, str]: ...
    def log(self) -> list[BoardEvent]: ...


class BoardWire:
    """Serves `board` on the socket at `path` from one daemon thread. Raises OSError when it cannot listen."""

    def __init__(self, path: Path, board: Driven) -> None:
        self._path, self._board = path, board
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # left by a process that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
            path.chmod(0o600)
            self._listener.listen(MAX_CLIENTS)
        except OSError:
            self._listener.close()
            raise
        self._listener.setblocking(False)
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._clients: dict[socket.socket, bytearray] = {}
        self._releases: list[tuple[float, str]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="sim-board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping = True
        try:
            self._wake_write.send(b"x")
        except OSError:
            pass  # already closed
        self._thread.join(timeout=5.0)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        try:
            while not self._stopping:
                left = self._releases[0][0] - time.monotonic() if self._releases else None
                for key, _ in self._selector.select(None if left is None else max(0.0, left)):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is not self._wake_read:
                        self._receive(key.fileobj)  # type: ignore[arg-type]
                while self._releases and self._releases[0][0] <= time.monotonic():
                    self._board.release(heapq.heappop(self._releases)[1])
        finally:
            for client in list(self._clients):
                self._drop(client)
            self._selector.close()
            for sock in (self._listener, self._wake_read, self._wake_write):
                sock.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # gone before we looked
        if len(self._clients) >= MAX_CLIENTS:
            client.close()
            return
        client.settimeout(SEND_TIMEOUT_S)
        self._clients[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ)

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._clients[client]
        client.close()

    def _receive(self, client: socket.socket) -> None:
        try:
            chunk = client.recv(4096)
            buffer = self._clients[client]
            buffer += chunk
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                client.sendall(json.dumps(self._answer(line)).encode() + b"\n")
            if not chunk or len(buffer) > MAX_LINE_BYTES:
                self._drop(client)
        except OSError:
            self._drop(client)

    def _answer(self, line: bytes) -> dict[str, Any]:
        words = line.decode("utf-8", "replace").split()
        board = self._board
        verbs: dict[str, Callable[[str], None]] = {
            "press": board.press, "release": board.release, "unplug": board.unplug, "plug": board.plug,
            "cut": board.cut, "crush": board.crush, "stick": board.stick, "mend": board.mend,
            "jam": board.jam, "free": board.free,
        }
        try:
            match words:
                case ["lights"]:
                    return {"ok": True, "lights": self._board.patterns()}
                case ["log"]:
                    return {"ok": True, "log": [asdict(event) for event in self._board.log()]}
                case ["burst", name, seconds]:
                    board.burst(name, _seconds(seconds))
                case ["tap", name, seconds]:
                    self._tap(name, _seconds(seconds))
                case [verb, name] if verb in verbs:
                    verbs[verb](name)
                case _:
                    return {"ok": False, "error": f"one of: {'|'.join(verbs)} LINE, tap|burst LINE S, lights, log"}
        except ValueError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}

    def _tap(self, name: str, seconds: float) -> None:
        self._board.press(name)
        heapq.heappush(self._releases, (time.monotonic() + seconds, name))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= MAX_TAP_S:
        raise ValueError(f"a tap or a burst lasts more than 0 and at most {MAX_TAP_S:g} s")
    return seconds


class BoardRemote:
    """The other end of the wire: a hand on the pedal and an eye on the lights, from another process.

    Raises OSError (ConnectionError, TimeoutError) when nobody serves the socket, ValueError when a request is refused.
    """

    def __init__(self, run_dir: str | Path, timeout_s: float = 5.0) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(timeout_s)
        try:
            self._sock.connect(str(Path(run_dir) / "board.sock"))
        except OSError:
            self._sock.close()
            raise
        self._file = self._sock.makefile("rb")

    def ask(self, line: str) -> dict[str, Any]:
        """Send one request line; the answer as a dict."""
        self._sock.sendall(line.encode() + b"\n")
        raw = self._file.readline()
        if not raw:
            raise ConnectionError("the board went away")
        answer: dict[str, Any] = json.loads(raw)
        if not answer["ok"]:
            raise ValueError(answer["error"])
        return answer

    def lights(self) -> dict[str, str]:
        return dict(self.ask("lights")["lights"])

    def log(self) -> list[dict[str, Any]]:
        return list(self.ask("log")["log"])

    def close(self) -> None:
        self._file.close()
        self._sock.close()
