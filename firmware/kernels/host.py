"""The kernels on the CPU: calls the host library that is compiled from the CUDA sources. No copies; GIL released."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from firmware.errors import PartMissing
from firmware.kernels import args as a
from firmware.kernels import shapes as s
from firmware.kernels.build import HOST_LIBRARY, source_hash
from firmware.kernels.types import F32, U8, PictureStats, SourcePicture, Triple, check_nv12, check_source


def _load(path: Path) -> Any:
    todo = "run make kernels (make setup does, too)"
    meaning = "Without it no frame can be scrubbed, so nothing was started"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise PartMissing(f"The kernels' host library cannot be loaded ({error})", meaning=meaning, todo=todo) from None
    library.scrubcam_sources.restype = ctypes.c_char_p
    wanted = source_hash()
    if library.scrubcam_sources().decode() != wanted:
        raise PartMissing(f"The kernels' host library {path} was built from other sources than these", meaning=meaning,
                          todo=todo)
    return library


class HostKernels:
    """The `Kernels` port on `threads` threads (0: two, or one on a single core).

    Any thread may call any method at any time. Raises PartMissing when the library is absent or stale.
    """

    name = "host"

    def __init__(self, threads: int = 0, library: str | Path = HOST_LIBRARY) -> None:
        self.threads = threads or min(2, len(os.sched_getaffinity(0)))
        self._library = _load(Path(library))

    def allocate(self, size: int) -> U8:
        """Flat memory for a frame or a tensor, from a page boundary on."""
        page = 4096
        memory = np.empty(size + page, np.uint8)
        start = -memory.ctypes.data % page
        return memory[start : start + size]

    def ingest(self, source: SourcePicture, y: U8, uv: U8) -> PictureStats:
        """Convert `source` into NV12, limited BT.709: `y` (H, W), `uv` (H/2, W/2, 2), its size rounded up to even.

        Raises ValueError when the planes do not fit or the source is shorter than its size says.
        """
        check_source(source)
        width, height = check_nv12(y, uv, written=True)
        if (width, height) != (source.width + (source.width & 1), source.height + (source.height & 1)):
            raise ValueError(f"a source of {source.width}x{source.height} does not fill {width}x{height}")
        args, stats = a.ingest_args(source.format, source.range, source.matrix), a.Stats()
        base = source.data.ctypes.data
        for index, (offset, pitch) in enumerate(zip(source.offsets[:3], source.pitches[:3], strict=False)):
            args.plane[index], args.pitch[index] = base + offset, pitch
        args.width, args.height = source.width, source.height
        args.y, args.y_pitch, args.uv, args.uv_pitch = y.ctypes.data, y.strides[0], uv.ctypes.data, uv.strides[0]
        args.stats = ctypes.addressof(stats)
        self._run("scrubcam_ingest", args, height // 2)
        return PictureStats(width * height // 2, stats.sum, stats.lit, stats.clipped, stats.check)

    def tensor(self, y: U8, uv: U8, out: F32, *, crop: tuple[int, int, int, int] | None = None,
               fit: tuple[int, int] | None = None, mean: Triple = (0.0, 0.0, 0.0), scale: Triple = (1.0, 1.0, 1.0),
               order: tuple[int, int, int] = (0, 1, 2), pad: float = 0.0) -> tuple[int, int]:
        """The crop (x, y, w, h; the whole picture) as RGB, area-averaged to `fit` (w, h), in the top left of `out`.

        `out` is (3, H, W): plane c holds (colour order[c], 0 to 255, minus mean[c]) * scale[c]; beside the picture
        `pad`. Without `fit` it is the largest size of the crop's shape that goes in, at most 1:1. Returns `fit`.
        Raises ValueError when something does not lie where it should.
        """
        size = check_nv12(y, uv, written=False)
        if out.ndim != 3 or out.shape[0] != 3 or out.dtype != np.float32 or not out.flags.writeable:
            raise ValueError("a tensor is (3, H, W), float32")
        if out.strides[2] != 4 or out.strides[1] < 4 * out.shape[2] or out.strides[0] < out.strides[1] * out.shape[1]:
            raise ValueError("pixels of a tensor's row must lie side by side, its rows and planes one after the other")
        crop = crop or (0, 0, *size)
        out_size = (out.shape[2], out.shape[1])
        fit = fit or a.fit_within(crop[2], crop[3], *out_size)
        args = a.tensor_args(size, crop, out_size, fit, mean, scale, order, pad)
        args.y, args.y_pitch = y.ctypes.data + crop[1] * y.strides[0] + crop[0], y.strides[0]
        args.uv, args.uv_pitch = uv.ctypes.data + crop[1] // 2 * uv.strides[0] + crop[0], uv.strides[0]
        args.out, args.out_plane, args.out_row = out.ctypes.data, out.strides[0] // 4, out.strides[1] // 4
        self._run("scrubcam_tensor", args, out.shape[1])
        return fit

    def redact(self, y: U8, uv: U8, shapes: Iterable[s.Shape], soft_px: int = 0) -> int:
        """Fill `shapes` in place, rounded outwards to whole 2x2 cells; returns how many touch the picture.

        The colour of each is the median of the cells around its box that no shape covers, mid-grey where there are
        none. With `soft_px` the cells up to that far outside fade into it: they only, and from their own pixels.
        Raises ValueError for what is not a region, before anything is painted: the caller then fills the frame.
        """
        width, height = check_nv12(y, uv, written=True)
        if not 0 <= soft_px <= 64:
            raise ValueError(f"a soft edge of {soft_px} pixels: 0 to 64 are possible")
        plan = s.plan(shapes, width, height)
        if not plan.count:
            return 0
        work = ctypes.create_string_buffer(plan.packed, len(plan.packed) + a.SPAN_BYTES * plan.rows
                                           + a.COLOUR_BYTES * plan.count)
        args = self._redact_args(y, uv)
        args.shapes = ctypes.addressof(work)
        args.spans = args.shapes + len(plan.packed)
        args.colours = args.spans + a.SPAN_BYTES * plan.rows
        args.count, args.soft = plan.count, (soft_px + 1) // 2
        self._run("scrubcam_redact_spans", args, plan.count)
        self._run("scrubcam_redact_colours", args, plan.count)
        self._run("scrubcam_redact_paint", args, plan.highest + 2 * args.soft, plan.count)
        return plan.count

    def fill_frame(self, y: U8, uv: U8) -> None:
        """Fill the whole picture with mid-grey."""
        check_nv12(y, uv, written=True)
        self._run("scrubcam_fill_frame", self._redact_args(y, uv), uv.shape[0])

    def _redact_args(self, y: U8, uv: U8) -> a.Redact:
        return a.Redact(y=y.ctypes.data, y_pitch=y.strides[0], uv=uv.ctypes.data, uv_pitch=uv.strides[0],
                        width=y.shape[1], height=y.shape[0])

    def _run(self, kernel: str, args: ctypes.Structure, blocks_x: int, blocks_y: int = 1) -> None:
        self._library[kernel](ctypes.byref(args), blocks_x, blocks_y, self.threads)
