"""The guest's first file system: busybox, the modules that reach the host's folders, and the script that goes there."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path

from firmware.errors import PartMissing
from hil.parts import program

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""What it takes to reach the host's file system and to lay a writable layer over it; the rest is loaded from there."""

INIT = """#!/bin/busybox sh
# Makes the host's file system, read-only, and a layer in memory above it into the guest's root, then starts the guest.
set -e
/bin/busybox mkdir -p /proc /host /layer /root
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules); do /bin/busybox insmod /$module; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host
/bin/busybox mount -t tmpfs -o size=75% tmpfs /layer
/bin/busybox mkdir /layer/upper /layer/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /root
for word in $(/bin/busybox cat /proc/cmdline); do case $word in bench.init=*) init=${word#bench.init=};; esac; done
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /bin/sh "$init"
"""


def build(target: Path, modules_root: Path, release: str) -> None:
    """Write the gzipped archive `target`. `modules_root` holds lib/modules/`release`. Raises PartMissing."""
    busybox = program("busybox", "busybox-static")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        root = Path(folder)
        (root / "bin").mkdir()
        shutil.copy(busybox, root / "bin" / "busybox")
        (root / "init").write_text(INIT, encoding="utf-8")
        (root / "init").chmod(0o755)
        names = [_unpacked(path, root) for path in needed_modules(modules_root, release)]
        (root / "modules").write_text("\n".join(names), encoding="utf-8")
        files = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        cpio = [program("cpio", "cpio"), "--quiet", "-o", "-H", "newc"]
        packed = subprocess.run(cpio, cwd=root, input=files.encode(), capture_output=True, check=True, timeout=60)
    target.write_bytes(packed.stdout)


def needed_modules(modules_root: Path, release: str) -> list[Path]:
    """The files of MODULES and of all that they need, in the order in which they are loaded."""
    modprobe = program("modprobe", "kmod")
    paths: list[Path] = []
    for module in MODULES:
        asked = subprocess.run([modprobe, "-d", str(modules_root), "-S", release, "--show-depends", module],
                               capture_output=True, text=True, check=False, timeout=60)
        if asked.returncode != 0:
            raise PartMissing(f"This kernel has no module {module}: {asked.stderr.strip()}",
                              meaning="The virtual bench cannot start", todo="use Debian's linux-image-6.12-amd64")
        found = (Path(words[1]) for line in asked.stdout.splitlines() if (words := line.split())[0] == "insmod")
        paths += [path for path in found if path not in paths]
    return paths


def _unpacked(path: Path, folder: Path) -> str:
    """Copy a module, unpacked, since busybox loads no packed one. Returns its name there."""
    name = path.name.removesuffix(".xz")
    data = path.read_bytes()
    (folder / name).write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
    return name
