"""The Jetson's own video encoder as data for the shared GStreamer chain: nvv4l2h264enc and nvv4l2h265enc.

Every property that shapes the stream is set: the defaults are a web camera's. tests/test_l4t_elements.py holds the text
against hw/jetson/l4t_elements.toml. Not yet run on a Jetson.
"""

from __future__ import annotations

from fractions import Fraction

from firmware import config
from firmware.config_rules import DICOM_MOST_BPS
from firmware.errors import ConfigError
from firmware.pipeline.encoder_spec import EncoderSpec
from hw.jetson.modules import require_encoder, this_module
from hw.ports import StreamFormat

_PACKAGE = "nvidia-l4t-gstreamer (part of JetPack; this encoder exists on a Jetson only)"
_PRESET_LEVEL = {"ultrafast": "UltraFastPreset", "superfast": "UltraFastPreset", "veryfast": "FastPreset",
                 "faster": "FastPreset", "fast": "MediumPreset", "medium": "SlowPreset"}
_NO_OWN_IDR = 1 << 20
_H265_MOST = (3840, 2160)  # wider ones are reported to fail


def jetson_spec(cfg: config.Encode, fmt: StreamFormat) -> EncoderSpec:
    """NV12 in host memory -> nvvidconv -> NVMM -> the hardware encoder; variable bitrate under a peak, no B-frames.

    Raises PartMissing on a Jetson without such an encoder, ConfigError for a picture that it cannot take.
    """
    require_encoder(this_module())
    if cfg.codec == "h265" and (fmt.coded_width > _H265_MOST[0] or fmt.coded_height > _H265_MOST[1]):
        raise ConfigError(
            f"The Jetson's H.265 encoder takes at most 3840x2160, and the source delivers {fmt.width}x{fmt.height}",
            meaning="Nothing is recorded", todo='set the source to 3840x2160, or encode.codec = "h264"',
        )
    element = f"nvv4l2{cfg.codec}enc"
    peak_bps = cfg.bitrate_bps * 5 // 4
    if cfg.dicom and cfg.codec == "h265":
        peak_bps = min(peak_bps, DICOM_MOST_BPS)
    own = "profile=High disable-cabac=false poc-type=2" if cfg.codec == "h264" else "profile=Main"
    return EncoderSpec(
        name=f"nvv4l2-{cfg.codec}", codec=cfg.codec,
        chain=(
            "nvvidconv compute-hw=VIC flip-method=none"
            " ! video/x-raw(memory:NVMM),format=NV12,colorimetry=bt709"
            f" ! {element} name=encoder {own} ratecontrol-enable=true control-rate=variable_bitrate"
            f" bitrate={cfg.bitrate_bps} peak-bitrate={peak_bps} vbv-size={peak_bps}"  # one second, in bits
            f" EnableTwopassCBR=false preset-level={_PRESET_LEVEL[cfg.preset]} maxperf-enable=true"
            f" iframeinterval={_NO_OWN_IDR} idrinterval={_NO_OWN_IDR} SliceIntraRefreshInterval=0"
            " num-B-Frames=0 num-Ref-Frames=1 insert-sps-pps=true insert-vui=true insert-aud=false"
            " slice-header-spacing=0 bit-packetization=false enable-lossless=false EnableMVBufferMeta=false"
            " MeasureEncoderLatency=false qos=false"
        ),
        parts=(("nvvidconv", _PACKAGE), (element, _PACKAGE)),
        latency_frames=4,
        nominal_rate=Fraction(30),
        idr_signal="force-IDR",  # it does not heed GstForceKeyUnit: nothing in its source looks at the frame's flag
        idr_slack=4,  # V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE: "one of queued output plane buffer"
    )
