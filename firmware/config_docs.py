"""Writes docs/configuration.md, docs/roles.md and the example configurations out of config.py and roles.py.

`python -m firmware.config_docs` rewrites the files in the current directory's docs/ and deploy/.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from firmware import roles
from firmware.config import Config
from firmware.config_words import allowed, table_of

_PC_HEAD = """\
Scrubcam on a PC: a rendered scene, the simulated board, a broker on this machine.
Run it from the source folder:  .venv/bin/scrubcam run --config deploy/scrubcam-pc.toml
Before that, once:              .venv/bin/scrubcam keys new archive; .venv/bin/scrubcam keys new escrow
For a camera set source.uri to its device, e.g. "/dev/video0"."""

_PC: dict[str, Any] = {
    "device.name": "scrubcam-pc",
    "paths.recordings_dir": "scrubcam-data/recordings",
    "paths.state_dir": "scrubcam-data/state",
    "paths.run_dir": "scrubcam-data/run",
    "paths.models_dir": ".models",
    "source.uri": "scene://",
    "source.width": 1920,
    "source.height": 1080,
    "source.rate_hz": 30.0,
    "encode.codec": "h264",
    "encode.encoder": "x264",
    "recorder.recipients": [{"role": "archive", "file": "archive.pub"}, {"role": "escrow", "file": "escrow.pub"}],
    "board.kind": "sim",
    "mqtt.host": "localhost",
    "mqtt.port": 1883,
    "mqtt.tls": False,
}

_JETSON_HEAD = """\
Scrubcam on a Jetson: the capture device, the hardware encoder, real pedal and lights, the hospital's broker.
Install it as /etc/scrubcam/scrubcam.toml; the units beside this file read it there."""

_JETSON: dict[str, Any] = {
    "power.sensors": "sysfs",
    "device.name": "or-1",
    "device.room": "OR 1",
    "source.uri": "/dev/video0",
    "source.width": 3840,
    "source.height": 2160,
    "source.rate_hz": 30.0,
    "encode.codec": "h265",
    "encode.encoder": "nvv4l2",
    "encode.bitrate_bps": 20_000_000,
    "detect.provider": "cuda",
    "recorder.reserve_hours": 4.0,
    "recorder.recipients": [{"role": "archive", "file": "/etc/scrubcam/archive.pub"},
                            {"role": "escrow", "file": "/etc/scrubcam/escrow.pub"}],
    "selftest.at_boot": True,
    "access.group": "scrubcam",
    "access.agent_user": "scrubcam-agent",
    "board.kind": "jetson",
    "board.definition": "agx-orin-two-wire",
    "mqtt.host": "fleet.hospital.example",
    "mqtt.port": 8883,
    "mqtt.tls": True,
    "mqtt.ca_file": "/etc/scrubcam/broker-ca.pem",
    "mqtt.cert_file": "/etc/scrubcam/device.pem",
    "mqtt.key_file": "/etc/scrubcam/device-mqtt.key",
}


def documents() -> dict[str, str]:
    """Every generated file: path below the source folder -> text."""
    return {
        "docs/configuration.md": markdown(),
        "docs/roles.md": roles.markdown(),
        "deploy/scrubcam-pc.toml": example(_PC_HEAD, _PC),
        "deploy/scrubcam-jetson.toml": example(_JETSON_HEAD, _JETSON),
    }


def markdown() -> str:
    """The reference of all settings, one table for each section."""
    parts = [
        "# Configuration\n",
        "Made from `firmware/config.py` by `python -m firmware.config_docs`; change it there.\n",
        ("One TOML file (`scrubcam.toml`) holds every setting; each has a default, so a file names only what differs."
        " An unknown key, a wrong unit or an impossible value is an error that names the line and the allowed range,"
        " and nothing is started. Units are in the names: `_s` seconds, `_hz` hertz, `_bps` bits per second,"
        " `_bytes` bytes, `_hours` hours, `_days` days, `_percent` percent, `_pin` a pin of the 40-pin header.\n"),
        ("Rules that span several settings are in `firmware/config_rules.py`. Examples:"
        " `deploy/scrubcam-pc.toml`, `deploy/scrubcam-jetson.toml`.\n"),
    ]
    return "\n".join([*parts, *section_tables(Config)])


def section_tables(top: type[msgspec.Struct]) -> list[str]:
    """The lines that explain every section and setting of a settings file."""
    parts = []
    for section in msgspec.structs.fields(top):
        notes = _field_notes(section.type)
        parts += [f"## [{section.name}]\n", _paragraphs(section.type.__doc__ or "") + "\n",
                  "| setting | default | allowed | |\n|---|---|---|---|"]
        for item in msgspec.structs.fields(section.type):
            may_be = allowed(f"{section.name}.{item.name}", item.type)
            cells = (f"`{item.name}`", f"`{_toml(_default(item))}`", may_be, notes.get(item.name, ""))
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
        parts += _element_tables(section)
    return parts


def _element_tables(section: Any) -> list[str]:
    """What stands in the elements of a section's lists of tables: one table for each kind of element."""
    lists: dict[type[msgspec.Struct], list[str]] = {}
    for item in msgspec.structs.fields(section.type):
        element = table_of(item.type)
        if element is not None:
            lists.setdefault(element, []).append(f"`[[{section.name}.{item.name}]]`")
    parts = []
    for element, names in lists.items():
        parts += [f"Each {' and '.join(names)}: " + _paragraphs(element.__doc__ or "") + "\n",
                  "| setting | allowed | |\n|---|---|---|"]
        notes = _field_notes(element)
        parts += [f"| `{item.name}` | {allowed(item.name, item.type)} | {notes.get(item.name, '')} |"
                  for item in msgspec.structs.fields(element)]
        parts.append("")
    return parts


def example(head: str, chosen: dict[str, Any]) -> str:
    """A commented configuration: `chosen` ("section.key" -> value) is set, every other setting stands as a comment."""
    lines = [f"# {line}" for line in head.splitlines()]
    lines.append("# Settings behind a '#' show their defaults. docs/configuration.md explains every one.")
    for section in msgspec.structs.fields(Config):
        lines += ["", f"[{section.name}]"]
        tables: list[str] = []
        for item in msgspec.structs.fields(section.type):
            key = f"{section.name}.{item.name}"
            if key in chosen and table_of(item.type) is not None:  # behind the plain settings: TOML ends a table there
                for table in chosen[key]:
                    tables += ["", f"[[{key}]]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
                continue
            setting = f"{item.name} = {_toml(chosen.get(key, _default(item)))}"
            lines.append(f"{'' if key in chosen else '# '}{setting}".ljust(48) + f"  # {allowed(key, item.type)}")
        lines += tables
    return "\n".join(lines) + "\n"


def _default(item: Any) -> Any:
    return item.default if item.default is not msgspec.NODEFAULT else item.default_factory()


def _toml(value: Any) -> str:
    return json.dumps(value)  # the scalars and lists of texts used here are written alike in JSON and TOML


def _paragraphs(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _field_notes(cls: type) -> dict[str, str]:
    """The text written below each field of `cls` where it is defined."""
    body = next(node.body for node in ast.parse(inspect.getsource(sys.modules[cls.__module__])).body
                if isinstance(node, ast.ClassDef) and node.name == cls.__name__)
    notes: dict[str, str] = {}
    for field, note in pairwise(body):
        if (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(note, ast.Expr)
                and isinstance(note.value, ast.Constant) and isinstance(note.value.value, str)):
            notes[field.target.id] = " ".join(note.value.value.split())
    return notes


def main() -> None:
    for path, text in documents().items():
        Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
