"""The Jetson adapters, which nobody can run here, held to what can be read off their text: short, translating types,
units and errors and nothing else, and each vendor's library imported in one place."""

from __future__ import annotations

import ast
import os
import py_compile
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from firmware.toml_lines import tomllib

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = sorted((ROOT / "hw" / "jetson").glob("*.py"))
NAMES = [path.name for path in ADAPTERS]
MOST_LINES = 90
"""About 80; a blank line and a closing bracket more do not make it another adapter."""
VENDORS = {"Jetson", "RPi", "jetson_utils", "pycuda", "cuda", "libevdev", "evdev", "gpiod", "systemd"}
MAY_KNOW = {"firmware.config", "firmware.config_rules", "firmware.errors", "firmware.kernels",
            "firmware.pipeline.encoder_spec", "firmware.pipeline.frame_times", "firmware.pipeline.picture",
            "firmware.toml_lines", "hw"}
"""What an adapter may import of ours: settings and their limits, named faults, the TOML parser, the kernels' calls, the
layout and the times of pictures, and hw/. Not the recorder, the vault or the fleet: what a press or
a picture means is decided there."""


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


@pytest.mark.parametrize("path", ADAPTERS, ids=NAMES)
def test_an_adapter_compiles_and_is_short(path: Path, tmp_path: Path) -> None:
    assert py_compile.compile(str(path), cfile=str(tmp_path / "c.pyc"), doraise=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES, f"{len(lines)} lines: it does more than translate, or is two adapters"


@pytest.mark.parametrize("path", ADAPTERS, ids=NAMES)
def test_an_adapter_knows_nothing_of_what_is_decided_elsewhere(path: Path) -> None:
    ours = {name for name in imports(path) if name.split(".")[0] in ("firmware", "hw", "hil", "ota")}
    strange = {name for name in ours
               if not any(name == known or name.startswith(f"{known}.") for known in MAY_KNOW)
               and not any(known.startswith(f"{name}.") for known in MAY_KNOW)}
    assert not strange


@pytest.mark.parametrize("path", ADAPTERS, ids=NAMES)
def test_an_adapter_can_be_imported_without_its_vendors_library(path: Path) -> None:
    """So that the refusal that says what to install is what a person sees, and not a traceback."""
    if path.stem == "__init__":
        return
    program = (f"import sys\nfor name in {sorted(VENDORS)}: sys.modules[name] = None\n"
               f"import hw.jetson.{path.stem}\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_each_vendors_library_is_imported_in_one_place() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for package in ("firmware", "hw", "hil", "ota"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in imports(path):
                if name.split(".")[0] in VENDORS:
                    places[name.split(".")[0]].add(str(path.relative_to(ROOT)))
    assert {vendor: files for vendor, files in places.items() if len(files) > 1} == {}
    assert {"Jetson", "jetson_utils", "pycuda"} <= set(places)


def test_the_type_checker_looks_at_the_adapters_as_strictly_as_at_all_else() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["strict"] is True
    assert {"firmware", "hil", "hw"} <= set(settings["packages"])
    assert "exclude" not in settings
    for override in settings["overrides"]:
        assert not {"hw", "hil", "firmware"} & {module.split(".")[0] for module in override["module"]}, override
    ignored = [path.name for path in ADAPTERS if "type: ignore" in path.read_text(encoding="utf-8")]
    assert ignored == []
