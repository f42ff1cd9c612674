"""The kernels under test: the host library, or its sanitized build as SCRUBCAM_TEST_KERNELS says, or a bench's GPU."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from firmware.kernels.build import HOST_LIBRARY, SANITIZED_LIBRARY
from firmware.kernels.host import HostKernels
from firmware.kernels.shapes import Shape, plan
from hw.ports import U8, Kernels

VARIABLE, CASES = "SCRUBCAM_TEST_KERNELS", "SCRUBCAM_TEST_KERNEL_CASES"


_tested: list[Kernels] = []


@cache
def host() -> Kernels:
    """The CPU's, as the environment says."""
    wanted = os.environ.get(VARIABLE, "host")
    return HostKernels(threads=2, library={"host": HOST_LIBRARY, "sanitized": SANITIZED_LIBRARY}[wanted])


@contextlib.contextmanager
def testing(kernels: Kernels) -> Iterator[None]:
    """`backend()` is this one meanwhile."""
    _tested.append(kernels)
    try:
        yield
    finally:
        _tested.pop()


def backend() -> Kernels:
    """The one under test, the CPU's where no other is."""
    return _tested[-1] if _tested else host()


def examples(usual: int) -> int:
    """How many cases a property is tried on: `usual`, or the number the caller of this process asked for."""
    return int(os.environ.get(CASES, usual))


class Guarded:
    """Bytes for the kernels with known bytes before, behind and between the rows, to see that those stay."""

    MARK = 0xA5
    ROOM = 67

    def __init__(self, size: int) -> None:
        self.memory = backend().allocate(size + 2 * self.ROOM)
        self.memory[:] = self.MARK
        self._may = self.memory != self.MARK

    def plane(self, start: int, rows: int, row_bytes: int, pitch: int) -> U8:
        """(rows, row_bytes) at `start`; only these may change."""
        first = self.ROOM + start
        for row in range(rows):
            self._may[first + row * pitch : first + row * pitch + row_bytes] = True
        inside = self.memory[first : first + (rows - 1) * pitch + row_bytes]
        return np.lib.stride_tricks.as_strided(inside, (rows, row_bytes), (pitch, 1))

    def intact(self) -> bool:
        """Whether nothing but the planes changed."""
        return bool((self.memory[~self._may] == self.MARK).all())


class Packed(ctypes.Structure):
    """ScrubcamShape, as the oracle reads it."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("kind", "left", "top", "right", "bottom", "spans_at")),
        ("nx", ctypes.c_int32 * 4), ("ny", ctypes.c_int32 * 4), ("d", ctypes.c_int64 * 4),
        *((name, ctypes.c_int64) for name in ("cx", "cy", "kx", "ky")),
        *((name, ctypes.c_int32) for name in ("ax", "ay", "reach", "unused")),
    ]


def unpacked(shapes: list[Shape], width: int, height: int) -> list[dict[str, Any]]:
    """Those shapes that touch the picture, in the integers that the kernels get."""
    made = plan(shapes, width, height)
    array = (Packed * made.count).from_buffer_copy(made.packed)
    return [{name: list(value) if hasattr(value := getattr(item, name), "__len__") else value
             for name, _ in Packed._fields_} for item in array]
