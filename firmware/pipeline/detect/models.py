"""The detectors' model files: what each must be (models.lock), and loading one only if it is exactly that."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from firmware.errors import PartMissing

FACES = "centerface"
FACES_TOO = "yunet"
TEXT = "ppocr-det"
TEXT_TINY = "ppocr-det-tiny"
READ = "ppocr-rec"


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of models.lock."""

    name: str
    wheel: str
    version: str
    wheel_sha256: str
    member: str
    file: str
    sha256: str
    licence: str
    source: str


def locked() -> dict[str, Model]:
    """All entries of models.lock by name."""
    text = resources.files("firmware").joinpath("models.lock").read_text(encoding="utf-8")
    return {name: Model(name=name, **values) for name, values in _tables(text).items()}


def load(models_dir: str | Path, name: str) -> bytes:
    """The model's bytes. Raises PartMissing when the file is absent or not the locked one."""
    model = locked()[name]
    path = Path(models_dir) / model.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PartMissing(
            f"The detector model {path} cannot be read ({error.strerror or error})",
            meaning="Without it no frame could be cleared, so nothing was started",
            todo=f"run: python -m firmware.pipeline.detect.fetch {models_dir}   (make setup does)",
        ) from error
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise PartMissing(
            f"The detector model {path} is not the one this release was tested with (wrong SHA-256)",
            meaning="A damaged or replaced detector could let faces through, so nothing was started",
            todo=f"delete the file and run: python -m firmware.pipeline.detect.fetch {models_dir}",
        )
    return data


def _tables(text: str) -> dict[str, dict[str, str]]:
    """The part of TOML that models.lock uses: [table] and key = "string" lines, and comments.

    Read here so that fetching needs nothing but Python's own library (tomllib came with 3.11).
    """
    tables: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if head := re.fullmatch(r"\[([a-z0-9-]+)\]", line):
            current = tables[head[1]] = {}
        elif entry := re.fullmatch(r'([a-z0-9_]+) = "([^"\\]*)"', line):
            current[entry[1]] = entry[2]
        else:
            raise ValueError(f"models.lock, line {number}: {line!r}")
    return tables
