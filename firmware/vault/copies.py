"""Is a file still a whole sealed copy of a recording? Asked when one is found at the target, and before a deletion."""

from __future__ import annotations

import os
from collections.abc import Callable

from firmware.errors import DamagedRecording, UnsupportedRecording
from firmware.vault.reader import Recording
from firmware.vault.retention import OnDevice, counts
from hw.disk import forget_cached


def is_copy(path: str, chain: str, progress: Callable[[int, int], None] | None = None) -> bool:
    """Whether it is whole, closed, signed, with its keys, and ends in this `chain` value: every byte is read, from the
    disk. Raises DiskFault."""
    forget_cached(path)
    try:
        with Recording.open(path) as copy:
            report, end = copy.verify(progress), copy.end_record()
    except (DamagedRecording, UnsupportedRecording):
        return False
    return report.ok and report.key_envelope and end is not None and end.chain.hex() == chain


def changed_copies(one: OnDevice, progress: Callable[[int, int], None] | None = None) -> list[int]:
    """The numbers of hand-overs whose copy lies where it was put and is not what was handed over. Raises DiskFault.

    A copy that is not there (the drive was taken away, the archive moved it) stays handed over.
    """
    return [
        number for number, handover in enumerate(one.handovers)
        if counts(handover, one) and handover.path and os.path.lexists(handover.path)
        and not is_copy(handover.path, one.chain, progress)
    ]
