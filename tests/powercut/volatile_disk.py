"""An nbdkit plugin: a disk with a write cache. When it is cut, writes since the last flush are kept, lost or torn.

`nbdkit python volatile_disk.py image=FILE control=SOCKET flush_s=0.03`. One line "cut SEED WRITES" on the control
socket stops the disk for good, at once or after so many more writes: every later request fails, the image holds what
survived, and the answer is one line of JSON (`_cut`). A flush takes `flush_s` seconds, counts at its end, and nothing
is written meanwhile. The image holds the newest content while the disk runs; what a flush has not covered yet can be
taken back.
"""

from __future__ import annotations

import errno
import json
import os
import random
import socket
import threading
import time
from collections import deque

API_VERSION = 2
SECTOR = 512
WAIT_S = 2.0
"""So long may the writes take that a cut waits for; nobody may be writing any more."""
MOODS = ("all lost", "all kept", "in order up to one", "each write on its own", "each sector on its own")

_settings: dict[str, str] = {}
_lock = threading.Lock()
_image = -1
_off = False
_cut_after: tuple[int, int] | None = None
"""(seed, writes still to come before the cut)."""
_done = threading.Event()
_told: dict[str, object] = {}
_before: dict[int, bytes] = {}
"""What sectors written since the last flush held before, by their offset."""
_waiting: list[tuple[int, bytes]] = []
"""Writes since the last flush, in order."""

_flushed: deque[tuple[int, int, int]] = deque(maxlen=100)
"""The last flushes: asked, done (CLOCK_MONOTONIC), bytes that they covered."""


def config(key: str, value: str) -> None:
    _settings[key] = value


def after_fork() -> None:
    global _image
    _image = os.open(_settings["image"], os.O_RDWR)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(_settings["control"])
    server.listen(1)
    threading.Thread(target=_listen, args=(server,), daemon=True).start()


def open(readonly: bool) -> int:
    return 1


def get_size(handle: int) -> int:
    return os.fstat(_image).st_size


def can_write(handle: int) -> bool:
    return True


def can_flush(handle: int) -> bool:
    return True


def pread(handle: int, buffer: bytearray, offset: int, flags: int) -> None:
    with _lock:
        _need_power()
        buffer[:] = os.pread(_image, len(buffer), offset)


def pwrite(handle: int, buffer: bytes, offset: int, flags: int) -> None:
    global _cut_after
    with _lock:
        _need_power()
        data = bytes(buffer)
        for at in range(offset, offset + len(data), SECTOR):  # the kernel writes whole sectors
            if at not in _before:
                _before[at] = os.pread(_image, SECTOR, at)
        os.pwrite(_image, data, offset)
        _waiting.append((offset, data))
        if _cut_after is not None:
            seed, writes = _cut_after
            _cut_after = (seed, writes - 1)
            if writes <= 1:
                _cut(seed)
                _need_power()


def flush(handle: int, flags: int) -> None:
    asked_ns = time.monotonic_ns()
    with _lock:
        _need_power()
        time.sleep(float(_settings.get("flush_s", "0")))
        _flushed.append((asked_ns, time.monotonic_ns(), sum(len(data) for _, data in _waiting)))
        _before.clear()
        _waiting.clear()


def _need_power() -> None:
    if _off:
        raise OSError(errno.EIO, "the power is off")


def _listen(server: socket.socket) -> None:
    global _cut_after
    while True:
        connection, _ = server.accept()
        with connection:
            seed, writes = (int(word) for word in connection.recv(100).decode().split()[1:])
            with _lock:
                if writes:
                    _cut_after = (seed, writes)
                else:
                    _cut(seed)
            if not _done.wait(WAIT_S):
                with _lock:
                    _cut(seed)
            connection.sendall(json.dumps(_told).encode() + b"\n")


def _cut(seed: int) -> None:
    """Stop, and leave in the image what a disk may; tell the moment (CLOCK_MONOTONIC), the mood, what was unflushed."""
    global _off
    if _off:
        return
    _off = True
    at_ns = time.monotonic_ns()
    rng = random.Random(seed)
    mood = rng.choice(MOODS)
    for at, data in _before.items():
        os.pwrite(_image, data, at)
    kept = 0
    reached = rng.randint(0, len(_waiting))
    for number, (offset, data) in enumerate(_waiting):
        keep_write = rng.random() < 0.5
        for at in range(0, len(data), SECTOR):
            keep = {
                "all lost": False, "all kept": True, "in order up to one": number < reached,
                "each write on its own": keep_write, "each sector on its own": rng.random() < 0.5,
            }[mood]
            if keep:
                os.pwrite(_image, data[at : at + SECTOR], offset + at)
                kept += SECTOR
    _told.update(at_ns=at_ns, mood=mood, unflushed_writes=len(_waiting), kept_bytes=kept,
                 unflushed_bytes=sum(len(data) for _, data in _waiting),
                 flushed=[(at_ns - asked_ns, at_ns - done_ns, size) for asked_ns, done_ns, size in _flushed])
    _done.set()
