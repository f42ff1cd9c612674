"""Which Jetson this is, and whether we drive its video encoder: a table, and one reader of the device tree."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from firmware.errors import PartMissing
from firmware.toml_lines import tomllib

_TABLE = Path(__file__).with_name("modules.toml")
_COMPATIBLE = Path("/proc/device-tree/compatible")
_WHY = {
    "none": "which has no video encoder in hardware",
    "thor": "whose video encoder takes other properties than an Orin's and is not driven yet",
}


class Module(Struct, forbid_unknown_fields=True, frozen=True):
    """One line of modules.toml. `part`: the module's number, with or without its variant."""

    part: str
    name: str
    encoder: Literal["nvv4l2", "none", "thor"]


class _Table(Struct, forbid_unknown_fields=True, frozen=True):
    module: list[Module]


def modules() -> list[Module]:
    """The table."""
    return msgspec.convert(tomllib.loads(_TABLE.read_text(encoding="utf-8")), _Table).module


def module_of(compatible: str) -> Module | None:
    """The module in the device tree's `compatible` (strings ended by NUL); None for a board that is none we know."""
    for entry in compatible.split("\0"):
        parts = entry.removeprefix("nvidia,").split("+")
        for module in modules():
            if any(part == module.part or part.startswith(module.part + "-") for part in parts):
                return module
    return None


def require_encoder(module: Module | None) -> None:
    """Raise PartMissing, naming the module, when it has no encoder for us. An unknown board is left to GStreamer."""
    if module is not None and module.encoder != "nvv4l2":
        raise PartMissing(
            f"This unit is a {module.name}, {_WHY[module.encoder]}",
            meaning="Nothing is recorded; no other encoder is taken in its place",
            todo='use a Jetson Orin NX or AGX Orin, or set encode.encoder = "x264"',
        )


def this_module() -> Module | None:
    """The module that this runs on; None elsewhere."""
    try:
        return module_of(_COMPATIBLE.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
