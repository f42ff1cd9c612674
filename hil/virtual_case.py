"""What the virtual unit's recording is worth after the power cut: judged on the host, with the archive's key alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from firmware.errors import ScrubcamError
from firmware.export.sealed import export_sealed
from firmware.messages import Fragment
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from hil.report import Row


def told_durable(lines: list[str]) -> int:
    """The last number of durable bytes that the unit told before the cut; 0 when it told none."""
    return max((int(line.split()[1]) for line in lines if line.startswith("durable ")), default=0)


def judge(after: Path, key: PrivateKey, lines: list[str]) -> list[Row]:
    """One row for each promise. `after` holds the disk's folders recordings and state, `lines` what the unit told."""
    ids = [line.split()[1] for line in lines if line.startswith("RECORDING ")]
    path = after / "recordings" / f"{ids[0] if ids else 'none'}.scrub"
    if not path.exists():
        return [Row("the recording is there after the cut", False, f"{path.name} is not among the recovered files")]
    keystore = Keystore.of_device(str(after / "state"))
    durable = told_durable(lines)
    try:
        with Recording.open(str(path), keystore) as recording:
            report = recording.verify()
            kept = [stored.record for stored in recording.records(key) if isinstance(stored.record, Fragment)]
        frames = export_sealed(path, key, after / "export.mp4", force=True, keystore=keystore).frames
    except ScrubcamError as error:
        return [Row("the recording opens with the archive's key", False, str(error))]
    verdicts = Counter(verdict.kind for fragment in kept for verdict in fragment.verdicts)
    sealed = sum(verdicts.values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(verdicts.items()))
    return [
        Row("recovered, verified, named as interrupted", report.ok and report.state == "interrupted",
            f"{report.state}{', ' + str(report.first_problem) if report.first_problem else ''}"),
        Row("what was told to be durable before the cut is there", 0 < durable <= path.stat().st_size,
            f"{durable} bytes told, {path.stat().st_size} there"),
        Row("opens with the archive's key; every sealed frame is exported", 0 < frames == sealed,
            f"{frames} frames ({told})"),
    ]
