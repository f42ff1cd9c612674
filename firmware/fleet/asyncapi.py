"""Writes docs/asyncapi.yaml out of the typed payloads of topics.py: `python -m firmware.fleet.asyncapi`.

The version in it is the interface's own; it changes with topics.py, not with the product.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from firmware.fleet.topics import (
    MAX_COMMAND_BYTES,
    FleetAnswer,
    FleetCommand,
    FleetEvent,
    FleetHealth,
    Leaf,
    State,
    Status,
)

INTERFACE_VERSION = "1.0.0"
PATH = Path("docs/asyncapi.yaml")


@dataclass(frozen=True, slots=True)
class _Channel:
    leaf: Leaf
    payload: type[Struct]
    sent: bool
    qos: int
    retain: bool


CHANNELS = (
    _Channel("status", Status, sent=True, qos=1, retain=True),
    _Channel("state", State, sent=True, qos=1, retain=True),
    _Channel("events", FleetEvent, sent=True, qos=1, retain=False),
    _Channel("health", FleetHealth, sent=True, qos=0, retain=False),
    _Channel("answer", FleetAnswer, sent=True, qos=1, retain=False),
    _Channel("command", FleetCommand, sent=False, qos=1, retain=False),
)


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document, from the device's side: it sends all but the commands."""
    payloads = [channel.payload for channel in CHANNELS]
    _, schemas = msgspec.json.schema_components(payloads, ref_template="#/components/schemas/{name}")
    parameter = {"device": {"description": "device.name of the unit's configuration."}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scrubcam fleet interface",
            "version": INTERFACE_VERSION,
            "description": "What a Scrubcam unit says and hears over MQTT 5. docs/mqtt.md has the rules of delivery."
            f" A command has at most {MAX_COMMAND_BYTES} bytes. No message carries patient data or pictures.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            channel.leaf: {
                "address": f"scrubcam/{{device}}/{channel.leaf}",
                "description": _first_line(channel.payload),
                "parameters": parameter,
                "messages": {channel.payload.__name__: _ref("messages", channel.payload.__name__)},
            }
            for channel in CHANNELS
        },
        "operations": {
            ("send_" if channel.sent else "receive_") + channel.leaf: {
                "action": "send" if channel.sent else "receive",
                "channel": {"$ref": f"#/channels/{channel.leaf}"},
                "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
            }
            for channel in CHANNELS
        },
        "components": {
            "messages": {
                payload.__name__: {"name": payload.__name__, "payload": _ref("schemas", payload.__name__)}
                for payload in payloads
            },
            "schemas": schemas,
        },
    }


def text() -> str:
    """The document as YAML."""
    head = "# Made by `python -m firmware.fleet.asyncapi`; change firmware/fleet/topics.py instead.\n"
    return head + _yaml(document())


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _first_line(payload: type[Struct]) -> str:
    return (payload.__doc__ or "").strip().splitlines()[0]


def _yaml(value: Any, depth: int = 0) -> str:
    """Block YAML with scalars written as JSON, which YAML reads alike."""
    indent = "  " * depth
    if isinstance(value, dict) and value:
        return "".join(f"{indent}{_name(key)}:{_below(item, depth)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{indent}-{_below(item, depth)}" for item in value)
    return f"{indent}{json.dumps(value, ensure_ascii=False)}\n"


def _below(value: Any, depth: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + _yaml(value, depth + 1)
    return " " + _yaml(value)


def _name(key: str) -> str:
    return key if re.fullmatch(r"[$A-Za-z_][A-Za-z0-9_]*", key) and key not in ("null", "true") else json.dumps(key)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
