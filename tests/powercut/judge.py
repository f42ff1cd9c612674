"""What a recording is worth after a power cut: read it as an archive would, and compare its end with the cut."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import ScrubcamError
from firmware.export.sealed import export_sealed
from firmware.messages import Fragment
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording


@dataclass(frozen=True, slots=True)
class Judgement:
    """`end_ns` is where the last frame of the export ends, CLOCK_MONOTONIC; 0 when it has none."""

    state: str
    frames: int = 0
    end_ns: int = 0
    problem: str = ""


def judge(path: Path, keystore: Keystore, key: PrivateKey, work: Path) -> Judgement:
    """Verify, open, export and decode one recording that recovery has closed."""
    aside = path.with_name(path.name + ".unstarted")
    if not path.exists():
        return Judgement("unstarted" if aside.exists() else "absent")
    try:
        with Recording.open(str(path), keystore) as recording:
            report = recording.verify()
            fragments = [stored.record for stored in recording.records(key) if isinstance(stored.record, Fragment)]
        if not report.ok or report.state not in ("interrupted", "sealed"):
            return Judgement(report.state, problem=f"verify: {report.first_problem}")
        if not fragments:
            return Judgement(report.state)
        film = work / "export.mp4"
        frames = export_sealed(path, key, film, force=True, keystore=keystore).frames
        decoded = _decode(film)
        if not frames == decoded == sum(len(fragment.verdicts) for fragment in fragments):
            return Judgement(report.state, problem=f"{frames} frames exported, {decoded} decoded")
        return Judgement(report.state, frames, max(one.pts_ns + one.duration_ns for one in fragments))
    except (ScrubcamError, subprocess.CalledProcessError) as error:
        return Judgement("unreadable", problem=str(error))


def _decode(film: Path) -> int:
    """Frames that come out of the decoder. Anything it complains about is an error."""
    probe = subprocess.run(
        [shutil.which("ffprobe") or "ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v:0",
         "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(film)],
        capture_output=True, text=True, check=True, timeout=60,
    )
    if probe.stderr:
        raise subprocess.CalledProcessError(0, "ffprobe", stderr=probe.stderr)
    return int(probe.stdout)
