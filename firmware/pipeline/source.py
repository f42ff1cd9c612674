"""Which source an address means: a file, a V4L2 device, a CSI camera, an RTSP stream, or the scene generator."""

from __future__ import annotations

import itertools
import os
import stat
from fractions import Fraction
from functools import partial
from typing import Any

from firmware import config
from firmware.errors import MediaUnreadable, ScrubcamError, SourceMissing
from firmware.pipeline.container import cut_short, lacks_index, varies
from firmware.pipeline.gst import NOT_AGREED, Gst, init, make
from firmware.pipeline.source_gst import GstSource
from hw.frame_rate import exact_rate
from hw.linux.v4l2_field import field_of
from hw.ports import FrameSource, Kernels, StreamFormat

RTSP_LATENCY_MS = 0  # over TCP nothing comes out of order, so nothing need wait
FFMPEG_SLICE_THREADS = 2
RTSP_OVER_TCP = 4  # GstRTSPLowerTrans: a lost UDP packet would be a lost frame
RATE_SLACK = Fraction(4, 10_000)
"""A device writes 59.94 in its own way (10000000/166833 for USB): near is meant, but 60 is not near."""


def open_source(cfg: config.Source, sound: bool, sound_device: str = "", *, kernels: Kernels) -> FrameSource:
    """The source for `cfg.uri`, not yet opened. `sound_device` is a GStreamer description of a live microphone.
    `kernels` take its pictures in.

    Raises SourceMissing when there is no such device or file or it cannot be read in this way, MediaUnreadable for an
    empty one, PartMissing when jetson-utils is configured and not there.
    """
    uri = cfg.uri
    if cfg.capture == "jetson-utils":
        from hw.jetson.capture import JetsonCapture

        _refuse_woven(uri)
        return JetsonCapture(uri, kernels, width=cfg.width, height=cfg.height, rate=exact_rate(cfg.rate_hz),
                             lost_after_s=cfg.lost_after_s)
    if uri.startswith("scene://"):
        from hw.sim.scene import SceneSource

        return SceneSource.from_config(cfg)
    if uri.startswith(("rtsp://", "rtsps://")):
        return GstSource(_without_password(uri), partial(_rtsp_head, uri), live=True, sound=sound,
                         sound_head=sound_device, lost_after_s=cfg.lost_after_s, explain=_explain_live, kernels=kernels)
    path = uri[len("file://"):] if uri.startswith("file://") else uri
    mode = _mode_of(path)
    if stat.S_ISCHR(mode):
        return GstSource(path, partial(_v4l2_head, path, cfg), live=True, sound=sound and bool(sound_device),
                         sound_head=sound_device, lost_after_s=cfg.lost_after_s, explain=_explain_live, kernels=kernels)
    if not stat.S_ISREG(mode):
        raise SourceMissing(f"{path} is not a file or a video device", meaning="Nothing is recorded",
                            todo="give a video file, /dev/videoN, rtsp://... or scene://")
    if os.path.getsize(path) == 0:
        raise MediaUnreadable(f"{path} is empty (0 bytes)", meaning="There is nothing to record",
                              todo="check where the file came from")
    if lacks_index(path):
        raise MediaUnreadable(f"{path} has no index: it was cut short or never finished", meaning="Nothing is recorded",
                              todo="copy it again, or repair it first")
    return GstSource(path, partial(_file_head, path), live=False, sound=sound, why_cut=partial(cut_short, path),
                     varies=partial(varies, path), kernels=kernels)


def refuse_other_picture(cfg: config.Source, fmt: StreamFormat, *, any_rate: bool) -> None:
    """Raise SourceMissing when a live source gives another picture than the configuration asks for.

    `any_rate`: the rate asked for is made from whatever comes (encode.rate = "constant").
    """
    if not fmt.live or cfg.uri.startswith("scene://"):  # a scene's address says itself what it shows
        return
    if cfg.width and (fmt.width, fmt.height) != (cfg.width, cfg.height):
        raise SourceMissing(
            f"The source delivers {fmt.width}x{fmt.height}, but source.width and source.height say"
            f" {cfg.width}x{cfg.height}",
            meaning="Nothing is recorded", todo="set the camera or the configuration to the right one of the two",
        )
    wanted = exact_rate(0.0 if any_rate else cfg.rate_hz)
    if wanted and fmt.rate and abs(fmt.rate - wanted) > wanted * RATE_SLACK:
        raise SourceMissing(
            f"The source delivers {float(fmt.rate):.6g} frames a second, but source.rate_hz says {cfg.rate_hz:g}",
            meaning="Nothing is recorded", todo="set the camera or the configuration to the right one of the two",
        )


