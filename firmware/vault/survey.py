"""Which recordings lie on the device, and what is known of each. Reads little of each; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from firmware.errors import DamagedRecording, DiskFault, UnsupportedRecording
from firmware.vault.format import SUFFIX, is_recording_id
from firmware.vault.ledger import HandOver, Ledger
from firmware.vault.reader import Recording
from firmware.vault.retention import OnDevice
from hw.disk import disk_fault, names_in


def survey(folders: Iterable[str], ledger: Ledger) -> list[OnDevice]:
    """Every recording in `folders`, the oldest first; a folder that is absent holds none. Raises DiskFault."""
    found: list[OnDevice] = []
    for folder in folders:
        identities = [name.removesuffix(SUFFIX) for name in names_in(folder) if name.endswith(SUFFIX)]
        looked_at = (look_at(folder, identity, ledger) for identity in identities if is_recording_id(identity))
        found += [one for one in looked_at if one is not None]
    return sorted(found, key=lambda one: (one.ended_unix_s, one.recording_id))


def look_at(folder: str, recording_id: str, ledger: Ledger) -> OnDevice | None:
    """One recording, from its header and its end; None when it is gone by now. Raises DiskFault.

    What cannot be understood counts as damaged: it is never deleted.
    """
    path = os.path.join(folder, recording_id + SUFFIX)
    try:
        with Recording.open(path) as recording:
            header, end, size = recording.header, recording.end_record(), recording.size_bytes
    except (DamagedRecording, UnsupportedRecording):
        return OnDevice(recording_id, folder, "damaged", 0.0, 0.0, _size(path), "")
    except DiskFault:
        if not os.path.lexists(path):
            return None
        raise
    if header.recording_id != recording_id:
        return OnDevice(recording_id, folder, "damaged", 0.0, 0.0, size, "")
    own_days = header.settings.get("retention_days", 0)
    held, handovers = _told(recording_id, ledger)
    return OnDevice(
        recording_id=recording_id, folder=folder, state=end.public.state if end else "unfinished",
        made_unix_s=header.created_unix_s, ended_unix_s=end.public.unix_s if end else header.created_unix_s,
        size_bytes=size, chain=end.chain.hex() if end else "", purpose_class=header.consent.purpose_class,
        own_days=own_days if isinstance(own_days, int) else 0,
        handovers=handovers, held=held,
    )


def _told(recording_id: str, ledger: Ledger) -> tuple[str, tuple[HandOver, ...]]:
    """(why it is held or "", its hand-overs); a ledger that cannot be read holds the recording, and no other."""
    try:
        mark, handovers = ledger.marked(recording_id, "hold"), ledger.handovers(recording_id)
    except DiskFault as fault:
        return fault.what, ()
    return (mark.reason or "held" if mark else ""), tuple(handovers)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise disk_fault(error, path, "measuring") from error
