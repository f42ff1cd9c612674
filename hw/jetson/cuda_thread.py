"""What each thread has of its own on the GPU: the context made current on it, a stream, and memory on the device."""

from __future__ import annotations

import threading
from typing import Any


class Current:
    """What a thread has of its own while the context is current on it: a stream, and memory on the device."""

    def __init__(self, driver: Any, context: Any) -> None:
        self._context = context
        context.push()
        self.stream = driver.Stream()
        self.memory: dict[str, tuple[Any, int]] = {}

    def __del__(self) -> None:
        # The thread ends: PyCUDA aborts the process when a context is still current then.
        self.memory.clear()
        self.stream = None
        self._context.pop()


class ThreadOwn(threading.local):
    """Each thread's own; gone with the thread."""

    current: Current | None = None
