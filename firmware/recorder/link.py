"""Starts a pipeline process and talks to it. The child gets one socket, a minimal environment and nothing else.

It gets no key and no path to write to; it dies with this process. Blocking when the reader is slow is the
socket's own back-pressure: a pipeline on a file waits, a live one must drop by name.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from firmware.ipc import Channel, ChannelClosed
from firmware.messages import Configure, FromPipeline, Stop, ToPipeline

CHILD = str(Path(__file__).with_name("child.py"))
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
_PASSED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH",
)
_PASSED_PREFIXES = ("SCRUBCAM_", "GST_", "OMP_", "CUDA_")
_NOT_PASSED = ("GST_DEBUG", "GST_TRACERS")
"""Prefixes: GStreamer's own logs may go to files and hold the bytes of frames."""


def child_command(*command: str) -> list[str]:
    """`command` wrapped so that it dies with this process."""
    return [sys.executable, "-I", "-S", CHILD, str(os.getpid()), *command]


def child_environment() -> dict[str, str]:
    """The few variables a child needs."""
    return {
        name: value for name, value in os.environ.items()
        if name in _PASSED or (name.startswith(_PASSED_PREFIXES) and not name.startswith(_NOT_PASSED))
    }


class PipelineLink:
    """One pipeline process, configured. `recv` gives its messages in order; ChannelClosed means it is gone."""

    def __init__(self, configure: Configure, *, first: tuple[ToPipeline, ...] = ()) -> None:
        """Start it and send `configure`, then `first` (a pause that must hold from the first frame on).

        Raises OSError when the system has no process left to give.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        try:
            with theirs:
                fd = theirs.fileno()
                self._process = subprocess.Popen(
                    child_command(sys.executable, "-m", "firmware.pipeline", "--fd", str(fd)),
                    pass_fds=(fd,), env=child_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                )
        except OSError:
            ours.close()
            raise
        self._channel: Channel[ToPipeline, FromPipeline] = Channel(ours, ToPipeline, FromPipeline)
        self._closed = False
        try:
            self.send(configure)
            for message in first:
                self.send(message)
        except ChannelClosed:
            pass  # it died at birth; recv says so

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fileno(self) -> int:
        """For select: readable when a message, or the end, is there."""
        return self._channel.fileno()

    def recv(self, timeout_s: float) -> FromPipeline | None:
        """The next message, or None after `timeout_s`. Raises ChannelClosed when the process is gone."""
        return self._channel.recv(timeout_s)

    def send(self, message: ToPipeline, timeout_s: float = 1.0) -> None:
        """Raises ChannelClosed when the process is gone or reads nothing for `timeout_s`."""
        self._channel.send(message, timeout_s)

    def ending(self, timeout_s: float = 1.0) -> str:
        """How a process that is gone ended: "exit status 14", or "signal 11, Segmentation fault" of native code."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return "its socket is closed, it still runs"
        return f"signal {-status}, {signal.strsignal(-status)}" if status < 0 else f"exit status {status}"

    def ask_to_stop(self) -> None:
        """It will drain and send Finished; a process that is gone already is no error."""
        try:
            self.send(Stop())
        except ChannelClosed:
            pass

    def kill(self) -> None:
        """End it at once and free everything; never waits for it. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._process.kill()
        self._channel.close()
        threading.Thread(target=self._process.wait, name="reaper", daemon=True).start()

    def close(self, timeout_s: float = 3.0) -> int | None:
        """Wait for a process that has sent its last message, then make sure. Returns its exit status, if known."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        return self._process.returncode
