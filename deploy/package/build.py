"""Builds scrubcam_VERSION_ARCH.deb: python -m deploy.package.build --arch arm64 --python 3.10 --out dist. No root."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.package import tree, wheels
from deploy.package.wheels import Target
from firmware import __version__
from firmware.errors import PartMissing, ScrubcamError
from firmware.kernels import build as kernels
from firmware.pipeline.detect.fetch import fetch

SCRIPTS = Path(__file__).with_name("scripts")
COMPILERS = {"amd64": ("g++", "x86_64-linux-gnu-g++", "x86-64-v3"),
             "arm64": ("g++", "aarch64-linux-gnu-g++", "armv8.2-a")}
"""Where it is the native compiler, the cross-compiler, and the least processor: AVX2; Jetson Orin and Thor."""
ELF_MACHINES = {"amd64": 62, "arm64": 183}
NEWEST_SYMBOLS = {b"GLIBC": (2, 35), b"GLIBCXX": (3, 4, 30)}
"""Of Ubuntu 22.04, the oldest system there is a package for."""
PYTHONS = ("3.10", "3.11", "3.12")

DEPENDS = (
    "adduser", "libc6 (>= 2.35)", "libevdev2", "libstdc++6 (>= 12)", "systemd",
    "python3-gi", "gir1.2-gstreamer-1.0", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad", "gstreamer1.0-plugins-ugly", "gstreamer1.0-libav",
)
"""Beside Python itself; all have these names in Debian 12 and Ubuntu 22.04 and 24.04."""


def version(target: Target) -> str:
    """Each Python has a package of its own; "+" so that the release number alone decides what is newer."""
    return f"{__version__}+py{target.python}"


def file_name(target: Target) -> str:
    return f"scrubcam_{version(target)}_{target.arch}.deb"


def control(target: Target, installed_kb: int) -> str:
    """The package's control file. It depends on one minor version of Python: compiled wheels fit no other."""
    major, minor = target.python.split(".")
    python = (f"python3 (>= {target.python})", f"python3 (<< {major}.{int(minor) + 1})")
    return f"""\
Package: scrubcam
Version: {version(target)}
Architecture: {target.arch}
Maintainer: the Scrubcam authors <scrubcam@localhost>
Installed-Size: {installed_kb}
Depends: {', '.join((*python, *DEPENDS))}
Section: video
Priority: optional
Description: operating-room recorder that never stores a face
 Faces, name bands and on-screen names are filled on the device before the
 encoder sees them; every fragment is encrypted and signed before it touches
 the disk. All Python packages and detector models are inside, so a unit
 without a way to the internet can be installed.
"""


def build(target: Target, out: Path) -> Path:
    """The package in `out`. Raises PartMissing, CalledProcessError, OSError."""
    with tempfile.TemporaryDirectory(prefix="scrubcam-deb-") as folder:
        work, stage = Path(folder), Path(folder, "stage")
        stage.mkdir(mode=0o755)
        say(f"layout of the unit, for {target.arch} and Python {target.python}")
        tree.lay_out(stage, target)
        say("Python packages, from wheels.lock by hash")
        wheels.unpack(target, stage / tree.site_packages(target), work)
        shutil.rmtree(stage / tree.site_packages(target) / "bin", ignore_errors=True)
        say("models, from models.lock by hash")
        fetch(stage / tree.MODELS, say=lambda _: None)
        say("kernels")
        _kernels(stage, target)
        check_machine(stage, target)
        (stage / tree.DOCUMENTS / "copyright").write_text(tree.copyright_text(stage / tree.site_packages(target)))
        _pack(stage, target, out / file_name(target))
    return out / file_name(target)


def check_machine(stage: Path, target: Target) -> None:
    """Every native library is for the target's processor (e_machine of its ELF header). Raises PartMissing."""
    for path in stage.rglob("*.so*"):
        head = path.read_bytes()[:20]
        if not path.is_symlink() and head[:4] == b"\x7fELF" and head[18] != ELF_MACHINES[target.arch]:
            raise PartMissing(f"{path.name} was made for another processor than {target.arch}", todo="report it")


def _kernels(stage: Path, target: Target) -> None:
    native, cross, processor = COMPILERS[target.arch]
    here = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    library = tree.kernels_library(stage)
    kernels.build_host(library, compiler=native if here == target.arch else cross, processor=processor)
    check_symbols(library)
    if target.arch == "arm64" and kernels.nvcc():
        kernels.build_gpu(library.parent / kernels.FAT_BINARY.name)
    elif target.arch == "arm64":
        say("the GPU's kernels are NOT in this package: nvcc is not installed here")


def check_symbols(library: Path) -> None:
    """A library built on a newer system must not need what the oldest target lacks. Raises PartMissing."""
    for name, number in re.findall(rb"\b(GLIBC|GLIBCXX)_([0-9.]+)\0", library.read_bytes()):
        if tuple(int(part) for part in number.split(b".")) > NEWEST_SYMBOLS[name]:
            raise PartMissing(f"{library.name} needs {name.decode()} {number.decode()}, newer than Ubuntu 22.04's",
                              todo="build the package on Debian 12 or Ubuntu 22.04")


def _pack(stage: Path, target: Target, path: Path) -> None:
    used_kb = sum(file.lstat().st_size for file in stage.rglob("*")) // 1024
    debian = stage / "DEBIAN"
    debian.mkdir(mode=0o755)
    (debian / "control").write_text(control(target, used_kb))
    for script in SCRIPTS.iterdir():
        shutil.copyfile(script, debian / script.name)
        (debian / script.name).chmod(0o755)
    sums = [f"{_md5(file)}  {file.relative_to(stage)}" for file in sorted(stage.rglob("*"))
            if file.is_file() and not file.is_symlink() and debian not in file.parents]
    (debian / "md5sums").write_text("\n".join(sums) + "\n")
    for file in stage.rglob("*"):  # whatever the umask here: a device's files are readable, and writable by root alone
        if not file.is_symlink():
            file.chmod(0o755 if file.is_dir() or file.stat().st_mode & 0o100 else 0o644)
    path.parent.mkdir(parents=True, exist_ok=True)
    say(f"packing {used_kb // 1024} MB")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "--build", str(stage), str(path)], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": _commit_time()})


def _md5(file: Path) -> str:
    import hashlib

    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()  # dpkg --verify knows no other


def _commit_time() -> str:
    """So that the same commit gives the same package; without git the files' own times stay."""
    told = subprocess.run(["git", "-C", str(tree.ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True,
                          check=False)
    return told.stdout.strip() or os.environ.get("SOURCE_DATE_EPOCH", "")


def say(text: str) -> None:
    print(f"package: {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.package.build", description=__doc__)
    parser.add_argument("--arch", choices=sorted(COMPILERS), required=True)
    parser.add_argument("--python", choices=PYTHONS, default="3.11", help="of the system it is for (Debian 12: 3.11)")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    given = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        path = build(Target(given.arch, given.python), given.out)
    except (ScrubcamError, subprocess.CalledProcessError, OSError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    say(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
