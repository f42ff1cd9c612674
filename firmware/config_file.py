"""Reads scrubcam.toml into a Config. Every mistake is a ConfigError that names the line, the value and the range."""

from __future__ import annotations

import os

from firmware import settings_file
from firmware.config import Config
from firmware.config_rules import broken_rules
from firmware.settings_file import Form

_FORM = Form(
    Config, broken_rules, "configuration",
    todo="docs/configuration.md lists every setting",
    example="give the path of a scrubcam.toml; deploy/ has examples",
    now_written={
        "recorder.recipients": '; each key says its role now: write [[recorder.recipients]], below it role = "archive"'
                               ' and file = "archive.pub", and once more with role = "escrow"',
    },
)


def load(path: str | os.PathLike[str]) -> Config:
    """The configuration in the file `path`. Raises ConfigError, also when the file cannot be read."""
    return settings_file.load(_FORM, path)


def loads(text: str, name: str) -> Config:
    """The configuration in `text`; `name` is what the errors call it.

    Raises ConfigError: each problem as "name:line: section.key = value: allowed ...", at most ten of them.
    """
    return settings_file.loads(_FORM, text, name)