def _refuse_woven(device: str) -> None:
    """jetson-utils hands out interlaced frames as they are, and says nothing."""
    if field_of(device) == "interlaced":
        raise SourceMissing(
            f"{device} is interlaced, and jetson-utils does not deinterlace",
            meaning="Nothing is recorded: a face between two fields would not be found",
            todo='set source.capture = "gstreamer", or the camera to progressive',
        )


def _mode_of(path: str) -> int:
    try:
        mode = os.stat(path).st_mode
        if not os.access(path, os.R_OK):
            raise PermissionError(13, "not allowed to read it")
    except OSError as error:
        raise SourceMissing(f"{path} cannot be opened: {error.strerror}", meaning="Nothing is recorded",
                            todo="check the name, the cable and the permissions") from None
    return mode


def _file_head(path: str, pipeline: Any) -> Any:
    head = make("uridecodebin", uri=Gst.filename_to_uri(os.path.abspath(path)), force_sw_decoders=True)
    pipeline.add(head)
    return head


def _rtsp_head(uri: str, pipeline: Any) -> Any:
    head = make("uridecodebin", uri=uri, force_sw_decoders=True)
    pipeline.add(head)

    def set_up(_head: Any, source: Any) -> None:
        source.set_property("latency", RTSP_LATENCY_MS)
        source.set_property("protocols", RTSP_OVER_TCP)
        source.set_property("tcp-timeout", 2_000_000)

    head.connect("source-setup", set_up)
    head.connect("deep-element-added", _decode_without_delay)
    return head


def _v4l2_head(device: str, cfg: config.Source, pipeline: Any) -> Any:
    """v4l2src in the asked mode, decoded."""
    init()
    mode = mode_caps(cfg.width, cfg.height, exact_rate(cfg.rate_hz))
    caps = ";".join(kind + mode for kind in ("video/x-raw", "image/jpeg", "video/x-h264", "video/x-h265"))
    decoder = make("decodebin", force_sw_decoders=True)
    decoder.connect("deep-element-added", _decode_without_delay)
    chain = [
        make("v4l2src", device=device), make("capsfilter", caps=Gst.Caps.from_string(caps)),
        decoder,
    ]
    for element in chain:
        pipeline.add(element)
    for left, right in itertools.pairwise(chain):
        left.link(right)
    return chain[-1]


def mode_caps(width: int, height: int, rate: Fraction) -> str:
    """The part of GStreamer caps that asks for a mode; 0 asks for nothing."""
    low, high = rate * (1 - RATE_SLACK), rate * (1 + RATE_SLACK)
    return "".join(
        part for part, wanted in (
            (f",width={width}", width), (f",height={height}", height),
            (f",framerate=[{low.numerator}/{low.denominator},{high.numerator}/{high.denominator}]", rate),
        ) if wanted
    )


def _decode_without_delay(_head: Any, _bin: Any, element: Any) -> None:
    """A software decoder that works on several frames at once hands each out frames later: time that detectors need."""
    if element.find_property("thread-type") is not None:
        element.set_property("thread-type", FFMPEG_SLICE_THREADS)


def _explain_live(domain: str, code: int, text: str) -> ScrubcamError | None:
    """A device or address that cannot be opened is missing, whatever GStreamer calls it."""
    del code
    if NOT_AGREED in text:
        return SourceMissing(f"The source cannot deliver the asked mode: {text}", meaning="Nothing is recorded",
                             todo="set source.width, source.height and source.rate_hz to a mode of the device")
    if "resource" in domain and "Internal data" not in text:
        return SourceMissing(f"The source cannot be opened: {text}", meaning="Nothing is recorded",
                             todo="check the address, the cable and that no other program uses it")
    return None


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
