"""What is said of a sealed recording: the verdict of `verify` and the figures of `info`. Plain data, no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from firmware.statement import statement
from firmware.vault.attachments import Timestamp
from firmware.vault.format import RecordType, StoredHeader
from firmware.vault.frames import Frame
from firmware.vault.records import EndMeta, FragmentMeta, GapMeta, StreamMeta

State = Literal["sealed", "interrupted", "unfinished", "damaged", "unsupported"]
"""sealed: closed by the recorder. interrupted: closed by recovery after a crash. unfinished: never closed
(still being written, or not yet recovered, or its end was cut off). damaged: altered, cut, spliced or worn.
unsupported: whole so far, but it goes on with something that only a newer scrubcam may judge."""


@dataclass(frozen=True)
class Problem:
    """Where a recording stops being as it should ("record 5", "attachment 0"), byte offset, a sentence for a person."""

    place: str
    offset: int
    text: str


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found. `ok`: closed (sealed or interrupted), whole, in order, signed, and not distrusted.

    The counts cover what is before the first problem. `signed_records` of `records` are covered by a signature;
    `late_signed_records` of those only by the one that recovery made after a crash, when the recorder that
    wrote them was gone. `trusted` is None when no list of trusted devices was given. `torn_bytes` is the part
    record at the end of an unfinished file. `records_after` counts whole records behind a damaged place.
    """

    ok: bool
    state: State
    recording_id: str
    device_name: str
    device_fingerprint: str
    trusted: bool | None
    records: int
    signed_records: int
    late_signed_records: int
    fragments: int
    frames: int
    duration_ns: int
    size_bytes: int
    torn_bytes: int
    records_after: int
    end_reason: str
    ended_unix_s: float | None
    first_problem: Problem | None
    statement: str = ""
    """What the recording may be called, from its stream records before the first problem; see statement.py."""
    attachments: int = 0
    key_envelope: bool = False
    """Whether the wrapped keys are attached, so that an archive key alone opens the file."""
    timestamps: list[Timestamp] = field(default_factory=list)
    """Those whose message imprint is of this recording's chain value; any other is a problem."""
    chain_values: dict[str, bytes] = field(default_factory=dict)
    """What timestamps cover: at "start" and "end"."""

    @property
    def complete(self) -> bool:
        """Sealed by the recorder itself, with its end record."""
        return self.state == "sealed"

    @property
    def intact(self) -> bool:
        """Nothing in it was altered; it may be unfinished."""
        return self.state not in ("damaged", "unsupported")


@dataclass
class RecordingInfo:
    """What a recording says of itself, read without a key and without checking: `verify` proves, this tells."""

    header: StoredHeader
    device_fingerprint: str
    size_bytes: int
    state: State = "unfinished"
    records: int = 0
    fragments: int = 0
    frames: int = 0
    clean: int = 0
    masked: int = 0
    blanked: int = 0
    regions: int = 0
    media_bytes: int = 0
    first_pts_ns: int | None = None
    end_pts_ns: int | None = None
    bookmarks_ns: list[int] = field(default_factory=list)
    gaps: list[GapMeta] = field(default_factory=list)
    streams: list[StreamMeta] = field(default_factory=list)
    end: EndMeta | None = None
    key_envelope: bool = False
    problem: Problem | None = None

    @property
    def statement(self) -> str:
        """What the recording may be called; see statement.py."""
        return statement(self.streams)

    @property
    def duration_ns(self) -> int:
        """From the first frame to the end of the last fragment, gaps included."""
        if self.first_pts_ns is None or self.end_pts_ns is None:
            return 0
        return self.end_pts_ns - self.first_pts_ns


def count(info: RecordingInfo, frame: Frame) -> None:
    """Add one record's public data to `info`."""
    info.records += 1
    public = frame.public
    if isinstance(public, FragmentMeta):
        info.fragments += 1
        info.frames += public.frames
        info.clean += public.clean
        info.masked += public.masked
        info.blanked += public.blanked
        info.regions += public.regions
        info.media_bytes += public.size
        if info.first_pts_ns is None:
            info.first_pts_ns = public.pts_ns
        info.end_pts_ns = max(info.end_pts_ns or 0, public.pts_ns + public.duration_ns)
    elif frame.kind == RecordType.BOOKMARK:
        info.bookmarks_ns.append(public.pts_ns)
    elif isinstance(public, GapMeta):
        info.gaps.append(public)
    elif isinstance(public, StreamMeta):
        info.streams.append(public)
    elif isinstance(public, EndMeta):
        info.end = public
        info.state = "sealed" if public.state == "sealed" else "interrupted"
