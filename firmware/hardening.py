"""What each process does first so that its memory and files stay its own: no core dump, no swap, private files.

Asked of the kernel once, at the start. What it refuses is logged, never hidden; docs/threat-model.md says what is lost.
"""

from __future__ import annotations

import ctypes
import os
import resource

from firmware.log import get_logger

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4

log = get_logger("hardening")


def harden(*, lock_memory: bool) -> None:
    """Forbid core dumps, make new files private, and with `lock_memory` keep all memory out of swap.

    Call it before the first secret or frame. The recorder holds the content key, the pipeline frames in clear: both
    lock their memory where the system lets them.
    """
    os.umask(0o077)
    forbid_core_dumps()
    if lock_memory and not _lock_memory():
        log.info("memory-not-locked", todo="set LimitMEMLOCK=infinity for this process, or switch swap off")


def forbid_core_dumps() -> None:
    """A core dump would hold frames in clear, or the content key. A limit of 0 stops files only; 1 byte is too little
    for a file, and is the kernel's own mark for "nor to a program" (core_pattern with a pipe; do_coredump in
    fs/coredump.c)."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    most = 0 if hard == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def _lock_memory() -> bool:
    """Only without a limit: under one, a later allocation would fail and end the recording instead of being swapped."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return False
    locked: int = ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    return locked == 0
