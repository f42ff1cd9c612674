"""Paint over what identifies, in place on an NV12 picture: solid colour from outside the region, never a blur."""

from __future__ import annotations

from collections.abc import Sequence

from firmware.config import Fill
from firmware.kernels.shapes import Ellipse, Rectangle, Shape
from firmware.pipeline.detect.types import Region
from hw.ports import U8, Kernels


class Painter:
    """Fills regions as the configuration wants them to look."""

    def __init__(self, kernels: Kernels, fill: Fill) -> None:
        self._kernels, self._fill = kernels, fill

    def fill_regions(self, y: U8, uv: U8, regions: Sequence[Region]) -> int:
        """Fill `regions` in place; returns how many touch the picture.

        `y` is (H, W), `uv` (H/2, W/2, 2). The area is rounded outwards to whole 2x2 cells. The colour of each region
        is the median of the pixels around it that no region covers. Raises ValueError for a region that is not one
        (NaN, negative size), before anything is painted: the caller then fills the whole frame.
        """
        return self._kernels.redact(y, uv, [self._shape(region) for region in regions], self._fill.soft_edge_px)

    def fill_frame(self, y: U8, uv: U8) -> None:
        """Fill the whole picture with mid-grey."""
        self._kernels.fill_frame(y, uv)

    def _shape(self, region: Region) -> Shape:
        make = Ellipse if region.kind == "face" and self._fill.faces == "ellipse" else Rectangle
        return make(region.x, region.y, region.w, region.h, region.angle_deg)
