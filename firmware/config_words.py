"""The words about settings files: what a setting may be, how a value is shown, which key was meant. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

MAX_INT = 2**63 - 1
_UNITS = {"bps": "bit/s", "s": "s", "hz": "Hz", "bytes": "bytes", "hours": "h", "days": "days", "c": "°C",
          "percent": "%", "ohm": "ohm", "ma": "mA",
          "pin": "(pin of the 40-pin header)"}
_PIXELS = frozenset({"source.width", "source.height"})


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule: the settings it spans ("section.key"), and what is wrong and what to do about it."""

    keys: tuple[str, ...]
    text: str


def settings(top: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    """Every ("section.key", msgspec field) of `top`, in the order in which they are defined."""
    for section in msgspec.structs.fields(top):
        for item in msgspec.structs.fields(section.type):
            yield f"{section.name}.{item.name}", item


def allowed(key: str, kind: Any) -> str:
    """What a setting may be, for people: range or choices, and the unit. `kind` is its declared type."""
    info = inspect.type_info(kind)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        unit = "pixels" if key in _PIXELS else _UNITS.get(key.rsplit("_", 1)[-1], "")
        number = "a whole number" if isinstance(info, inspect.IntType) else "a number"
        return f"{_range(info) or number} {unit}".rstrip()
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(shown(value) for value in info.values)
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.ListType):
        table = table_of(kind)
        if table is not None:
            return f"tables [[{key}]] with " + ", ".join(item.name for item in msgspec.structs.fields(table))
        if isinstance(info.item_type, inspect.LiteralType):
            return "a list of any of " + ", ".join(shown(value) for value in info.item_type.values)
        return 'a list of texts, e.g. ["a", "b"]'
    pattern = getattr(info, "pattern", None)
    return f"text that matches {pattern}" if pattern else "a text in quotes"


def table_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that each element of a list-of-tables setting is; None for every other setting."""
    element = get_args(kind)[0] if get_origin(kind) is list else None
    return element if isinstance(element, type) and issubclass(element, msgspec.Struct) else None


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f"{_number(info.ge)} to {_number(info.le)}"
    parts = (("at least", info.ge), ("more than", info.gt), ("at most", info.le), ("less than", info.lt))
    return ", ".join(f"{word} {_number(bound)}" for word, bound in parts if bound is not None)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def suggestion(top: type[msgspec.Struct], key: str, section: str) -> str:
    """"; did you mean ...?" for the nearest setting of `top`: in the same section first, then anywhere."""
    known = {name: item.type for name, item in settings(top)}
    here = [name.split(".", 1)[1] for name in known if name.startswith(f"{section}.")]
    close = [f"{section}.{name}" for name in difflib.get_close_matches(key, here, n=1)]
    if not close:
        close = [name for name in known if name.split(".", 1)[1] == key]
    if not close:
        close = [f"{section}.{name}" for name in here if _stem(name) == _stem(key)]
    if close:
        return f"; did you mean {close[0]} ({allowed(close[0], known[close[0]])})?"
    return "; known here are " + ", ".join(here) if here else ""


def unknown_section(top: type[msgspec.Struct], name: str, *, is_table: bool) -> str:
    """What to say of a top-level name that is no section of `top`."""
    if not is_table:
        return f"{key_text(name)}: no such setting outside a section{suggestion(top, name, '')}"
    sections = [section.name for section in msgspec.structs.fields(top)]
    close = difflib.get_close_matches(name, sections, n=1)
    hint = f"did you mean [{close[0]}]?" if close else "known are " + ", ".join(f"[{known}]" for known in sections)
    return f"[{key_text(name)}]: no such section; {hint}"


def _stem(key: str) -> str:
    """A name without its unit, so that delay_ms finds delay_s."""
    return key.rsplit("_", 1)[0]


def key_text(key: str) -> str:
    return cut(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key))


def shown(value: Any) -> str:
    """A value as a person would write it in TOML, cut to a readable length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return cut(json.dumps(value, ensure_ascii=not value.isprintable()))
    if isinstance(value, int) and abs(value) > MAX_INT:
        return "(a number of more than 64 bit)"
    if isinstance(value, list):
        return "(a list)" if value else "[]"
    return cut(str(value)) if not isinstance(value, dict) else "(a table)"


def cut(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
