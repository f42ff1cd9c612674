"""Sample entries: how a decoder learns codec, size and colour (avc1, hvc1, Opus, mp4a), written and read back. Pure."""

from __future__ import annotations

import struct

from firmware.media.boxes import View, box, full_box, unreadable
from firmware.media.tracks import SoundTrack, VideoCodec, VideoTrack

_VIDEO_ENTRY = {"h264": ("avc1", "avcC"), "h265": ("hvc1", "hvcC")}
_VIDEO_HEAD, _SOUND_HEAD = 78, 28  # bytes before the inner boxes: ISO/IEC 14496-12, 12.1.3 and 12.2.3


def video_entry(track: VideoTrack) -> bytes:
    """avc1/hvc1 with the decoder configuration, BT.709 limited range, square pixels, and the visible part."""
    kind, config = _VIDEO_ENTRY[track.codec]
    head = struct.pack(
        ">6xH16xHHIIIH32sHh", 1, track.coded_width, track.coded_height, 0x480000, 0x480000, 0, 1, b"", 24, -1
    )
    inner = [
        box(config, track.codec_config),
        box("colr", struct.pack(">4sHHHB", b"nclx", 1, 1, 1, 0)),
        box("pasp", struct.pack(">II", 1, 1)),
    ]
    if (track.width, track.height) != (track.coded_width, track.coded_height):
        # Clean aperture: the top left width x height; offsets are from centre to centre, in halves.
        off_x, off_y = track.width - track.coded_width, track.height - track.coded_height
        inner.append(box("clap", struct.pack(">IIIIiIiI", track.width, 1, track.height, 1, off_x, 2, off_y, 2)))
    return box(kind, head, *inner)


def sound_entry(track: SoundTrack) -> bytes:
    """Opus with dOps, or mp4a with esds."""
    head = struct.pack(">6xH8xHHHHI", 1, track.channels, 16, 0, 0, track.rate_hz << 16)
    if track.codec == "opus":
        return box("Opus", head, box("dOps", track.codec_config))
    return box("mp4a", head, full_box("esds", 0, 0, _es_descriptor(track.codec_config)))


def _descriptor(tag: int, body: bytes) -> bytes:
    if len(body) > 127:
        raise unreadable("the sound's decoder configuration is too long")
    return bytes([tag, len(body)]) + body


def _es_descriptor(asc: bytes) -> bytes:
    """ISO/IEC 14496-1 7.2.6.5: ES (3) { decoder config (4) { specific info (5) }, SL config (6) }."""
    specific = _descriptor(5, asc)
    decoder = _descriptor(4, struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + specific)
    return _descriptor(3, struct.pack(">HB", 0, 0) + decoder + _descriptor(6, b"\x02"))


def read_video_entry(kind: str, entry: View, width: int, height: int, timescale: int) -> VideoTrack:
    """The track of a sample entry. Raises MediaUnreadable."""
    codec: VideoCodec
    if kind == "avc1":
        codec, wanted = "h264", "avcC"
    elif kind == "hvc1":
        codec, wanted = "h265", "hvcC"
    else:
        raise unreadable(f"unknown picture format {kind!r}")
    coded_width, coded_height = entry.take("HH", 24)
    config = next((inner.bytes() for name, inner in entry.boxes(_VIDEO_HEAD) if name == wanted), b"")
    if not config:
        raise unreadable(f"the box {wanted} is missing")
    return VideoTrack(codec, width, height, coded_width, coded_height, config, timescale)


def read_sound_entry(kind: str, entry: View) -> SoundTrack:
    """The track of a sample entry. Raises MediaUnreadable."""
    (channels,), (rate,) = entry.take("H", 16), entry.take("I", 24)
    wanted = {"Opus": "dOps", "mp4a": "esds"}.get(kind)
    if wanted is None:
        raise unreadable(f"unknown sound format {kind!r}")
    inner = next((view for name, view in entry.boxes(_SOUND_HEAD) if name == wanted), None)
    if inner is None:
        raise unreadable(f"the box {wanted} is missing")
    if kind == "Opus":
        return SoundTrack("opus", rate >> 16, channels, inner.bytes())
    return SoundTrack("aac", rate >> 16, channels, _specific_info(inner))


def _specific_info(esds: View) -> bytes:
    """The AudioSpecificConfig in an esds as written above."""
    at = 4
    for tag, skip in ((3, 3), (4, 13), (5, 0)):
        found, length = esds.take("BB", at)
        if found != tag or length > len(esds) - at - 2:
            raise unreadable("the sound's descriptors are damaged")
        at += 2 + skip
    return esds.bytes(at)[:length]
