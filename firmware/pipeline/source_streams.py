"""Which streams of a decodebin are taken: its first picture, its first sound, and nothing else. Runs on its threads."""

from __future__ import annotations

import threading
from typing import Any

from firmware.errors import PartMissing, ScrubcamError
from firmware.pipeline.gst import Gst, make
from firmware.pipeline.source_chain import link_chain, sample_sink, sound_elements, video_elements

AHEAD_FRAMES = 6
"""Decoded frames that may wait, so that decoding, our own work and encoding overlap."""
AHEAD_CHUNKS = 200


class Streams:
    """Links what the decodebin `head` of `pipeline` gives to the sinks that are read.

    `sound_head` describes a separate sound source ("alsasrc device=hw:1"), used when `sound` is asked for.
    `live`: when nobody reads in time, the oldest waiting sample gives way.
    """

    def __init__(self, pipeline: Any, head: Any, *, live: bool, sound: bool, sound_head: str) -> None:
        self._pipeline, self._live = pipeline, live
        self._wants_sound = sound and not sound_head
        self._lock = threading.Lock()
        self.video_sink: Any = None
        self.sound_sink: Any = None
        self.channels = 2
        self.lines = 0
        """Height of the picture as coded, before it is turned upright."""
        self.began = False
        """Set by the reader once the first picture is there; another one after that is a change in mid-stream."""
        self.more_video = False
        self.error: ScrubcamError | None = None
        self.all_told = threading.Event()
        """Set when no more streams will come."""
        head.connect("pad-added", self._on_pad)
        head.connect("autoplug-continue", self._wants_decoded)
        head.connect("no-more-pads", lambda _head: self.all_told.set())
        if sound and sound_head:
            self._add_sound_head(sound_head)

    def _on_pad(self, _head: Any, pad: Any) -> None:
        try:
            with self._lock:
                self._link(pad)
        except ScrubcamError as error:
            self.error = error
            self.all_told.set()

    def _link(self, pad: Any) -> None:
        caps = pad.get_current_caps() or pad.query_caps(None)
        structure = caps.get_structure(0)
        kind = structure.get_name()
        if kind.startswith("video/x-raw") and self.video_sink is not None:
            self.more_video = self.began
        if kind.startswith("video/x-raw") and self.video_sink is None:
            self.lines = structure.get_int("height")[1]
            self.video_sink = link_chain(
                self._pipeline, pad, video_elements(structure), sample_sink(AHEAD_FRAMES, drop=self._live)
            )
        elif kind.startswith("audio/x-raw") and self._wants_sound and self.sound_sink is None:
            known, channels = structure.get_int("channels")
            self.channels = min(max(channels, 1), 2) if known else 2
            self.sound_sink = link_chain(
                self._pipeline, pad, sound_elements(self.channels), sample_sink(AHEAD_CHUNKS, drop=self._live)
            )
        else:
            # A stream nobody takes would stop the others when it runs out first.
            link_chain(self._pipeline, pad, [], make("fakesink", sync=False, async_=False, enable_last_sample=False))

    def _wants_decoded(self, _head: Any, _pad: Any, caps: Any) -> bool:
        """What is not recorded is not decoded either: neither time nor a missing decoder is spent on it."""
        kind = caps.get_structure(0).get_name() if caps.get_size() else ""
        return not (kind.startswith("text/") or (kind.startswith("audio/") and not self._wants_sound))

    def _add_sound_head(self, description: str) -> None:
        try:
            head = Gst.parse_bin_from_description(description, True)
        except Exception as error:  # GLib.Error: an unknown element or property
            raise PartMissing(f"The sound source {description!r} cannot be made: {error}",
                              todo="correct sound.device in the configuration") from None
        self._pipeline.add(head)
        self.sound_sink = link_chain(
            self._pipeline, head.get_static_pad("src"), sound_elements(2), sample_sink(AHEAD_CHUNKS, drop=True)
        )
