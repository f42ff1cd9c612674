"""Grows found heads to head and shoulders, for staff who want more of themselves covered. Finds nothing itself.

No network for whole people is used: none with a clearly stated, compatible licence comes in a pinned package.
"""

from __future__ import annotations

from typing import Any, Literal

from firmware.pipeline.detect.types import Detector, Region
from hw.ports import U8

WIDE = 3.0
"""Widths of a head's box across the shoulders: they are 0.26 of a person's height from joint to joint, twice a head's
height (Drillis and Contini's segment lengths, in Winter, Biomechanics and Motor Control of Human Movement), and the
muscle over the joints, raised arms and a lean to one side take the rest."""
HIGH = 4.0
"""Heights of a head's box from the top of the head: the hip is 0.47 of a person's height below it, 3.6 heads."""


class HeadAndShoulders:
    """A face detector whose regions reach from the top of the head to the hips. A person is taken to be upright: of one
    who lies, the head is covered as before, and what is below it in the picture."""

    kind: Literal["face"] = "face"

    def __init__(self, heads: Detector) -> None:
        self._heads = heads

    def prepare(self, y: U8, uv: U8) -> Any:
        """As the detector of heads does; it must tell the frame's `width` and `height`."""
        return self._heads.prepare(y, uv)

    def detect(self, prepared: Any) -> tuple[Region, ...]:
        """Head and shoulders as upright boxes inside the frame; fails as the detector of heads does."""
        return tuple(with_shoulders(head, prepared.width, prepared.height) for head in self._heads.detect(prepared))


def with_shoulders(head: Region, width: int, height: int) -> Region:
    """The upright box of head, shoulders and trunk, cut to a picture of `width` x `height` pixels; it holds `head`.

    `head` is an upright box that touches the picture.
    """
    middle = head.x + head.w / 2
    left, right = max(min(head.x, middle - WIDE * head.w / 2), 0.0), min(middle + WIDE * head.w / 2, float(width))
    top, bottom = max(head.y, 0.0), min(head.y + HIGH * head.h, float(height))
    return Region(head.kind, left, top, right - left, bottom - top, 0.0, head.score)
