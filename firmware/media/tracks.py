"""What a track is, and how times become ticks. Plain types and arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from firmware.errors import MediaUnreadable

TIMESCALE = 5_760_000
"""Picture ticks a second: the least common multiple of 90000, 15360, 12800 and 48000. So 1/90000, 1/12800, 1/15360,
milliseconds and all n*1000/1001 rates are whole ticks, and a nanosecond time of any of them rounds to exactly the tick
it came from. One frame may last up to 745 s in 32 bits. Live sources (microseconds) are off by at most 0.09 us."""

SOUND_RATE_HZ = 48_000
_NS = 1_000_000_000

VideoCodec = Literal["h264", "h265"]
SoundCodec = Literal["opus", "aac"]


def timescale_for(rate: Fraction) -> int:
    """The picture timescale for a source of `rate` frames a second (0: variable): TIMESCALE, which is exact for
    all usual sources, or for a rare rate (29.97 as 2997/100) a multiple of its numerator."""
    if rate <= 0 or TIMESCALE % rate.numerator == 0 or rate.numerator > 100_000_000:
        return TIMESCALE
    return rate.numerator * max(1, TIMESCALE // rate.numerator)


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """Visible size in pixels, coded size (visible rounded up to even), avcC or hvcC payload, ticks a second."""

    codec: VideoCodec
    width: int
    height: int
    coded_width: int
    coded_height: int
    codec_config: bytes
    timescale: int = TIMESCALE

    def __post_init__(self) -> None:
        sizes = (self.width, self.height, self.coded_width, self.coded_height)
        if not all(0 < size <= 0xFFFF for size in sizes) or not 0 < self.timescale < 1 << 32:
            raise MediaUnreadable(f"A picture of {self.width}x{self.height} pixels cannot be stored")


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """`codec_config`: the dOps payload for Opus, the AudioSpecificConfig for AAC. Ticks are samples."""

    codec: SoundCodec
    rate_hz: int
    channels: int
    codec_config: bytes

    def __post_init__(self) -> None:
        if not 0 < self.rate_hz <= 0xFFFF or not 0 < self.channels <= 8:
            raise MediaUnreadable(f"Sound of {self.channels} channels at {self.rate_hz} Hz cannot be stored")


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded picture or sound packet. No reordering: presentation time is decoding time."""

    pts_ns: int
    duration_ns: int
    keyframe: bool
    data: bytes


def ticks(time_ns: int, timescale: int) -> int:
    """Nanoseconds to the nearest tick."""
    return (time_ns * timescale + _NS // 2) // _NS


def ticks_to_ns(time_ticks: int, timescale: int) -> int:
    """Ticks to the nearest nanosecond; gives back the nanoseconds of any source time that is a whole tick."""
    return (time_ticks * _NS + timescale // 2) // timescale
