"""Where the recorder's local socket is, and how the agent, the commands and the demo connect to it."""

from __future__ import annotations

import socket
from pathlib import Path

from firmware.ipc import Channel
from firmware.messages import FromRecorder, ToRecorder

SOCKET_NAME = "recorder.sock"
CONNECT_TIMEOUT_S = 2.0


def connect_to_recorder(run_dir: Path) -> Channel[ToRecorder, FromRecorder]:
    """A channel to the recorder that serves `run_dir`. Raises OSError when none does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(CONNECT_TIMEOUT_S)
        sock.connect(str(run_dir / SOCKET_NAME))
    except OSError:
        sock.close()
        raise
    return Channel(sock, ToRecorder, FromRecorder)
