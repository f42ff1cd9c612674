"""The kernels on the CPU: calls the host library that is compiled from the CUDA sources. No copies; GIL released."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.errors import PartMissing
from firmware.kernels.build import HOST_LIBRARY, source_hash
from firmware.kernels.calls import KernelCalls, Work
from firmware.kernels.types import U8

_PAGE = 4096


def _load(path: Path) -> Any:
    meaning = "Without it no frame can be scrubbed, so nothing was started"
    todo = "run make kernels (make setup does, too)"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise PartMissing(f"The kernels' host library cannot be loaded ({error})", meaning=meaning, todo=todo) from None
    library.scrubcam_sources.restype = ctypes.c_char_p
    if library.scrubcam_sources().decode() != source_hash():
        raise PartMissing(f"The kernels' host library {path} was built from other sources than these", meaning=meaning,
                          todo=todo)
    return library


class _HostWork(Work):
    def __init__(self, begin: bytes, size: int) -> None:
        self._buffer = ctypes.create_string_buffer(begin, size)
        self.address = ctypes.addressof(self._buffer)

    def read(self, size: int) -> bytes:
        return self._buffer.raw[:size]


class HostKernels(KernelCalls):
    """The `Kernels` port on `threads` threads (0: two, or one on a single core).

    Any thread may call any method at any time. Raises PartMissing when the library is absent or stale.
    """

    name = "host"

    def __init__(self, threads: int = 0, library: str | Path = HOST_LIBRARY) -> None:
        self.threads = threads or min(2, len(os.sched_getaffinity(0)))
        self._library = _load(Path(library))

    def allocate(self, size: int) -> U8:
        """Flat memory for a frame or a tensor, from a page boundary on."""
        memory = np.empty(size + _PAGE, np.uint8)
        start = -memory.ctypes.data % _PAGE
        return memory[start : start + size]

    def _address(self, array: NDArray[np.generic]) -> int:
        return int(array.ctypes.data)

    def _source_address(self, data: U8) -> int:
        return int(data.ctypes.data)

    def _work(self, begin: bytes, size: int) -> Work:
        return _HostWork(begin, size)

    def _run(self, kernel: str, args: ctypes.Structure, blocks_x: int, blocks_y: int = 1) -> None:
        self._library[kernel](ctypes.byref(args), blocks_x, blocks_y, self.threads)

    def _wait(self) -> None:
        """A call returns when all its blocks are done."""
