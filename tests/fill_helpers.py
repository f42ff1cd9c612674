"""The product's fill on the host's kernels, as plain functions."""

from __future__ import annotations

from firmware.config import Fill
from firmware.kernels.host import HostKernels
from firmware.pipeline.redact import Painter

KERNELS = HostKernels(1)
PAINTER = Painter(KERNELS, Fill())
fill_regions = PAINTER.fill_regions
fill_frame = PAINTER.fill_frame
