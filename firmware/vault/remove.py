"""Takes a recording's files off a disk: the one place that deletes any. Decides nothing, destroys no key.

Who calls it has destroyed the recording's key before (that is what erases it) and has written down that it does so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from firmware.durable import remove_durably
from firmware.vault.format import SUFFIX, is_recording_id
from hw.disk import names_in


def recording_files(folders: Iterable[str], recording_id: str) -> list[str]:
    """Every file of this recording in `folders`: the sealed file and what recovery set aside of it.

    The sealed file comes last, so that a removal that was cut short is seen to be unfinished. Raises DiskFault.
    """
    if not is_recording_id(recording_id):
        raise ValueError(f"not a recording id: {recording_id!r}")
    name = recording_id + SUFFIX
    found: list[str] = []
    for folder in folders:
        there = names_in(folder)
        found += [os.path.join(folder, entry) for entry in there if entry == name or entry.startswith(f"{name}.")]
    return sorted(found, key=lambda path: (path.endswith(SUFFIX), path))


def remove_files(folders: Iterable[str], recording_id: str) -> int:
    """Delete all of them, durably; returns how many there were. May be run again after a crash. Raises DiskFault."""
    paths = recording_files(folders, recording_id)
    for path in paths:
        remove_durably(path)
    return len(paths)


def returned(folders: Iterable[str], gone: Iterable[str]) -> list[str]:
    """Of the recordings that are `gone`, those of which files are there: a disk that was away brought them back.

    Each folder is listed once, however many recordings have gone over the years. Raises DiskFault.
    """
    there = {name.partition(SUFFIX)[0] for folder in folders for name in names_in(folder) if SUFFIX in name}
    return sorted(there.intersection(gone))
