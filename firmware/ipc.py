"""Messages over a stream socket: 4-byte big-endian length, then MessagePack. Knows nothing of what they mean."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import Any, Generic, TypeVar

import msgspec

S = TypeVar("S")
R = TypeVar("R")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class ChannelClosed(Exception):
    """The other side is gone, or sent what is not a message."""


class Channel(Generic[S, R]):
    """One end of a connection that sends `send_type` and receives `recv_type` (unions of tagged Structs).

    `send` may be called from several threads, `recv` from one. A message that does not decode closes the channel:
    the two sides no longer agree on what follows.
    """

    def __init__(self, sock: socket.socket, send_type: Any, recv_type: Any) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._encode = msgspec.msgpack.Encoder()
        self._decode = msgspec.msgpack.Decoder(recv_type)
        self._buffer = bytearray()
        self._send_lock = threading.Lock()
        self._closed = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: S, timeout_s: float = 30.0) -> None:
        """Send whole or raise ChannelClosed; waits at most `timeout_s` for a slow reader, then gives the channel up."""
        payload = self._encode.encode(message)
        data = memoryview(_LENGTH.pack(len(payload)) + payload)
        deadline = time.monotonic() + timeout_s
        with self._send_lock:
            while data:
                if self._closed:
                    raise ChannelClosed("closed on this side")
                try:
                    data = data[self._sock.send(data) :]
                except BlockingIOError:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise ChannelClosed(f"the other side read nothing for {timeout_s:g} s") from None
                    self._wait(select.POLLOUT, left)
                except OSError as error:
                    raise ChannelClosed(str(error)) from None

    def recv(self, timeout_s: float) -> R | None:
        """The next message, or None after `timeout_s` without a whole one. Raises ChannelClosed."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._take()
            if message is not None:
                return message
            if self._closed:
                raise ChannelClosed("closed on this side")
            try:
                chunk = self._sock.recv(1 << 20)
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._wait(select.POLLIN, left)
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not chunk:
                raise ChannelClosed("the other side closed")
            self._buffer += chunk

    def close(self) -> None:
        self._closed = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already gone
        self._sock.close()

    def _wait(self, event: int, timeout_s: float) -> None:
        if self._sock.fileno() < 0:
            raise ChannelClosed("closed on this side")
        poll = select.poll()
        poll.register(self._sock, event)
        poll.poll(max(1, int(timeout_s * 1000)))

    def _take(self) -> R | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer)
        if size > MAX_MESSAGE_BYTES:
            raise ChannelClosed(f"a message of {size} bytes was announced; the bound is {MAX_MESSAGE_BYTES}")
        if len(self._buffer) < _LENGTH.size + size:
            return None
        payload = bytes(self._buffer[_LENGTH.size : _LENGTH.size + size])
        del self._buffer[: _LENGTH.size + size]
        try:
            message: R = self._decode.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ChannelClosed(f"not a message this side knows: {error}") from None
        return message
