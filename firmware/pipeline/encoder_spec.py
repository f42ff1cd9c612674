"""One encoder as data, and the GStreamer text that is made of it: appsrc -> encoder -> parser -> appsink."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from firmware.errors import PartMissing
from firmware.pipeline.gst import Gst
from hw.ports import StreamFormat

_PARSERS = {
    "h264": "h264parse config-interval=0 ! video/x-h264,stream-format=avc,alignment=au",
    "h265": "h265parse config-interval=0 ! video/x-h265,stream-format=hvc1,alignment=au",
}
PARSER_PARTS = {
    "h264": ("h264parse", "gstreamer1.0-plugins-bad"),
    "h265": ("h265parse", "gstreamer1.0-plugins-bad"),
}


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """One encoder as data.

    `chain`: GStreamer launch text from raw NV12 to the encoder, which must be named "encoder".
    `parts`: (element, Debian package) of all that must be installed.
    `latency_frames`: how many frames the encoder keeps inside before the first comes out.
    """

    name: str
    codec: str
    chain: str
    parts: tuple[tuple[str, str], ...]
    latency_frames: int
    nominal_rate: Fraction = Fraction(0)
    """Said to the encoder in place of a variable rate, for its bitrate only; 0 where it can do without."""
    idr_signal: str = ""
    """Action signal that asks for an IDR, for an encoder that does not heed GstForceKeyUnit."""
    idr_slack: int = 0
    """By how many frames an asked IDR may come earlier or later."""


def launch_text(spec: EncoderSpec, fmt: StreamFormat) -> str:
    """The whole pipeline as text, from the scrubbed frames ("src") to the access units ("sink")."""
    return (
        f"appsrc name=src caps={raw_caps(fmt, fmt.rate or spec.nominal_rate)} format=time is-live=false"
        " do-timestamp=false block=false max-buffers=0 max-bytes=0 max-time=0 stream-type=stream"
        f" ! {spec.chain} ! {_PARSERS[spec.codec]}"
        # Unbounded by itself; what is inside is bounded by push(), and one unit comes for each push.
        " ! appsink name=sink sync=false max-buffers=0 drop=false enable-last-sample=false wait-on-eos=false"
    )


def raw_caps(fmt: StreamFormat, rate: Fraction) -> str:
    """Caps of the scrubbed frames: NV12, limited BT.709, even size; rate 0/1 says variable."""
    return (
        f"video/x-raw,format=NV12,width={fmt.coded_width},height={fmt.coded_height},"
        f"framerate={rate.numerator}/{rate.denominator},"
        "colorimetry=bt709,chroma-site=mpeg2,interlace-mode=progressive,pixel-aspect-ratio=1/1"
    )


def require_elements(what: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Raise PartMissing for the first GStreamer element of (element, package) that is not installed."""
    for element, package in (("appsrc", "gstreamer1.0-plugins-base"), *parts):
        if Gst.ElementFactory.find(element) is None:
            raise PartMissing(
                f"The configured encoder {what} needs the GStreamer element {element}, which is not installed",
                meaning="Nothing is recorded; no other encoder is taken in its place",
                todo=f"install {package}, or configure another encoder",
            )
