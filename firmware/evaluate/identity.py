"""What made an output: hashes of the software, its libraries, the models and the settings, as the report shows them."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from firmware import __version__
from firmware.config import Config
from firmware.pipeline.detect.models import locked
from firmware.pipeline.gst import Gst, init

_ROOT = Path(__file__).resolve().parent.parent.parent
_PARTS = ("firmware", "hw", "cuda")
_NOT_MAKING_PIXELS = ("firmware/evaluate/", "firmware/cli/", "firmware/demo/", "firmware/fleet/", "hw/sim/")
_SUFFIXES = {".py", ".lock", ".so", ".fatbin", ".cu", ".cuh", ".cpp", ".h"}
_LIBRARIES = (
    "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "openvino", "onnx",
    "zxing-cpp",
)
_NOT_SETTINGS = {"device", "paths", "recorder", "board", "controls", "mqtt"}  # nothing there changes a pixel
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model file as it lies on the disk. `as_locked`: it is the one this release was tested with."""

    name: str
    file: str
    sha256: str
    licence: str
    source: str
    as_locked: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """All that decides what an output looks like, and `key`: one hash of it."""

    software: str
    code_sha256: str
    libraries: dict[str, str]
    models: tuple[ModelFile, ...]
    settings: dict[str, Any]
    key: str


def identify(cfg: Config) -> Identity:
    """Look at the installed code, its libraries, and the models of `cfg`."""
    settings = {name: values for name, values in msgspec.to_builtins(cfg).items() if name not in _NOT_SETTINGS}
    settings["source"].pop("uri", None)
    libraries = {name: version for name in _LIBRARIES if (version := _version(name))}
    init()
    libraries["GStreamer"] = ".".join(map(str, Gst.version()[:3]))
    libraries["Python"] = platform.python_version()
    models = tuple(_models(Path(cfg.paths.models_dir)))
    code = _code_sha256()
    told = [__version__, code, libraries, [(m.name, m.sha256) for m in models], settings]
    key = hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()
    return Identity(f"scrubcam {__version__}", code, libraries, models, settings, key)


def file_sha256(path: Path) -> str:
    """Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_MB):
            digest.update(block)
    return digest.hexdigest()


def machine() -> dict[str, Any]:
    """On what it was measured: nothing that names the machine or its user."""
    return {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "system": platform.system(),
            "architecture": platform.machine()}


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for part in _PARTS:
        for path in sorted((_ROOT / part).rglob("*")):
            name = path.relative_to(_ROOT).as_posix()
            if path.suffix in _SUFFIXES and not name.startswith(_NOT_MAKING_PIXELS):
                digest.update(f"{name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _models(folder: Path) -> list[ModelFile]:
    found = []
    for name, model in sorted(locked().items()):
        try:
            actual = file_sha256(folder / model.file)
        except OSError:
            actual = ""  # not installed: the pipeline says so if it needs it
        found.append(ModelFile(name, model.file, actual, model.licence, model.source, actual == model.sha256))
    return found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
