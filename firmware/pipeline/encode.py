"""Picks the encoder the configuration names, with every property set. Absent means a named fault, never another one."""

from __future__ import annotations

import os
from fractions import Fraction

from firmware import config
from firmware.config_rules import DICOM_MOST_BPS
from firmware.errors import ConfigError
from firmware.pipeline.encoder_spec import EncoderSpec
from firmware.pipeline.gst_encoder import GstEncoder
from hw.ports import Encoder, StreamFormat

# We ask for each IDR ourselves, by time, and check that it came: the encoder's own interval only has to be longer.
NO_OWN_IDR = 1 << 20
MOST_KBPS = 100_000
"""The peak at constant quality."""
_CODEC_OF = {"x264": "h264", "x265": "h265"}


def make_encoder(cfg: config.Encode) -> Encoder:
    """The configured encoder, not yet opened. Raises ConfigError when encoder and codec do not fit together.

    Whether it is installed shows at `open`, which raises PartMissing.
    """
    made = _CODEC_OF.get(cfg.encoder, cfg.codec)
    if made != cfg.codec:
        raise ConfigError(
            f'encode.encoder = "{cfg.encoder}" makes {made}, but encode.codec = "{cfg.codec}"',
            meaning="Nothing is recorded",
            todo=f'set encode.codec = "{made}", or choose an encoder that makes {cfg.codec}',
        )
    if cfg.encoder == "nvv4l2":
        from hw.jetson.encode import jetson_spec

        return GstEncoder(lambda fmt: jetson_spec(cfg, fmt), f"nvv4l2-{cfg.codec}", cfg.idr_interval_s)
    spec = x264_spec if cfg.encoder == "x264" else x265_spec
    return GstEncoder(lambda fmt: spec(cfg, fmt), cfg.encoder, cfg.idr_interval_s)


def x264_spec(cfg: config.Encode, fmt: StreamFormat) -> EncoderSpec:
    """x264: no B-frames (decode order is display order), no look-ahead, slices in threads: no frame stays inside.

    On two cores slices were as fast as frame threads (63 and 64 frames/s at 1080p superfast) without their delay.
    """
    threads = min(4, os.cpu_count() or 1)
    return EncoderSpec(
        name="x264", codec="h264",
        chain=(
            f"x264enc name=encoder speed-preset={cfg.preset} tune=0 {_x264_rate(cfg)}"
            f" vbv-buf-capacity=1000 key-int-max={NO_OWN_IDR} bframes=0 b-adapt=false rc-lookahead=0"
            f" sync-lookahead=0 mb-tree=false sliced-threads=true threads={threads} aud=false byte-stream=false"
            " insert-vui=true interlaced=false intra-refresh=false qos=false min-force-key-unit-interval=0"
            ' option-string="scenecut=0:weightp=0:open-gop=0:nal-hrd=none"'
        ),
        parts=(("x264enc", "gstreamer1.0-plugins-ugly"),),
        latency_frames=0,
    )


def _x264_rate(cfg: config.Encode) -> str:
    if not cfg.quality:
        return f"bitrate={cfg.bitrate_bps // 1000} pass=cbr"
    return f"bitrate={MOST_KBPS} pass=qual quantizer={cfg.quality}"


def x265_spec(cfg: config.Encode, fmt: StreamFormat) -> EncoderSpec:
    """x265: as x264. It takes no NV12, so the two chroma planes are taken apart first (values unchanged)."""
    most_kbps = MOST_KBPS if cfg.quality else cfg.bitrate_bps // 1000
    if cfg.dicom:
        most_kbps = min(most_kbps, DICOM_MOST_BPS // 1000)
    options = (
        f"bframes=0:b-adapt=0:rc-lookahead=0:lookahead-slices=0:scenecut=0:open-gop=0:cutree=0:"
        f"weightp=0:frame-threads=1:pools=+:repeat-headers=0:aud=0:hrd=0:min-keyint=1:keyint={NO_OWN_IDR}:range=limited:info=0:"
        f"vbv-maxrate={most_kbps}:vbv-bufsize={most_kbps}" + (f":crf={cfg.quality}" if cfg.quality else "")
    )
    return EncoderSpec(
        name="x265", codec="h265",
        chain=(
            "videoconvert n-threads=1 matrix-mode=none chroma-mode=none ! video/x-raw,format=I420,colorimetry=bt709"
            f" ! x265enc name=encoder speed-preset={cfg.preset} tune=0 bitrate={cfg.bitrate_bps // 1000}"
            f" key-int-max={NO_OWN_IDR} log-level=none qp=-1 qos=false min-force-key-unit-interval=0"
            f' option-string="{options}"'
        ),
        parts=(("videoconvert", "gstreamer1.0-plugins-base"), ("x265enc", "gstreamer1.0-plugins-bad")),
        latency_frames=1,
        nominal_rate=Fraction(30),
    )
