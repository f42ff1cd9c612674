"""Large records are read ahead on threads, in order and within bounds; small ones when they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

THREADS = 2
AHEAD = 4
LARGE_BYTES = 128 * 1024
"""From here on a thread is worth its switching."""

T = TypeVar("T")


class Buffers:
    """Memory for payloads, used again: to get such pieces from the system each time costs as much as hashing them."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self, length: int) -> memoryview:
        """A view of `length` bytes, their content whatever it was."""
        buffer = self._free.pop() if self._free else bytearray()
        if len(buffer) < length:
            buffer = bytearray(length)
        return memoryview(buffer)[:length]

    def give_back(self, view: memoryview) -> None:
        """What `take` gave is not needed any more."""
        assert isinstance(view.obj, bytearray)
        self._free.append(view.obj)


class ReadAhead(Generic[T]):
    """A queue of at most `most` reads. Use as a context manager: none is under way any more when it is left."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Callable[[], T]] = deque()

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def room(self) -> bool:
        """May another read be put?"""
        return len(self._waiting) < self._most

    @property
    def empty(self) -> bool:
        return not self._waiting

    def put(self, read: Callable[[], T], size_bytes: int) -> None:
        """Queue a read of about that size."""
        if size_bytes >= LARGE_BYTES and self._most > 1:
            self._pool = self._pool or ThreadPoolExecutor(THREADS, "read-ahead")
            read = self._pool.submit(read).result
        self._waiting.append(read)

    def get(self) -> T:
        """What the read queued first gives, or raises."""
        return self._waiting.popleft()()
