"""Plain types of the detectors: what was seen, when. Holds no pixel and does no work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hw.ports import U8

DetectorKind = Literal["face", "text", "code"]
RegionKind = Literal["face", "text", "code", "zone"]
"""What a region covers: something a detector found, or a site zone."""


@dataclass(frozen=True, slots=True)
class Region:
    """Something to cover, in pixels of the picture.

    `x`, `y`, `w`, `h` is the top-left axis-aligned box of the unrotated rectangle; `angle_deg` turns it clockwise
    (as seen on the screen, y down) about its centre. `score` is the detector's own, 0 to 1.
    """

    kind: RegionKind
    x: float
    y: float
    w: float
    h: float
    angle_deg: float = 0.0
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Detections:
    """All that one detector saw in the frame taken at `pts_ns`; no regions means it looked and saw none."""

    kind: DetectorKind
    pts_ns: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class DetectorFailure:
    """A detector looked at the frame taken at `pts_ns` and gave no answer that can be trusted.

    `code` is "detector-failed" or "bad-detection", the words of messages.BlankReason.
    """

    kind: DetectorKind
    pts_ns: int
    code: Literal["detector-failed", "bad-detection"]
    text: str


class BadDetection(ValueError):
    """A detector returned nonsense: a number that is not finite, an empty box, a box outside the picture."""


class Detector(Protocol):
    """Looks at one frame. `prepare` is cheap and runs in the frame path; `detect` runs on a worker's thread."""

    @property
    def kind(self) -> DetectorKind: ...

    def prepare(self, y: U8, uv: U8) -> Any:
        """A private copy of what `detect` needs, from NV12 planes `y` (H, W) and `uv` (H/2, W/2, 2)."""

    def detect(self, prepared: Any) -> tuple[Region, ...]:
        """What is in the frame, in its pixels. Any exception is a failed detection."""
