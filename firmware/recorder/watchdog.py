"""Tells systemd that the recorder is up and doing its work (systemd.service(5), WatchdogSec=). Without it, nothing."""

from __future__ import annotations

import os
import socket


class SystemdWatchdog:
    """hw.ports.Watchdog over the notify socket of systemd (sd_notify(3))."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        self._notify(b"READY=1")

    def feed(self) -> None:
        self._notify(b"WATCHDOG=1")

    def close(self) -> None:
        """An orderly end: systemd waits for it and expects no feeding."""
        self._notify(b"STOPPING=1")

    def _notify(self, word: bytes) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.sendto(word, self._address)
            except OSError:
                pass  # systemd is away: nothing to tell, and no reason to stop recording
