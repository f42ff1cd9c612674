"""Which files are parts of one recording: one that went on on another disk says in its header what it continues."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from firmware.errors import DamagedRecording
from firmware.vault.format import SUFFIX, is_recording_id
from firmware.vault.reader import Recording
from hw.disk import names_in


def parts_of(folders: Sequence[str], recording_ids: Iterable[str]) -> list[str]:
    """The other parts, before and after, of these recordings, in name order. Raises DiskFault.

    Only headers whose signature holds count; a folder that is absent holds none.
    """
    links = [(identity, earlier) for folder in folders for identity, earlier in _continued(folder)]
    found = set(recording_ids)
    given = frozenset(found)
    while more := {end for link in links for end in link if set(link) & found} - found:
        found |= more
    return sorted(found - given)


def _continued(folder: str) -> Iterable[tuple[str, str]]:
    """(id, id of the part before it) of each file in `folder` that continues another."""
    for name in names_in(folder):
        if not name.endswith(SUFFIX) or not is_recording_id(name.removesuffix(SUFFIX)):
            continue
        try:
            with Recording.open(os.path.join(folder, name)) as recording:
                earlier = recording.header.settings.get("continues")
        except DamagedRecording:
            continue
        if isinstance(earlier, str) and is_recording_id(earlier):
            yield name.removesuffix(SUFFIX), earlier
