"""What may be said of a recording in one sentence: never more than what was done to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from firmware.messages import FieldZone

WORDS = {"face": "faces", "text": "text", "code": "codes"}
NO_CLAIM = "no claim of anonymity"


class Described(Protocol):
    """A stream as it describes itself: messages.StreamInfo, or its public part in a sealed file."""

    @property
    def detectors(self) -> list[str]: ...

    @property
    def covers(self) -> list[str]: ...

    @property
    def profile(self) -> str: ...

    @property
    def field_zones(self) -> list[FieldZone]: ...


def statement(streams: Sequence[Described]) -> str:
    """The sentence for a recording made of `streams`; one field zone in one of them decides for all.

    It never says "de-identified" without a "not" before it: covering what detectors find proves no anonymity.
    """
    kept = field_zones(streams)
    if kept:
        plural = "s" if len(kept) > 1 else ""
        return f"not de-identified: field zone{plural} {', '.join(kept)}"
    if not streams:
        return f"nothing recorded; {NO_CLAIM}"
    if any(not stream.detectors for stream in streams):
        return f"no detector ran, such frames are filled whole; {NO_CLAIM}"
    found = set.intersection(*(set(stream.covers) for stream in streams))
    words = [WORDS[kind] for kind in WORDS if kind in found]
    if not words:  # made by a version that did not say
        return f"covered as its detectors found; {NO_CLAIM}"
    return f"{_listed(words)} covered; {NO_CLAIM}"


def field_zones(streams: Iterable[Described]) -> list[str]:
    """Every field zone in `streams` once, as "NAME (PROFILE)", in order."""
    return list(dict.fromkeys(f"{zone.name} ({stream.profile})" for stream in streams for zone in stream.field_zones))


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
