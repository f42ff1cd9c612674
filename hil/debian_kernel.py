"""Debian's kernel for the guest: fetched from the archive's package and unpacked into a folder, installed nowhere."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import PartMissing
from hil.parts import program

PACKAGE = "linux-image-6.12-amd64"
"""Names the newest 6.12 kernel of Debian 12 (from its security archive). It has the drivers of hil.guest_devices."""
FETCH_S = 900.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """`root` holds boot/vmlinuz-RELEASE and lib/modules/RELEASE."""

    root: Path
    release: str

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"


def fetched(cache: Path) -> Kernel:
    """The kernel in `cache`, fetched (107 MB) and unpacked (500 MB) the first time. Raises PartMissing."""
    package = _newest()
    release = package.removeprefix("linux-image-")
    root = cache / package
    if not (root / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _run(["apt-get", "download", "-qq", package], Path(folder), "the archive was not reached: apt-get update")
            (archive,) = Path(folder).glob("*.deb")
            _run([program("dpkg-deb", "dpkg"), "-x", str(archive), "unpacked"], Path(folder), "is the disk full?")
            unpacked = Path(folder) / "unpacked"
            _run([program("depmod", "kmod"), "-b", str(unpacked), release], Path(folder), "")
            (unpacked / "complete").touch()
            shutil.rmtree(root, ignore_errors=True)
            shutil.move(unpacked, root)
    return Kernel(root, release)


def _newest() -> str:
    """The package that PACKAGE stands for today."""
    asked = subprocess.run([program("apt-cache", "apt"), "depends", PACKAGE], capture_output=True, text=True,
                           check=False, timeout=60)
    names = [line.split()[-1] for line in asked.stdout.splitlines() if line.strip().startswith("Depends: linux-image-")]
    if not names:
        raise PartMissing(f"This system's archive has no package {PACKAGE}", meaning="The virtual bench cannot start",
                          todo="run it on Debian 12 on amd64, with its security archive, after apt-get update")
    return names[0]


def _run(command: list[str], folder: Path, todo: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=FETCH_S)
    if done.returncode != 0:
        raise PartMissing(f"{command[0]} failed: {done.stderr.strip()[-400:]}", todo=todo,
                          meaning="The virtual bench has no kernel to boot")
