"""Programs that a bench needs from the system; one that is absent is named with its package."""

from __future__ import annotations

import shutil

from firmware.errors import PartMissing


def program(name: str, package: str) -> str:
    """The path of a program, also of those only root has in its path. Raises PartMissing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise PartMissing(f"The program {name} is not installed", meaning="The virtual bench cannot start",
                          todo=f"run deploy/setup.sh bench-virtual, or: apt-get install {package}")
    return found
