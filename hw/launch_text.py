"""Checks a GStreamer launch text against a list of elements and properties, where these are not installed. Pure.

It reads the part of gst-launch's language that our texts are written in: elements with `name=value`, caps, and `!`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from firmware.toml_lines import tomllib

L4T_ELEMENTS = Path(__file__).parent / "jetson" / "l4t_elements.toml"


class Property(Struct, forbid_unknown_fields=True, frozen=True):
    """What a property takes. `min`/`max` for numbers, `values` (nick to number) for an enum."""

    type: Literal["boolean", "int", "uint", "enum", "string", "caps"]
    min: int = 0
    max: int = 0
    values: dict[str, int] = {}
    since: Annotated[str, Meta(pattern=r"^\d+\.\d+$")] = "1.0"
    say: bool = False
    """Our text must set it."""


class Element(Struct, forbid_unknown_fields=True, frozen=True):
    """One element, where it comes from and where these facts do."""

    plugin: str
    package: str
    source: str
    properties: dict[str, Property]
    signals: list[str] = []


class Release(Struct, forbid_unknown_fields=True, frozen=True):
    """A release of JetPack."""

    gstreamer: str
    l4t: str


class OtherEncoder(Struct, forbid_unknown_fields=True, frozen=True):
    """Properties of the encoders that are called the same on a Thor."""

    source: str
    properties: list[str]


class ElementList(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of l4t_elements.toml. `caps`: media type to field to known words; `features` are memory features."""

    releases: dict[str, Release]
    elements: dict[str, Element]
    caps: dict[str, dict[str, list[str]]]
    thor_encoder: OtherEncoder


def load(path: Path = L4T_ELEMENTS) -> ElementList:
    """The list in a file. Raises msgspec.ValidationError for one that is not of the form."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ElementList)


def problems(text: str, known: ElementList, gstreamer: str) -> list[str]:
    """Every way in which `text` does not fit what GStreamer `gstreamer` ("1.20") and its plugins are known to take."""
    found: list[str] = []
    for part in _parts(text):
        if not part:
            found.append("two ! with nothing between them")
        elif "/" in part[0].partition("=")[0]:
            found += _caps_problems(" ".join(part), known)
        else:
            found += _element_problems(part, known, gstreamer)
    return found


def _parts(text: str) -> Iterator[list[str]]:
    part: list[str] = []
    for word in shlex.split(text):
        if word == "!":
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _element_problems(part: list[str], known: ElementList, gstreamer: str) -> Iterator[str]:
    name, said = part[0], part[1:]
    element = known.elements.get(name)
    if element is None:
        yield f"no element {name}"
        return
    set_here: set[str] = set()
    for word in said:
        key, equals, value = word.partition("=")
        known_as = element.properties.get(key)
        if not equals:
            yield f"{name}: {word!r} is no property=value"
        elif known_as is None:
            yield f"{name} has no property {key}"
        elif _version(known_as.since) > _version(gstreamer):
            yield f"{name}: {key} came with GStreamer {known_as.since}, not yet in {gstreamer}"
        elif key in set_here:
            yield f"{name}: {key} is set twice"
        else:
            yield from (f"{name}: {key}={value}: {why}" for why in _value_problems(value, known_as, known))
        set_here.add(key)
    must = (key for key, known_as in element.properties.items() if known_as.say)
    yield from (f"{name}: {key} is not set" for key in must if key not in set_here)


def _value_problems(value: str, known_as: Property, known: ElementList) -> Iterator[str]:
    if known_as.type == "boolean" and value not in ("true", "false"):
        yield "neither true nor false"
    elif known_as.type == "enum" and value not in known_as.values:
        yield f"none of {', '.join(known_as.values)}"  # a number would do, but nobody can read it
    elif known_as.type in ("int", "uint") and re.fullmatch(r"-?\d+", value) is None:
        yield "no whole number"
    elif known_as.type in ("int", "uint") and not known_as.min <= int(value) <= known_as.max:
        yield f"not from {known_as.min} to {known_as.max}"
    elif known_as.type == "caps":
        yield from _caps_problems(value, known)


def _caps_problems(caps: str, known: ElementList) -> Iterator[str]:
    kind, *fields = caps.split(",")
    media, _, feature = kind.partition("(")
    words = known.caps.get(media)
    if words is None:
        yield f"no media type {media}"
        return
    if feature and feature.rstrip(")") not in words.get("features", []):
        yield f"{media}: no memory feature {feature.rstrip(')')}"
    for field in fields:
        key, _, value = field.strip().partition("=")
        if key in ("width", "height"):
            good = re.fullmatch(r"\d+", value) is not None
        elif key in ("framerate", "pixel-aspect-ratio"):
            good = re.fullmatch(r"\d+/\d+", value) is not None
        elif key in words and key != "features":
            good = value in words[key]
        else:
            yield f"{media} has no field {key}"
            continue
        if not good:
            yield f"{media}: {key}={value} is not known"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))
