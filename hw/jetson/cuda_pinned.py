"""Page-locked memory that the GPU reads and writes in place, and where each of its bytes lies for the device."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from hw.ports import U8


class PinnedMemory:
    """All of it that is in use. Any thread may call; `make` needs the context to be current on the caller's."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._mapped: dict[int, tuple[int, int]] = {}  # address: size, device address
        self._lock = threading.Lock()

    def make(self, size: int) -> U8:
        """Page-aligned; freed with the last view of it."""
        flags = self._driver.host_alloc_flags.DEVICEMAP
        memory: Any = self._driver.pagelocked_empty((size,), np.uint8, mem_flags=flags)
        start = memory.ctypes.data
        with self._lock:
            self._mapped[start] = size, int(memory.base.get_device_pointer())
        weakref.finalize(memory, self._forget, start)  # views of it keep it alive
        view: U8 = memory
        return view

    def address(self, at: int, size: int) -> int | None:
        """The device's address of `size` bytes of it; None when they do not lie in any."""
        with self._lock:
            for start, (length, device) in self._mapped.items():
                if start <= at and at + size <= start + length:
                    return device + at - start
        return None

    def _forget(self, start: int) -> None:
        with self._lock:
            self._mapped.pop(start, None)
