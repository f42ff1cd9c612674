"""What both backends share: checks what is asked for, lays out the kernels' arguments and says which to run."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from firmware.kernels import args as a
from firmware.kernels import shapes as s
from firmware.kernels.types import F32, U8, PictureStats, SourcePicture, Triple, check_nv12, check_source

LANES = {
    "scrubcam_ingest": 128, "scrubcam_tensor": 256, "scrubcam_redact_spans": 128, "scrubcam_redact_colours": 128,
    "scrubcam_redact_paint": 64, "scrubcam_fill_frame": 128,
}
"""Every kernel, and the threads of its block on a GPU."""


class Work(ABC):
    """Memory for one call, where the kernels run."""

    address: int

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Its first bytes, once all that was run has ended."""


class KernelCalls(ABC):
    """The `Kernels` port, but for where memory lies and how a kernel is started."""

    @abstractmethod
    def _address(self, array: NDArray[np.generic]) -> int:
        """Of a plane or tensor, as the kernels see it. Raises ValueError when they cannot."""

    @abstractmethod
    def _source_address(self, data: U8) -> int:
        """The same for a source's data, which may lie anywhere."""

    @abstractmethod
    def _work(self, begin: bytes, size: int) -> Work:
        """`size` bytes that begin with `begin`."""

    @abstractmethod
    def _run(self, kernel: str, args: ctypes.Structure, blocks_x: int, blocks_y: int = 1) -> None:
        """Start a kernel; it begins when those started before on this thread have ended."""

    @abstractmethod
    def _wait(self) -> None:
        """Return when all that was started on this thread has ended."""

    def ingest(self, source: SourcePicture, y: U8, uv: U8) -> PictureStats:
        """Convert `source` into NV12, limited BT.709: `y` (H, W), `uv` (H/2, W/2, 2), its size rounded up to even.

        Raises ValueError when the planes do not fit or the source is shorter than its size says.
        """
        check_source(source)
        width, height = check_nv12(y, uv, written=True)
        if (width, height) != (source.width + (source.width & 1), source.height + (source.height & 1)):
            raise ValueError(f"a source of {source.width}x{source.height} does not fill {width}x{height}")
        args = a.ingest_args(source.format, source.range, source.matrix)
        work = self._work(bytes(a.Stats()), ctypes.sizeof(a.Stats))
        base = self._source_address(source.data)
        for index, (offset, pitch) in enumerate(zip(source.offsets[:3], source.pitches[:3], strict=False)):
            args.plane[index], args.pitch[index] = base + offset, pitch
        args.width, args.height, args.stats = source.width, source.height, work.address
        args.y, args.y_pitch, args.uv, args.uv_pitch = self._address(y), y.strides[0], self._address(uv), uv.strides[0]
        self._run("scrubcam_ingest", args, height // 2)
        stats = a.Stats.from_buffer_copy(work.read(ctypes.sizeof(a.Stats)))
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
        if out.ndim != 3 or out.shape[0] != 3 or not out.size or out.dtype != np.float32 or not out.flags.writeable:
            raise ValueError("a tensor is (3, H, W), float32")
        if out.strides[2] != 4 or out.strides[1] < 4 * out.shape[2] or out.strides[0] < out.strides[1] * out.shape[1]:
            raise ValueError("pixels of a tensor's row must lie side by side, its rows and planes one after the other")
        crop = crop or (0, 0, *size)
        out_size = (out.shape[2], out.shape[1])
        fit = fit or a.fit_within(crop[2], crop[3], *out_size)
        args = a.tensor_args(size, crop, out_size, fit, mean, scale, order, pad)
        args.y, args.y_pitch = self._address(y) + crop[1] * y.strides[0] + crop[0], y.strides[0]
        args.uv, args.uv_pitch = self._address(uv) + crop[1] // 2 * uv.strides[0] + crop[0], uv.strides[0]
        args.out, args.out_plane, args.out_row = self._address(out), out.strides[0] // 4, out.strides[1] // 4
        self._run("scrubcam_tensor", args, out.shape[1])
        self._wait()
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
        shapes_bytes, spans_bytes = len(plan.packed), a.SPAN_BYTES * plan.rows
        work = self._work(plan.packed, shapes_bytes + spans_bytes + a.COLOUR_BYTES * plan.count)
        args = self._redact_args(y, uv)
        args.shapes, args.spans = work.address, work.address + shapes_bytes
        args.colours = args.spans + spans_bytes
        args.count, args.soft = plan.count, (soft_px + 1) // 2
        self._run("scrubcam_redact_spans", args, plan.count)
        self._run("scrubcam_redact_colours", args, plan.count)
        self._run("scrubcam_redact_paint", args, plan.highest + 2 * args.soft, plan.count)
        self._wait()
        return plan.count

    def fill_frame(self, y: U8, uv: U8) -> None:
        """Fill the whole picture with mid-grey."""
        check_nv12(y, uv, written=True)
        self._run("scrubcam_fill_frame", self._redact_args(y, uv), uv.shape[0])
        self._wait()

    def _redact_args(self, y: U8, uv: U8) -> a.Redact:
        return a.Redact(y=self._address(y), y_pitch=y.strides[0], uv=self._address(uv), uv_pitch=uv.strides[0],
                        width=y.shape[1], height=y.shape[0])
