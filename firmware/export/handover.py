"""Hands recordings over: a sealed copy into a folder on another disk, verified there, and written in the ledger."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from firmware.durable import remove_durably, remove_leftovers
from firmware.errors import ConfigError, DiskFault, Refused, ScrubcamError
from firmware.export.copy import add_timestamps, write_sealed_copy
from firmware.vault.attachments import Timestamp
from firmware.vault.copies import is_copy
from firmware.vault.keystore import Keystore
from firmware.vault.ledger import HandOver, Ledger, Mark
from firmware.vault.retention import OnDevice, handed_over_unix_s
from firmware.vault.writer import recording_path
from hw.disk import disk_fault

MORE_ROOM = "use a drive with more room"
CLOSED = ("sealed", "interrupted")
SPARE_BYTES = 1 << 20
"""For the keys and timestamps behind the recording, and the file system's own needs."""


@dataclass
class HandedOver:
    """What came of it: ids that are handed over now, and of those that are not, what stood against it."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, ScrubcamError] = field(default_factory=dict)


def to_hand_over(recordings: Iterable[OnDevice], wanted: Sequence[str] = (), *, again: bool = False) -> list[OnDevice]:
    """The closed recordings that were never handed over, or with `again` all; only the `wanted` ones if any are named.

    Raises ConfigError for an id that is not on the device. Pure.
    """
    listed = list(recordings)
    unknown = set(wanted) - {one.recording_id for one in listed}
    if unknown:
        raise ConfigError(f"there is no recording {', '.join(sorted(unknown))} on this device",
                          todo="see them all: scrubcam recordings --config scrubcam.toml")
    chosen = [one for one in listed if one.state in CLOSED and (not wanted or one.recording_id in wanted)]
    return [one for one in chosen if again or wanted or handed_over_unix_s(one) is None]


def check_target(target: str, folders: Iterable[str], *, same_disk: bool) -> None:
    """Raises ConfigError (no folder, or on the recordings' own disk unless `same_disk`), DiskFault (not writable)."""
    if not os.path.isdir(target):
        raise ConfigError(f"{target} is no folder", meaning="Nothing was handed over",
                          todo="mount the drive or share and name a folder on it")
    device = os.stat(target).st_dev
    if not same_disk and any(os.path.isdir(folder) and os.stat(folder).st_dev == device for folder in folders):
        raise ConfigError(
            f"{target} is on a disk that holds the recordings themselves",
            meaning="Nothing was handed over: a copy there would be lost with the first",
            todo="name a folder on another disk, or say --same-disk if another machine fetches the copies from there",
        )
    if not os.access(target, os.W_OK | os.X_OK):
        raise DiskFault(f"{target} is not writable", meaning="Nothing was handed over",
                        todo="check its owner and whether the drive is read-only")


def hand_over(
    recordings: Iterable[OnDevice], keystore: Keystore, ledger: Ledger, target: str, target_name: str,
    unix_s: Callable[[], float], progress: Callable[[str, int, int], None],
    timestamps: Callable[[str], Sequence[Timestamp]], *, origin: str = "operator",
) -> HandedOver:
    """Copy each in turn into `target`; one that fails does not stop the others, a target that fails does.

    `progress(recording_id, done_bytes, total_bytes)` counts writing and reading back. `timestamps(recording_id)` are
    attached, also to a copy that is there already. `origin`: who does it. Raises Refused while another process of this
    device hands over, DiskFault (the ledger cannot be made).
    """
    result = HandedOver()
    with ledger.handing_over():
        for one in recordings:
            try:
                had_keys, copy = keystore.has(one.recording_id), recording_path(target, one.recording_id)
                is_new = _copy(one, keystore, target, progress, timestamps(one.recording_id))
                number = ledger.add_handover(one.recording_id, HandOver(
                    target_name, one.chain, os.path.getsize(copy), unix_s(), True, os.path.abspath(copy), origin,
                ))
                # Looked for after the line: an erasure destroys the keys first and reads the ledger then, so that
                # either its certificate names this copy, or the copy goes here.
                if had_keys and not keystore.has(one.recording_id):
                    _take_back(one.recording_id, copy if is_new else "", ledger, number, unix_s())
                result.done.append(one.recording_id)
            except ScrubcamError as fault:
                result.failed[one.recording_id] = fault
                if isinstance(fault, DiskFault):
                    break
    return result


def _copy(
    one: OnDevice, keystore: Keystore, target: str, progress: Callable[[str, int, int], None],
    timestamps: Sequence[Timestamp],
) -> bool:
    """Sees to a sealed copy in `target`, every byte of it checked there. False: it was there already."""
    copy = recording_path(target, one.recording_id)

    def tell(done: int, total: int) -> None:
        progress(one.recording_id, done, total)

    remove_leftovers(target, of=os.path.basename(copy))  # of a run that was killed
    if not os.path.lexists(copy):
        _check_room(target, one)
        try:
            write_sealed_copy(recording_path(one.folder, one.recording_id), keystore, timestamps, copy, progress=tell)
        except DiskFault as fault:
            full = isinstance(fault.__cause__, OSError) and fault.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
            raise DiskFault(fault.what, meaning="It was not handed over", todo=MORE_ROOM if full else fault.todo,
                            ) from fault
        return True
    if not is_copy(copy, one.chain, tell):  # one that is whole counts: power went before the ledger was written
        raise ConfigError(f"{copy} exists already and is not a sealed copy of this recording",
                          meaning="It was left as it is and the recording was not handed over",
                          todo="look at it with `scrubcam verify`, or choose another folder")
    add_timestamps(copy, keystore, timestamps, progress=tell)
    return False


def _take_back(recording_id: str, copy: str, ledger: Ledger, number: int, unix_s: float) -> None:
    """The recording was erased meanwhile; `copy` is "" where it was handed over before. Raises Refused, DiskFault."""
    if copy:
        remove_durably(copy)
    ledger.void(recording_id, number, Mark("erased while it was copied", unix_s))
    raise Refused(f"{recording_id} was erased while it was copied",
                  meaning="The copy was deleted again" if copy else "The copy from before is still there")


def _check_room(target: str, one: OnDevice) -> None:
    try:
        stat = os.statvfs(target)
    except OSError as error:
        raise disk_fault(error, target, "measuring") from error
    free, needed = stat.f_bavail * stat.f_frsize, one.size_bytes + SPARE_BYTES
    if free < needed:
        raise DiskFault(f"{target} has {free / 1e6:,.1f} MB left, the next recording needs {needed / 1e6:,.1f} MB",
                        meaning="It was not handed over", todo=MORE_ROOM)
