"""The track layout of a recording: StreamInfo, once both encoders have told theirs. No I/O."""

from __future__ import annotations

from fractions import Fraction

from firmware.config import Encode, Zones
from firmware.media.fmp4 import init_segment
from firmware.media.tracks import SoundTrack, VideoTrack
from firmware.messages import FieldZone, StreamInfo
from hw.ports import StreamFormat


def stream_info(
    fmt: StreamFormat, cfg: Encode, rate: Fraction, timescale: int, encoder: str, detectors: list[str],
    codec_config: bytes, sound: SoundTrack | None, covers: list[str], zones: Zones,
) -> StreamInfo:
    """What the recorder needs before the first fragment. `rate` 0 means variable."""
    video = VideoTrack(
        cfg.codec, fmt.width, fmt.height, fmt.coded_width, fmt.coded_height, codec_config, timescale
    )
    return StreamInfo(
        codec=cfg.codec, width=fmt.width, height=fmt.height, coded_width=fmt.coded_width,
        coded_height=fmt.coded_height, rate_num=rate.numerator, rate_den=rate.denominator, live=fmt.live,
        encoder=encoder, detectors=detectors, init_segment=init_segment(video, sound),
        sound_codec=sound.codec if sound else "", sound_rate_hz=sound.rate_hz if sound else 0,
        sound_channels=sound.channels if sound else 0, covers=covers,
        site_zones=[zone.name for zone in zones.always], profile=zones.profile,
        field_zones=[FieldZone(zone.name, zone.x, zone.y, zone.w, zone.h) for zone in zones.field],
    )
