"""The GStreamer elements behind a decoder: what turns its pictures and sound into the form the frame path takes."""

from __future__ import annotations

import itertools
from typing import Any

from firmware.pipeline.gst import Gst, GstVideo, make
from firmware.pipeline.picture import colour_of

SOUND_RATE_HZ = 48_000


def video_elements(structure: Any) -> list[Any]:
    """For decoded pictures with caps `structure`: a converter only where the kernels do not take them as they are, one
    whole picture of each interlaced one, and upright by their tag."""
    elements: list[Any] = []
    lines = structure.get_int("height")[1]
    if colour_of(structure.get_string("format") or "", structure.get_string("colorimetry"), lines) is None:
        elements += [
            make("queue", max_size_buffers=4, max_size_bytes=0, max_size_time=0),
            make("videoconvert", n_threads=2),
            make("capsfilter", caps=Gst.Caps.from_string("video/x-raw,format=NV12,colorimetry=bt709")),
        ]
    flip = make("videoflip")  # hands frames through untouched unless the tag says otherwise
    flip.set_property("video-direction", GstVideo.VideoOrientationMethod.AUTO)
    return [*elements, deinterlacer(), flip]


def deinterlacer() -> Any:
    """Makes one picture of one instant from each interlaced frame; progressive ones go through untouched.

    A detector that sees two instants in one picture finds a region in neither. Every line comes from the frame's top
    field, so no comb is possible, and frames and times stay as they were. The methods that keep more vertical detail
    repeat the first time or add a frame (yadif, greedyh in GStreamer 1.22; docs/adr/0016-video.md).
    """
    return make("deinterlace", mode="auto", fields="top", method="linear", locking="none")


def sound_elements(channels: int) -> list[Any]:
    """To 48 kHz S16 with `channels` (1 or 2) channels."""
    caps = f"audio/x-raw,format=S16LE,rate={SOUND_RATE_HZ},layout=interleaved,channels={channels}"
    return [make("audioconvert"), make("audioresample"), make("capsfilter", caps=Gst.Caps.from_string(caps))]


def sample_sink(ahead: int, *, drop: bool) -> Any:
    """Where samples wait to be pulled: at most `ahead`; then the decoder waits, or (`drop`) the oldest gives way."""
    return make("appsink", sync=False, qos=False, max_buffers=ahead, drop=drop, enable_last_sample=False,
                wait_on_eos=False)


def link_chain(pipeline: Any, pad: Any, elements: list[Any], sink: Any) -> Any:
    """Put `elements` and `sink` behind `pad` of a running pipeline; returns `sink`."""
    chain = [*elements, sink]
    for element in chain:
        pipeline.add(element)
    for left, right in itertools.pairwise(chain):
        left.link(right)
    for element in reversed(chain):
        element.sync_state_with_parent()
    pad.link(chain[0].get_static_pad("sink"))
    return sink
