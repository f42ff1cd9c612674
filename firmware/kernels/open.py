"""Opens the kernels that the configuration names: these or a named fault, never others."""

from __future__ import annotations

from functools import cache

from firmware import config
from hw.ports import Kernels


@cache
def open_kernels(settings: config.Kernels) -> Kernels:
    """The kernels for a process, made once. Raises PartMissing when the backend is not there."""
    if settings.backend == "cuda":
        from hw.jetson.kernels import CudaKernels

        return CudaKernels()
    from firmware.kernels.host import HostKernels

    return HostKernels(settings.threads)
