"""The kernels' backends under their contract."""

from __future__ import annotations

from hw.ports import Kernels
from tests.contract.kernels import KernelsContract
from tests.kernel_backends import host


class TestHostKernels(KernelsContract):
    adapter = "firmware.kernels.host.HostKernels"
    ran_on = "the processor that runs the tests, also built with sanitizers"

    @classmethod
    def make(cls) -> Kernels:
        return host()


class TestCudaKernelsOnBench(KernelsContract):
    adapter = "hw.jetson.kernels.CudaKernels"
    bench = "kernels.cuda"
    ran_on = "no GPU yet"

    @classmethod
    def make(cls) -> Kernels:
        from hw.jetson.kernels import CudaKernels

        return CudaKernels()
