"""The one import site of PyCUDA: its driver, once it has found a GPU, and our prebuilt kernels loaded with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firmware.errors import PartMissing
from firmware.kernels.build import is_current
from firmware.kernels.calls import LANES

_MEANING = "kernels.backend = \"cuda\" is asked for, so nothing was started"


def load_driver() -> Any:
    """PyCUDA's driver, initialised. Raises PartMissing without PyCUDA or a GPU."""
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


def load_kernels(driver: Any, fat_binary: Path, gpu: str) -> dict[str, Any]:
    """Every kernel's function by its name, in the current context. Raises PartMissing when they do not fit."""
    todo = "run make kernels on a machine with nvcc 13"
    if not is_current(fat_binary):
        raise PartMissing(f"The kernels {fat_binary} are absent or were built from other sources than these",
                          meaning=_MEANING, todo=todo)
    try:
        module = driver.module_from_file(str(fat_binary))
    except driver.Error as error:
        raise PartMissing(f"The kernels {fat_binary} cannot be loaded on {gpu} ({error})", meaning=_MEANING,
                          todo=todo) from None
    return {name: module.get_function(name) for name in LANES}
