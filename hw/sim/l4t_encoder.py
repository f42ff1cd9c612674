"""Stand-ins for L4T's elements nvvidconv, nvv4l2h264enc and nvv4l2h265enc, with x264 and x265 inside, for this process.

They have the properties of hw/jetson/l4t_elements.toml and no others, so GStreamer itself refuses a misspelt one, and
the vendor's manners as its source shows them: only NVMM memory is taken, GstForceKeyUnit has no effect, the signal
force-IDR works on a frame or a few after the next, byte-stream with parameter sets comes out. What they cannot show is
what the silicon does: bit rates, speed, pictures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gi

from firmware.pipeline.gst import Gst, GstVideo, init
from hw.launch_text import Element, Property, load

gi.require_version("GstBase", "1.0")
from gi.repository import GObject, GstBase  # noqa: E402

_RAW, _NVMM = "video/x-raw,format=NV12", "video/x-raw(memory:NVMM),format=NV12"
_TYPES = {"boolean": bool, "int": GObject.TYPE_INT64, "uint": GObject.TYPE_UINT64, "enum": str, "string": str}
_COMMON = "speed-preset=ultrafast tune=zerolatency key-int-max=1000000 min-force-key-unit-interval=0"
_NO_OWN_WAY = "scenecut=0:bframes=0:b-adapt=0:rc-lookahead=0:lookahead-slices=0:open-gop=0:min-keyint=1:frame-threads=1"
_INSIDE = {
    "h264": f'x264enc name=inner {_COMMON} bframes=0 insert-vui=true aud=false option-string="scenecut=0"',
    "h265": "videoconvert ! video/x-raw,format=I420"
            f' ! x265enc name=inner {_COMMON} log-level=none option-string="info=0:{_NO_OWN_WAY}"',
}
_MOST_LATE = 3
_SEED = 7


def _pads(sink: str, source: str) -> tuple[Any, ...]:
    return (Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(sink)),
            Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(source)))


def _declared(name: str, known_as: Property) -> tuple[Any, ...]:
    """A property in the form that PyGObject takes. An enum is a string here: its words are hw/launch_text.py's."""
    kind, flags = _TYPES[known_as.type], GObject.ParamFlags.READWRITE
    if kind is str:
        return (kind, name, name, "", flags)
    if kind is bool:
        return (kind, name, name, False, flags)
    most = min(known_as.max, (1 << 63) - 1) if known_as.type == "int" else known_as.max
    return (kind, name, name, known_as.min, most, max(known_as.min, 0), flags)


class _Settings:
    """Keeps the properties of one element."""

    def do_get_property(self, which: Any) -> Any:
        return self._values().get(which.name, which.default_value)

    def do_set_property(self, which: Any, value: Any) -> None:
        self._values()[which.name] = value

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = self.__dict__.setdefault("values", {})
        return values


def _without_name(element: Element) -> dict[str, Any]:
    taken = ("name", "parent", "qos")  # GstObject's own, and GstBaseTransform's
    return {name: _declared(name, known_as) for name, known_as in element.properties.items() if name not in taken}


def _relabel(from_caps: str, to_caps: str, element: Element | None) -> type:
    """A GstBaseTransform that hands buffers through and calls their memory something else."""

    class Relabel(_Settings, GstBase.BaseTransform):  # type: ignore[misc]
        __gproperties__ = _without_name(element) if element is not None else {}

        def do_transform_caps(self, direction: Any, caps: Any, wanted: Any) -> Any:
            made = caps.copy()
            other = to_caps if direction == Gst.PadDirection.SINK else from_caps
            made.set_features_simple(Gst.Caps.from_string(other).get_features(0).copy())
            return made.intersect(wanted) if wanted is not None else made

        def do_transform_ip(self, _buffer: Any) -> Any:
            return Gst.FlowReturn.OK

    _describe(Relabel, "NvVidConv stand-in", "Filter/Converter/Video", "Renames memory", _pads(from_caps, to_caps))
    return Relabel


def _encoder(codec: str, element: Element) -> type:
    to_system = _relabel(_NVMM, _RAW, None)
    out = f"video/x-{codec},stream-format=byte-stream,alignment=au"

    pads = _pads(_NVMM, out)

    class Encoder(_Settings, Gst.Bin):  # type: ignore[misc]
        __gproperties__ = _without_name(element) | {"qos": _declared("qos", element.properties["qos"])}
        __gsignals__ = {"force-IDR": (GObject.SignalFlags.RUN_LAST | GObject.SignalFlags.ACTION, None, ())}

        def __init__(self) -> None:
            super().__init__()
            self._chance = random.Random(_SEED)
            self._due: list[int] = []  # in how many frames an IDR comes
            taken = GObject.new(to_system)
            body = Gst.parse_bin_from_description(f"{_INSIDE[codec]} ! capsfilter name=out caps={out}", True)
            for part in (taken, body):
                self.add(part)
            taken.link(body)
            self._inner = body.get_by_name("inner")
            self.add_pad(Gst.GhostPad.new_from_template("sink", taken.get_static_pad("sink"), pads[0]))
            self.add_pad(Gst.GhostPad.new_from_template("src", body.get_static_pad("src"), pads[1]))
            body.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, _deaf)
            self._inner.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._before_frame)

        def do_force_IDR(self) -> None:
            if self.get_state(0)[1] < Gst.State.PAUSED:
                raise RuntimeError("V4L2 device is not open")
            self._due.append(self._chance.randint(0, _MOST_LATE))

        def _before_frame(self, _pad: Any, _info: Any) -> Any:
            if 0 in self._due:
                now = Gst.CLOCK_TIME_NONE
                event = GstVideo.video_event_new_upstream_force_key_unit(now, False, 0)
                self._inner.get_static_pad("src").send_event(event)
            self._due = [left - 1 for left in self._due if left > 0]
            return Gst.PadProbeReturn.OK

    _describe(Encoder, f"V4L2 {codec} stand-in", "Codec/Encoder/Video", "x264 or x265 inside", pads)
    return Encoder


def _describe(kind: Any, name: str, klass: str, text: str, pads: tuple[Any, ...]) -> None:
    kind.set_metadata(name, klass, text, "Scrubcam")
    for template in pads:
        kind.add_pad_template(template)


def _deaf(_pad: Any, info: Any) -> Any:
    structure = info.get_event().get_structure()
    heeded = structure is None or structure.get_name() != "GstForceKeyUnit"
    return Gst.PadProbeReturn.OK if heeded else Gst.PadProbeReturn.DROP


@contextmanager
def installed() -> Iterator[None]:
    """Inside the `with`, this process has the three elements."""
    init()
    known = load().elements
    made = {
        "nvvidconv": _relabel(_RAW, _NVMM, known["nvvidconv"]),
        "nvv4l2h264enc": _encoder("h264", known["nvv4l2h264enc"]),
        "nvv4l2h265enc": _encoder("h265", known["nvv4l2h265enc"]),
    }
    for name, kind in made.items():
        Gst.Element.register(None, name, Gst.Rank.NONE, kind)
    try:
        yield
    finally:
        for name in made:
            Gst.Registry.get().remove_feature(Gst.ElementFactory.find(name))

