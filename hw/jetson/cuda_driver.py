"""One GPU through PyCUDA: its primary context, the prebuilt kernels, memory and streams. Nothing else."""

from __future__ import annotations

import atexit
import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from firmware.kernels.calls import LANES
from hw.jetson.cuda_pinned import PinnedMemory
from hw.jetson.cuda_thread import Current, ThreadOwn
from hw.jetson.vendor_cuda import load_driver, load_kernels
from hw.ports import U8


class Gpu:
    """One GPU, one module of kernels. Any thread may call any method; each has a stream of its own."""

    def __init__(self, fat_binary: Path) -> None:
        self.driver = load_driver()
        device = self.driver.Device(0)
        self.name: str = device.name()
        self.context = device.retain_primary_context()  # the one that ONNX Runtime and jetson-utils use, too
        self._own = ThreadOwn()
        atexit.register(self._leave)
        self._pinned = PinnedMemory(self.driver)
        self.stream()
        self._kernels = load_kernels(self.driver, fat_binary, self.name)

    def _here(self) -> Current:
        """This thread's own; the first call makes the context current on it, until the thread ends."""
        if self._own.current is None:
            self._own.current = Current(self.driver, self.context)
        return self._own.current

    def _leave(self) -> None:
        """At the end of the process: left to itself PyCUDA would release a primary context as if it were its own."""
        self._own.current = None
        self.context.detach()

    def stream(self) -> Any:
        """This thread's stream."""
        return self._here().stream

    def pinned(self, size: int) -> U8:
        """Page-locked memory that the GPU can reach; page-aligned."""
        self.stream()
        return self._pinned.make(size)

    def address(self, at: int, size: int) -> int | None:
        """The device's address of `size` bytes of pinned memory; None when they do not lie in any."""
        return self._pinned.address(at, size)

    def scratch(self, use: str, size: int) -> int:
        """At least `size` bytes on the device, this thread's own, until it asks again for the same use."""
        own = self._here().memory
        memory, have = own.get(use, (None, 0))
        if have < size:
            memory = self.driver.mem_alloc(size)
            own[use] = memory, size
        return int(memory)

    def upload(self, to: int, data: Any) -> None:
        """Copy bytes to the device, before what is started next."""
        self.driver.memcpy_htod_async(to, data, self.stream())

    def download(self, at: int, size: int) -> bytes:
        """Bytes from the device, once all that was started on this thread has ended."""
        self.wait()
        data = np.empty(size, np.uint8)
        self.driver.memcpy_dtoh(data, at)
        return data.tobytes()

    def run(self, kernel: str, args: ctypes.Structure, blocks: tuple[int, int]) -> None:
        """Start a kernel on this thread's stream."""
        stream = self.stream()
        function = self._kernels[kernel]
        function.prepare((f"{ctypes.sizeof(args)}s",))
        function.prepared_async_call(blocks, (LANES[kernel], 1, 1), stream, bytes(args))

    def wait(self) -> None:
        """Return when all that was started on this thread has ended."""
        self.stream().synchronize()
