"""The Jetson's own video encoder as data for the shared GStreamer chain: nvv4l2h264enc and nvv4l2h265enc.

Written after NVIDIA's documentation and the facts in the design; not yet run on a Jetson.
"""

from __future__ import annotations

from fractions import Fraction

from firmware import config
from firmware.pipeline.gst_encoder import EncoderSpec
from hw.ports import StreamFormat

_PACKAGE = "nvidia-l4t-gstreamer (part of JetPack; this encoder exists on a Jetson only)"
# preset-level 1 (ultra fast) to 4 (slow).
_PRESET_LEVEL = {"ultrafast": 1, "superfast": 1, "veryfast": 2, "faster": 2, "fast": 3, "medium": 4}
_NO_OWN_IDR = 1 << 20


def jetson_spec(cfg: config.Encode, fmt: StreamFormat) -> EncoderSpec:
    """NV12 in host memory -> nvvidconv -> NVMM -> the hardware encoder; variable bitrate under a peak, no B-frames."""
    element = "nvv4l2h265enc" if cfg.codec == "h265" else "nvv4l2h264enc"
    # insert-sps-pps is off by default, and the parser needs the parameter sets to make avcC or hvcC.
    own = "num-B-Frames=0 poc-type=2 disable-cabac=false profile=4" if cfg.codec == "h264" else "profile=0"
    return EncoderSpec(
        name=f"nvv4l2-{cfg.codec}", codec=cfg.codec,
        chain=(
            "nvvidconv compute-hw=2 ! video/x-raw(memory:NVMM),format=NV12,colorimetry=bt709"
            f" ! {element} name=encoder control-rate=0 bitrate={cfg.bitrate_bps}"
            f" peak-bitrate={cfg.bitrate_bps * 5 // 4} preset-level={_PRESET_LEVEL[cfg.preset]}"
            f" iframeinterval={_NO_OWN_IDR} idrinterval={_NO_OWN_IDR} insert-sps-pps=true insert-aud=false"
            f" insert-vui=true maxperf-enable=true num-Ref-Frames=1 qos=false {own}"
        ),
        parts=(("nvvidconv", _PACKAGE), (element, _PACKAGE)),
        latency_frames=4,
        nominal_rate=Fraction(30),
    )
