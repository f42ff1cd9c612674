"""What the sealed recording holds, read with the archive's key: verdicts, times, and what was at risk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from firmware.export.mp4 import ExportResult, export_mp4
from firmware.messages import Fragment, StreamInfo, Verdict
from firmware.vault.keys import PrivateKey
from firmware.vault.reader import Recording
from firmware.vault.records import Bookmark, Gap, StateChange


@dataclass(slots=True)
class Opened:
    """The content of one recording, its encoded picture left out. Times in ns on CLOCK_MONOTONIC."""

    stream: StreamInfo | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    fragment_ends: list[tuple[int, int]] = field(default_factory=list)
    """(byte offset behind the fragment's record, time of the fragment's end), in order."""
    longest_fragment_ns: int = 0
    bookmarks: list[Bookmark] = field(default_factory=list)
    states: list[StateChange] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def first_pts_ns(self) -> int:
        return self.verdicts[0].pts_ns if self.verdicts else 0


def read_recording(path: Path, key: PrivateKey) -> Opened:
    """Decrypt everything once and keep what the check needs. Raises DamagedRecording, KeyFault, DiskFault."""
    opened = Opened()
    with Recording.open(str(path)) as recording:
        stored = [(item.offset, item.record) for item in recording.records(key)]
        ends = [*(offset for offset, _ in stored[1:]), recording.size_bytes]
    for (_, record), end in zip(stored, ends, strict=True):
        if isinstance(record, StreamInfo):
            opened.stream = record
        elif isinstance(record, Fragment):
            opened.verdicts += record.verdicts
            opened.fragment_ends.append((end, record.pts_ns + record.duration_ns))
            opened.longest_fragment_ns = max(opened.longest_fragment_ns, record.duration_ns)
        elif isinstance(record, Bookmark):
            opened.bookmarks.append(record)
        elif isinstance(record, StateChange):
            opened.states.append(record)
        elif isinstance(record, Gap):
            opened.gaps.append(record)
    return opened


def export(path: Path, key: PrivateKey, out: Path) -> ExportResult:
    """The recording as a plain MP4. Raises DamagedRecording, KeyFault, DiskFault."""
    with Recording.open(str(path)) as recording:
        return export_mp4((item.record for item in recording.records(key)), str(out), force=True)


def at_risk_s(opened: Opened, samples: Iterable[tuple[float, int]], unix_minus_monotonic_s: float) -> list[float]:
    """For each (unix_s, durable bytes): seconds of picture a power cut would have cost in that moment.

    That is the moment, less the end of the last fragment that lay wholly within the durable bytes.
    """
    lost = []
    for unix_s, durable in samples:
        safe = [end_ns for offset, end_ns in opened.fragment_ends if offset <= durable]
        if safe:
            lost.append(unix_s - unix_minus_monotonic_s - max(safe) / 1e9)
    return lost


@dataclass(frozen=True, slots=True)
class Second:
    """Verdicts of one second of the recording."""

    clean: int
    masked: int
    blanked: int


def by_second(verdicts: list[Verdict]) -> list[Second]:
    """Verdicts counted for each second after the first frame."""
    if not verdicts:
        return []
    start = verdicts[0].pts_ns
    counted: dict[int, list[str]] = {}
    for verdict in verdicts:
        counted.setdefault((verdict.pts_ns - start) // 1_000_000_000, []).append(verdict.kind)
    return [
        Second(*(counted.get(second, []).count(kind) for kind in ("clean", "masked", "blanked")))
        for second in range(max(counted) + 1)
    ]


def largest_step_s(verdicts: list[Verdict]) -> float:
    """The longest time from one frame to the next, in seconds."""
    return max((b.pts_ns - a.pts_ns for a, b in itertools.pairwise(verdicts)), default=0) / 1e9
