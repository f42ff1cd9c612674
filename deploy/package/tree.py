"""What lies where on an installed unit: our own files, the units, the documents. Wheels and models come beside it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from deploy.package.wheels import Target
from firmware.kernels.build import HOST_LIBRARY, SOURCES

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path("usr/lib/scrubcam")
APP = PROGRAM / "app"
MODELS = Path("usr/share/scrubcam/models")
DOCUMENTS = Path("usr/share/doc/scrubcam")
UNITS = Path("usr/lib/systemd/system")

_LAUNCHER = """\
#!/usr/lib/scrubcam/bin/python -I
from firmware.cli.main import main

main()
"""


def site_packages(target: Target) -> Path:
    return PROGRAM / "lib" / f"python{target.python}" / "site-packages"


def lay_out(stage: Path, target: Target) -> None:
    """Everything but wheels, models and kernels, into the empty folder `stage`.

    The program is a virtual environment over the system's own Python (GStreamer's bindings come from there) with the
    source tree beside it. Nothing in it is made at installation, so dpkg knows every file and can check it.
    """
    _environment(stage, target)
    for package in ("firmware", "hw"):
        shutil.copytree(ROOT / package, stage / APP / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    sources = stage / APP / SOURCES.name
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("build", "__pycache__"))
    launcher = stage / PROGRAM / "bin" / "scrubcam"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    _link(stage / "usr/bin/scrubcam", "../lib/scrubcam/bin/scrubcam")
    _copy(sorted((ROOT / "deploy").glob("scrubcam*.service")), stage / UNITS)
    _copy([ROOT / "deploy/scrubcam.target"], stage / UNITS)
    _copy(sorted((ROOT / "deploy").glob("*.rules")), stage / "usr/lib/udev/rules.d")
    _copy(sorted((ROOT / "deploy").glob("scrubcam-*.toml")), stage / "usr/share/scrubcam/examples")
    _copy([ROOT / "deploy/scrubcam-recorder-network.conf", ROOT / "deploy/devices.toml"],
          stage / "usr/share/scrubcam/examples")
    shutil.copytree(ROOT / "docs", stage / DOCUMENTS)
    _copy([ROOT / "README.md", ROOT / "CHANGELOG.md"], stage / DOCUMENTS)
    (stage / "etc/scrubcam").mkdir(parents=True)


def kernels_library(stage: Path) -> Path:
    return stage / APP / HOST_LIBRARY.relative_to(ROOT)


def copyright_text(packages: Path) -> str:
    """Debian's copyright file: ours, then every package and model that is bundled, by its own word."""
    from firmware.pipeline.detect.models import locked

    lines = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
             "Upstream-Name: scrubcam", "", "Files: *", "Copyright: the Scrubcam authors", "License: Apache-2.0",
             " /usr/share/common-licenses/Apache-2.0 has the text.", "",
             "Comment: bundled under lib/, each with its licence text in its .dist-info folder:"]
    lines += [f" {name}" for name in sorted(_stated(path) for path in packages.glob("*.dist-info"))]
    lines += ["", "Comment: data files in /usr/share/scrubcam/models, taken from pinned packages by hash:"]
    lines += [f" {model.file}: {model.licence}; {model.source}" for model in locked().values()]
    return "\n".join(lines) + "\n"


def _stated(info: Path) -> str:
    """ "name version: licence" as a package's own metadata says it."""
    text = (info / "METADATA").read_text(encoding="utf-8").split("\n\n", 1)[0]
    field = dict(re.findall(r"^([A-Za-z-]+): (.*)$", text, re.MULTILINE))
    classes = re.findall(r"^Classifier: License :: (?:OSI Approved :: )?(.*)$", text, re.MULTILINE)
    licence = field.get("License-Expression") or ", ".join(classes) or field.get("License") or "see its folder"
    return f"{field['Name']} {field['Version']}: {licence}"


def _environment(stage: Path, target: Target) -> None:
    python = f"/usr/bin/python{target.python}"
    home = stage / PROGRAM
    home.mkdir(parents=True)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {target.python}\nexecutable = {python}\n"
    )
    for name in ("python", "python3", f"python{target.python}"):
        _link(home / "bin" / name, python)
    packages = stage / site_packages(target)
    packages.mkdir(parents=True)
    (packages / "scrubcam.pth").write_text(f"/{APP}\n")


def _link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def _copy(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
