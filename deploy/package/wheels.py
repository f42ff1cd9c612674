"""The Python packages of a unit: read from wheels.lock for one target, and unpacked for it by pip, on any machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

LOCK = Path(__file__).with_name("wheels.lock")
TIMEOUT_S = 1800.0
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_OLDEST_GLIBC, _NEWEST_GLIBC = 17, 35
"""manylinux_2_17 (of 2014) to manylinux_2_35, the glibc of Ubuntu 22.04: the oldest system there is a package for."""
_FROM_SOURCE = {"jetson-gpio"}
"""Published without a wheel; plain Python, so that a wheel of it fits everywhere."""
_JETSON_ONLY = {"jetson-gpio"}


@dataclass(frozen=True, slots=True)
class Target:
    """A Debian architecture and a Python ("3.11"): Debian 12 has 3.11, Ubuntu 22.04 and JetPack 6 3.10, 24.04 3.12."""

    arch: str
    python: str

    @property
    def machine(self) -> str:
        return _MACHINES[self.arch]

    def markers(self) -> dict[str, str]:
        """The environment in which a requirement's marker is asked (PEP 508)."""
        return {"python_version": self.python, "python_full_version": f"{self.python}.0", "sys_platform": "linux",
                "platform_machine": self.machine, "platform_system": "Linux", "os_name": "posix",
                "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}


def pins(target: Target, text: str) -> dict[str, str]:
    """name -> what a requirements file says of it ("name==1.0 --hash=..."), of those that this target needs."""
    found = {}
    for entry in text.replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        requirement, *hashes = entry.split("--hash=")
        wanted = Requirement(requirement.strip())
        if wanted.marker is not None and not wanted.marker.evaluate(target.markers()):
            continue
        if wanted.name in _JETSON_ONLY and target.arch != "arm64":
            continue
        if not hashes:
            raise ValueError(f"{wanted.name} has no hash in the lock")
        found[wanted.name] = f"{wanted.name}{wanted.specifier} " + " ".join(f"--hash={one.strip()}" for one in hashes)
    return found


def unpack(target: Target, site_packages: Path, work: Path) -> None:
    """Put every package of the lock into `site_packages`, by hash, without running a line of any wheel."""
    wanted = pins(target, LOCK.read_text(encoding="utf-8"))
    built = [name for name in wanted if name in _FROM_SOURCE]
    listed = work / "wheels.txt"
    listed.write_text("\n".join(line for name, line in wanted.items() if name not in built) + "\n")
    platforms = [f"manylinux_2_{minor}_{target.machine}" for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
    short = target.python.replace(".", "")
    _pip("install", "--require-hashes", "-r", str(listed), "--only-binary=:all:",
         *(f"--platform={one}" for one in [*platforms, f"manylinux2014_{target.machine}"]),
         f"--python-version={target.python}", "--implementation=cp", f"--abi=cp{short}", "--abi=abi3", "--abi=none",
         *_into(site_packages))
    for name in built:
        source, wheels = work / f"{name}.txt", work / "wheels"
        source.write_text(wanted[name] + "\n")
        _pip("wheel", "--require-hashes", "-r", str(source), "--no-binary=:all:", "--no-build-isolation",
             "--wheel-dir", str(wheels))
        _pip("install", "--no-index", *map(str, wheels.glob("*-py*-none-any.whl")), *_into(site_packages))


def _into(site_packages: Path) -> list[str]:
    return ["--target", str(site_packages), "--upgrade", "--no-compile"]


def _pip(command: str, *words: str) -> None:
    """With the user's own settings of pip. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps",
                    *words], check=True, timeout=TIMEOUT_S)
