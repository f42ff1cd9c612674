"""A sealed recording, opened with the archive's key, as a plain MP4."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import ConfigError, DamagedRecording
from firmware.export.mp4 import export_mp4
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording


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
    if os.path.exists(sealed) and os.path.exists(target) and os.path.samefile(sealed, target):
        raise ConfigError(f"{target} is the sealed recording itself", meaning="It was left as it is",
                          todo="choose another name for the MP4")
    with Recording.open(str(sealed), keystore) as recording:
        damage: list[str] = []
        result = export_mp4(_opened(recording, private_key, partial, damage, progress), str(target), force=force)
        info = recording.info()
    return SealedExport(
        result.frames, result.fragments, info.duration_ns / 1e9, result.size_bytes, "".join(damage), result.statement
    )


def _opened(
    recording: Recording,
    private_key: PrivateKey,
    partial: bool,
    damage: list[str],
    progress: Callable[[int], None] | None,
) -> Iterator[object]:
    try:
        for stored in recording.records(private_key, tolerant=partial):
            if progress:
                progress(stored.offset)
            yield stored.record
    except DamagedRecording as error:
        if not partial:
            raise
        damage.append(error.what)
    if progress:
        progress(recording.size_bytes)
