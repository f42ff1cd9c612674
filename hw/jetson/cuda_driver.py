"""The one import site of PyCUDA: the GPU's primary context, the prebuilt kernels, memory and streams. Nothing else."""

from __future__ import annotations

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


class _Thread(threading.local):
    """What each thread has of its own: whether the context is current, its stream, its memory on the device."""

    stream: Any = None

    def __init__(self) -> None:
        self.memory: dict[str, tuple[Any, int]] = {}


class Gpu:
    """One GPU, one module of kernels. Any thread may call any method; each has a stream of its own."""

    def __init__(self, fat_binary: Path) -> None:
        self.driver = _load_driver()
        device = self.driver.Device(0)
        self.name: str = device.name()
        self.context = device.retain_primary_context()  # the one that ONNX Runtime and jetson-utils use, too
        self._own = _Thread()
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

    def stream(self) -> Any:
        """This thread's stream; the first call makes the context current on it."""
        if self._own.stream is None:
            self.context.push()
            self._own.stream = self.driver.Stream()
        return self._own.stream

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
        self.stream()
        memory, have = self._own.memory.get(use, (None, 0))
        if have < size:
            memory = self.driver.mem_alloc(size)
            self._own.memory[use] = memory, size
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
