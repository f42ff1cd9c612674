"""The one import site of PyCUDA: the GPU's primary context, the prebuilt kernels, memory and streams. Nothing else."""

from __future__ import annotations

import atexit
import ctypes
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from firmware.errors import PartMissing
from firmware.kernels.build import is_current
from firmware.kernels.calls import LANES
from hw.ports import U8

_MEANING = "kernels.backend = \"cuda\" is asked for, so nothing was started"


def _load_driver() -> Any:
    try:
        import pycuda.driver as driver
    except ImportError as error:
        raise PartMissing(
            f"PyCUDA is not installed ({error})", meaning=_MEANING,
            todo='install CUDA\'s toolkit, then: .venv/bin/python -m pip install ".[gpu]" (builds it from source)',
        ) from None
    try:
        driver.init()
        if driver.Device.count() < 1:
            raise PartMissing("There is no CUDA GPU in this machine", meaning=_MEANING,
                              todo='use a machine that has one, or set kernels.backend = "host"')
    except driver.Error as error:
        raise PartMissing(f"CUDA does not start ({error})", meaning=_MEANING,
                          todo='check the GPU with nvidia-smi, or set kernels.backend = "host"') from None
    return driver


class _Current:
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


class _Thread(threading.local):
    """Each thread's own; gone with the thread."""

    current: _Current | None = None


class Gpu:
    """One GPU, one module of kernels. Any thread may call any method; each has a stream of its own."""

    def __init__(self, fat_binary: Path) -> None:
        self.driver = _load_driver()
        device = self.driver.Device(0)
        self.name: str = device.name()
        self.context = device.retain_primary_context()  # the one that ONNX Runtime and jetson-utils use, too
        self._own = _Thread()
        atexit.register(self._leave)
        self._mapped: dict[int, tuple[int, int]] = {}  # address: size, device address
        self._lock = threading.Lock()
        self.stream()
        todo = "run make kernels on a machine with nvcc 13"
        if not is_current(fat_binary):
            raise PartMissing(f"The kernels {fat_binary} are absent or were built from other sources than these",
                              meaning=_MEANING, todo=todo)
        try:
            self._module = self.driver.module_from_file(str(fat_binary))
        except self.driver.Error as error:
            raise PartMissing(f"The kernels {fat_binary} cannot be loaded on {self.name} ({error})", meaning=_MEANING,
                              todo=todo) from None
        self._kernels = {name: self._module.get_function(name) for name in LANES}

    def _here(self) -> _Current:
        """This thread's own; the first call makes the context current on it, until the thread ends."""
        if self._own.current is None:
            self._own.current = _Current(self.driver, self.context)
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
        flags = self.driver.host_alloc_flags.DEVICEMAP
        memory: Any = self.driver.pagelocked_empty((size,), np.uint8, mem_flags=flags)
        start = memory.ctypes.data
        with self._lock:
            self._mapped[start] = size, int(memory.base.get_device_pointer())
        weakref.finalize(memory, self._forget, start)  # views of it keep it alive
        view: U8 = memory
        return view

    def _forget(self, start: int) -> None:
        with self._lock:
            self._mapped.pop(start, None)

    def address(self, at: int, size: int) -> int | None:
        """The device's address of `size` bytes of pinned memory; None when they do not lie in any."""
        with self._lock:
            for start, (length, device) in self._mapped.items():
                if start <= at and at + size <= start + length:
                    return device + at - start
        return None

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
