"""The detectors' model files and the planted face: what each must be (models.lock); loading one only if it is that."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

from firmware.errors import PartMissing

FACES = "centerface"
FACES_TOO = "yunet"
TEXT = "ppocr-det"
TEXT_TINY = "ppocr-det-tiny"
READ = "ppocr-rec"
PORTRAIT = "portrait"
"""No model: the public-domain portrait that the scene generator shows as a face."""


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


_FIELDS = {field.name for field in fields(Model)} - {"name"}


def locked() -> dict[str, Model]:
    """All entries of models.lock by name."""
    return parse_lock(resources.files("firmware").joinpath("models.lock").read_text(encoding="utf-8"))


def parse_lock(text: str) -> dict[str, Model]:
    """The entries of a lock file by name. Raises PartMissing, naming the line or entry that is not as it should be.

    It is the part of TOML that models.lock uses: [table] and key = "string" lines, and comments. Read here so that
    fetching needs nothing but Python's own library (tomllib came with 3.11).
    """
    tables: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if head := re.fullmatch(r"\[([a-z0-9-]+)\]", line):
            if head[1] in tables:
                raise _wrong_lock(f"line {number}: a second [{head[1]}]")
            current = tables[head[1]] = {}
        elif (entry := re.fullmatch(r'([a-z0-9_]+) = "([^"\\]*)"', line)) and current is not None:
            current[entry[1]] = entry[2]
        else:
            raise _wrong_lock(f"line {number}: {line!r:.100}")
    for name, values in tables.items():
        if set(values) != _FIELDS:
            raise _wrong_lock(f"[{name}] must have exactly {', '.join(sorted(_FIELDS))}")
    return {name: Model(name=name, **values) for name, values in tables.items()}


def load(models_dir: str | Path, name: str) -> bytes:
    """The file's bytes. Raises PartMissing when the file is absent or not the locked one."""
    model = locked()[name]
    path = Path(models_dir) / model.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PartMissing(
            f"The file {path} cannot be read ({error.strerror or error})",
            meaning="Without the detectors' models no frame could be cleared, and without the portrait there is no "
            "self-test; nothing was started",
            todo=f"run: python -m firmware.pipeline.detect.fetch {models_dir}   (make setup does)",
        ) from error
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise PartMissing(
            f"The file {path} is not the one this release was tested with (wrong SHA-256)",
            meaning="A damaged or replaced detector could let faces through, so nothing was started",
            todo=f"delete the file and run: python -m firmware.pipeline.detect.fetch {models_dir}",
        )
    return data


def _wrong_lock(why: str) -> PartMissing:
    return PartMissing(f"models.lock cannot be read, {why}",
                       meaning="Which detectors are the right ones is not known, so nothing was started",
                       todo="install this release of scrubcam again")
