"""What went wrong with a GStreamer source, in words a person can act on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.errors import MediaUnreadable, NoVideo, PartMissing, ScrubcamError, SourceLost
from firmware.pipeline.gst import Gst, error_of

Explain = Callable[[str, int, str], ScrubcamError | None]


@dataclass(slots=True)
class SourceFaults:
    """Names the faults of the source `name`. What is known about it so far is told by its fields."""

    name: str
    live: bool
    explain: Explain | None
    has_video: bool = False
    opened: bool = False
    missing: list[str] = field(default_factory=list)
    """Decoders that GStreamer would need and does not have."""

    def check(self, bus: Any, read_to_ns: int) -> None:
        """Raise what GStreamer reported on `bus`. Frames already decoded have been read before this is asked."""
        while (message := bus.pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.ELEMENT)) is not None:
            if message.type == Gst.MessageType.ELEMENT:
                structure = message.get_structure()
                if structure is not None and structure.get_name() == "missing-plugin":
                    self.missing.append(structure.get_string("name") or "a decoder")
                continue
            raise self._named(*error_of(message), read_to_ns)

    def _named(self, domain: str, code: int, text: str, read_to_ns: int) -> ScrubcamError:
        running = self.live and self.opened
        error = self.explain(domain, code, text) if self.explain is not None and not running else None
        if error is not None:
            return error
        if self.missing and not self.has_video:
            return self.no_video()
        if running:
            return SourceLost(f"{self.name} stopped: {text}", meaning="The recording has a gap from here",
                              todo="check the cable and the device")
        return self.unreadable(text, read_to_ns)

    def silent(self, for_s: float) -> SourceLost:
        return SourceLost(f"{self.name} has delivered no picture for {for_s:g} s",
                          meaning="The recording has a gap from here", todo="check the cable and the device")

    def never_began(self, after_s: float, read_to_ns: int) -> ScrubcamError:
        if self.live:
            return SourceLost(f"{self.name} delivered no picture within {after_s:g} s", meaning="Nothing is recorded",
                              todo="check the cable and that the device is switched on")
        return self.unreadable(f"No picture came out within {after_s:g} s", read_to_ns)

    def no_video(self) -> ScrubcamError:
        if self.missing:
            return PartMissing(
                f"Reading {self.name} needs {', '.join(self.missing)}, which is not installed",
                meaning="Nothing is recorded", todo="install the GStreamer plugin package for it",
            )
        return NoVideo(f"{self.name} holds no picture", meaning="There is nothing to record",
                       todo="give a file or device with video")

    def unreadable(self, why: str, read_to_ns: int) -> MediaUnreadable:
        """`read_to_ns`: the time of the last frame read, -1 for none."""
        if read_to_ns >= 0:
            return MediaUnreadable(
                f"{self.name} cannot be read past {read_to_ns / 1e9:.3f} s: {why}",
                meaning="Every frame up to there was recorded", todo="check whether the file is complete",
            )
        return MediaUnreadable(f"{self.name} cannot be read: {why}", meaning="Nothing is recorded",
                               todo="check that it is a complete video file that plays elsewhere")
