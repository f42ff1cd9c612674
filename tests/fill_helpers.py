"""The product's fill on the host's kernels, as plain functions."""

from __future__ import annotations

from firmware.config import Fill
from firmware.kernels.host import HostKernels
from firmware.pipeline.redact import Painter

MID_GREY, NO_COLOUR = 126, 128
"""What a frame filled whole looks like: the middle of limited range (16..235), no colour."""
KERNELS = HostKernels(1)
PAINTER = Painter(KERNELS, Fill())
fill_regions = PAINTER.fill_regions
fill_frame = PAINTER.fill_frame
