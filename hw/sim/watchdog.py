"""A simulated hardware watchdog that outlives the recorder, with the bad manners of real ones.

It starts when it is opened, by one program at a time; it resets the machine when it is not fed; it goes on when its
program dies, and with `nowayout` when it is closed in order, too; it takes a timeout only within its limits. The device
lives in the process that plays the machine (a test), on a Unix socket; the recorder speaks to it through SimWatchdog.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from firmware.errors import PartMissing

ANSWER_S = 5.0


class WatchdogDevice:
    """The timer itself. `reset` is called, once, when it was not fed in time; `look` lets it see the time."""

    def __init__(self, reset: Callable[[], None] = lambda: None, *, most_s: int = 255, nowayout: bool = False,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._reset, self.most_s, self.nowayout, self._clock = reset, most_s, nowayout, clock
        self._lock = threading.RLock()
        self.open_now = self.running = self.fired = False
        self.timeout_s = 60
        self.fed_at = 0.0
        self.feeds = 0
        self._magic = False

    def open(self) -> bool:
        """Start; False when another program has it."""
        with self._lock:
            if self.open_now:
                return False
            self.open_now, self._magic = True, False
            if not self.running:
                self.running, self.fed_at = True, self._clock()
            return True

    def set_timeout(self, seconds: int) -> int:
        """What it takes of it, which may be less."""
        with self._lock:
            self.timeout_s = max(1, min(seconds, self.most_s))
            self.fed_at = self._clock()
            return self.timeout_s

    def feed(self) -> None:
        with self._lock:
            self.look()
            self.fed_at, self.feeds, self._magic = self._clock(), self.feeds + 1, False

    def write(self, data: bytes) -> None:
        """Any write feeds; a V at its end is the word before an orderly close."""
        self.feed()
        self._magic = data.endswith(b"V")

    def close(self) -> None:
        with self._lock:
            self.look()
            self.open_now = False
            if self._magic and not self.nowayout:
                self.running = False

    def look(self) -> bool:
        """Has it fired by now?"""
        with self._lock:
            if self.running and not self.fired and self._clock() - self.fed_at > self.timeout_s:
                self.fired = True
                self._reset()
            return self.fired


class WatchdogWire:
    """Serves a device at `path`: one byte a request, one answer. A client that vanishes has closed without a word."""

    def __init__(self, path: Path, device: WatchdogDevice) -> None:
        self._device = device
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="sim-watchdog", daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            opened = self._device.open()
            try:
                client.sendall(b"+" if opened else b"-")
                while opened and (request := client.recv(4)):
                    if request[:1] == b"T":
                        client.sendall(bytes([self._device.set_timeout(request[1])]))
                    else:
                        self._device.write(request) if request == b"V" else self._device.feed()
                        client.sendall(b"+")
            except OSError:
                pass  # killed
            finally:
                if opened:
                    self._device.close()


class SimWatchdog:
    """hw.ports.Watchdog over the socket of a WatchdogDevice. Raises PartMissing like the real adapter."""

    def __init__(self, path: str, timeout_s: int) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(ANSWER_S)
        try:
            self._sock.connect(path)
            opened = self._sock.recv(1) == b"+"
            granted_s = self._ask(bytes([ord("T"), timeout_s]))[0] if opened else 0
        except OSError as error:
            self._sock.close()
            raise PartMissing(f"the simulated watchdog {path} is not there ({error})",
                              meaning="power.hardware_watchdog is asked for, so nothing was started",
                              todo="serve one there") from None
        if granted_s < timeout_s:
            self._close(b"V" if opened else b"")
            raise PartMissing(f"the simulated watchdog {path} " + ("is in use by another program" if not opened else
                              f"grants {granted_s} s, {timeout_s} s are asked for"),
                              meaning="power.hardware_watchdog is asked for, so nothing was started",
                              todo="set power.watchdog_timeout_s to what it can")

    def feed(self) -> None:
        """Raises OSError when the device is gone."""
        self._ask(b"F")

    def close(self) -> None:
        self._close(b"V")

    def _close(self, word: bytes) -> None:
        if self._sock.fileno() >= 0:
            try:
                if word:
                    self._ask(word)
                self._sock.shutdown(socket.SHUT_WR)
                self._sock.recv(1)  # its end: the device has noticed
            finally:
                self._sock.close()

    def _ask(self, request: bytes) -> bytes:
        self._sock.sendall(request)
        answer = self._sock.recv(1)
        if not answer:
            raise ConnectionError("the simulated watchdog went away")
        return answer
