"""The kernels on a CUDA GPU: the same calls and results as the host's, from the prebuilt fat binary."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.kernels.build import FAT_BINARY
from firmware.kernels.calls import KernelCalls, Work
from hw.jetson.cuda_driver import Gpu
from hw.ports import U8


class _DeviceWork(Work):
    def __init__(self, gpu: Gpu, begin: bytes, size: int) -> None:
        self._gpu = gpu
        self.address = gpu.scratch("work", size)
        gpu.upload(self.address, begin)

    def read(self, size: int) -> bytes:
        return self._gpu.download(self.address, size)


class CudaKernels(KernelCalls):
    """The `Kernels` port on the first GPU. Raises PartMissing without PyCUDA, a GPU or the fat binary.

    Planes and tensors must come from `allocate`: page-locked memory that the GPU reads and writes in place. A source's
    data may lie anywhere; elsewhere it is copied to the device once.
    """

    name = "cuda"

    def __init__(self, fat_binary: str | Path = FAT_BINARY) -> None:
        self.gpu = Gpu(Path(fat_binary))

    def allocate(self, size: int) -> U8:
        """Flat page-locked memory for a frame or a tensor."""
        return self.gpu.pinned(size)

    def _address(self, array: NDArray[np.generic]) -> int:
        extent = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)) + array.itemsize
        found = self.gpu.address(array.ctypes.data, extent)
        if found is None:
            raise ValueError("planes and tensors for the GPU must lie in memory from allocate()")
        return found

    def _source_address(self, data: U8) -> int:
        found = self.gpu.address(data.ctypes.data, data.nbytes)
        if found is None:
            found = self.gpu.scratch("source", data.nbytes)
            self.gpu.upload(found, data)
        return found

    def _work(self, begin: bytes, size: int) -> Work:
        return _DeviceWork(self.gpu, begin, size)

    def _run(self, kernel: str, args: ctypes.Structure, blocks_x: int, blocks_y: int = 1) -> None:
        self.gpu.run(kernel, args, (blocks_x, blocks_y))

    def _wait(self) -> None:
        self.gpu.wait()
