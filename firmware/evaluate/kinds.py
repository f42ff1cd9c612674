"""What a labelled box is, as far as names tell: face, text or code, and which target it counts for. Pure."""

from __future__ import annotations

import itertools
import re
from typing import Literal

Kind = Literal["face", "text", "code"]
Role = Literal["unmasked", "masked", "moving", "overlay", "wild", "code"]

ROLE_NAMES: dict[Role, str] = {
    "unmasked": "faces, unmasked", "masked": "faces, masked", "moving": "faces in moving scenes",
    "overlay": "text on bands and overlays", "wild": "text in the wild", "code": "QR, DataMatrix and barcodes",
}
ROLE_KINDS: dict[Role, Kind] = {
    "unmasked": "face", "masked": "face", "moving": "face", "overlay": "text", "wild": "text",
    "code": "code",
}
EDGES_PX: dict[Kind, tuple[int, ...]] = {
    "face": (24, 40, 80, 160), "text": (14, 16, 24, 40), "code": (40, 80, 160),
}
"""Where one class of heights ends and the next begins; a height on an edge belongs to the class above it."""

_FACE_WORDS = {"face", "faces", "head", "mask", "masked", "person", "portrait"}
_TEXT_WORDS = {"text", "word", "words", "line", "letters", "name", "date", "clock", "number"}
_PRINTED_WORDS = {
    "band", "bands", "wristband", "overlay", "overlays", "badge", "badges", "label", "labels", "monitor", "whiteboard",
}
_CODE_WORDS = {"code", "codes", "barcode", "barcodes", "qr", "datamatrix"}
_MOVING_WORDS = {"moving", "scene", "scenes"}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def kind_of(label: str, entry_kind: str, category: str) -> Kind:
    """What a box is: by its own label, else by its frame's `kind`, else by the category's name, else a face."""
    for told in (label, entry_kind, category):
        words = _words(told)
        if words & _CODE_WORDS:
            return "code"
        if words & _FACE_WORDS:
            return "face"
        if words & (_TEXT_WORDS | _PRINTED_WORDS):
            return "text"
    return "face"


def role_of(kind: Kind, label: str, clip_name: str) -> Role:
    """Which target a box counts for. `clip_name` is `<category>/<clip>`.

    Text in a moving scene is on bands and overlays. A clip of masked people may hold an unmasked face: it counts with
    its category, as recall does.
    """
    category, _, clip = clip_name.partition("/")
    moving = bool(_words(category) & _MOVING_WORDS)
    if kind == "code":
        return "code"
    if kind == "text":
        return "overlay" if moving or _words(f"{label} {category} {clip}") & _PRINTED_WORDS else "wild"
    if moving:
        return "moving"
    return "masked" if "masked" in _words(category) else "unmasked"


def size_class(kind: Kind, height_px: float) -> int:
    """The class (0 is the smallest) of the height of a face, a letter or a code."""
    return sum(height_px >= edge for edge in EDGES_PX[kind])


def size_names(kind: Kind) -> list[str]:
    """The classes in words, smallest first."""
    edges = EDGES_PX[kind]
    middle = [f"{low}-{high} px" for low, high in itertools.pairwise(edges)]
    return [f"under {edges[0]} px", *middle, f"{edges[-1]} px and up"]
