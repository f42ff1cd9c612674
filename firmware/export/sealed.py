"""A sealed recording, or a part of it, opened with the archive's key, as a plain MP4."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import ConfigError, DamagedRecording
from firmware.export.mp4 import export_mp4
from firmware.messages import Fragment
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.seek import Opened


@dataclass(frozen=True, slots=True)
class SealedExport:
    """What was written. `stopped_at` names the damage a partial export stopped at, "" when there was none;
    `statement` is what the film may be called."""

    frames: int
    fragments: int
    seconds: float
    size_bytes: int
    stopped_at: str
    statement: str = ""
    begins_s: float = 0.0
    """Of a clip: where it begins, in seconds after the recording's first frame."""


def export_sealed(
    sealed: Path,
    private_key: PrivateKey,
    target: Path,
    progress: Callable[[int], None] | None = None,
    *,
    partial: bool = False,
    force: bool = False,
    keystore: Keystore | None = None,
) -> SealedExport:
    """Write `target` from `sealed`; `progress(bytes_read)` along the way.

    `keystore`: where the keys are when none are attached. Without `partial` a damaged file writes nothing.
    Raises ConfigError (the target is the recording itself, whatever `force` says), KeyFault, DamagedRecording,
    DiskFault, MediaUnreadable.
    """
    _not_itself(sealed, target)
    with Recording.open(str(sealed), keystore) as recording:
        damage: list[str] = []
        result = export_mp4(_opened(recording, private_key, partial, damage, progress), str(target), force=force)
        info = recording.info()
    return SealedExport(
        result.frames, result.fragments, info.duration_ns / 1e9, result.size_bytes, "".join(damage), result.statement
    )


def export_clip(
    sealed: Path, private_key: PrivateKey, target: Path, from_s: float, to_s: float, *, force: bool = False,
    keystore: Keystore | None = None,
) -> SealedExport:
    """Write the part from `from_s` to `to_s` (seconds after the recording's first frame), reading little else.

    It begins at the keyframe at or before `from_s` and ends with the fragment that holds `to_s`. What is in the clip is
    proven by the key; the rest of the recording is not looked at. Raises as `export_sealed`.
    """
    _not_itself(sealed, target)
    with Recording.open(str(sealed), keystore) as recording:
        opened = Opened(recording, private_key)
        length_s = (opened.end_ns - opened.begin_ns) / 1e9
        if not 0 <= from_s < min(to_s, length_s):
            raise ConfigError(f"there is nothing from {from_s:g} s to {to_s:g} s in a recording of {length_s:.1f} s",
                              meaning="No MP4 was written", todo="give times within the recording, the earlier first")
        begin_ns, end_ns = (opened.begin_ns + round(min(at_s, 1e9) * 1e9) for at_s in (from_s, to_s))
        shown: list[Fragment] = []

        def items() -> Iterator[object]:
            for stored in opened.between(begin_ns, end_ns):
                if isinstance(stored.record, Fragment):
                    shown[1:] = [stored.record]
                yield stored.record

        result = export_mp4(items(), str(target), force=force, part_of=opened.streams())
    seconds = (shown[-1].pts_ns + shown[-1].duration_ns - shown[0].pts_ns) / 1e9
    return SealedExport(result.frames, result.fragments, seconds, result.size_bytes, "", result.statement,
                        (shown[0].pts_ns - opened.begin_ns) / 1e9)


def _not_itself(sealed: Path, target: Path) -> None:
    if os.path.exists(sealed) and os.path.exists(target) and os.path.samefile(sealed, target):
        raise ConfigError(f"{target} is the sealed recording itself", meaning="It was left as it is",
                          todo="choose another name for the MP4")


def _opened(
    recording: Recording,
    private_key: PrivateKey,
    partial: bool,
    damage: list[str],
    progress: Callable[[int], None] | None,
) -> Iterator[object]:
    try:
        opened = recording.records(private_key, tolerant=True) if partial else recording.checked_records(private_key)
        for stored in opened:
            if progress:
                progress(stored.offset)
            yield stored.record
    except DamagedRecording as error:
        if not partial:
            raise
        damage.append(error.what)
    if progress:
        progress(recording.size_bytes)
