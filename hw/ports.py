"""The ports: what the recorder and the pipeline ask of the outside world, and the plain types that cross them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware.kernels.shapes import Shape
from firmware.kernels.types import F32, PictureStats, SourcePicture, Triple
from hw.readings import Readings

U8 = NDArray[np.uint8]

LightName = Literal["ready", "record"]
LightPattern = Literal[
    "off", "on", "slow", "fast", "wink", "break", "double", "triple", "short-long", "short-short-long",
    "fault-1", "fault-2", "fault-3", "fault-4", "fault-5",
]
ToneName = Literal["accepted", "start", "stop", "bookmark", "pause", "resume", "warning", "refused"]


# ---- pictures and sound --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What a source delivers. Frames are NV12, limited range, BT.709, rows tight at `coded_width`.

    `coded_width`/`coded_height` are `width`/`height` rounded up to even (last column and row repeated).
    `rate` is 0 for a variable rate. `sound_rate_hz` is 0 when the source has no sound; else S16, interleaved.
    """

    width: int
    height: int
    rate: Fraction
    live: bool
    sound_rate_hz: int = 0
    sound_channels: int = 0
    total_frames: int = 0

    @property
    def coded_width(self) -> int:
        return self.width + (self.width & 1)

    @property
    def coded_height(self) -> int:
        return self.height + (self.height & 1)

    @property
    def frame_bytes(self) -> int:
        return self.coded_width * self.coded_height * 3 // 2


@dataclass(frozen=True, slots=True)
class FrameTime:
    """When a frame was taken. `pts_ns`: CLOCK_MONOTONIC for a live source, the file's own for a file.

    `stats` tells of its luma, counted as it was taken in: every live source gives them, black and frozen show there.
    """

    pts_ns: int
    duration_ns: int
    dropped_before: int = 0
    stats: PictureStats | None = None


@dataclass(frozen=True, slots=True)
class SoundChunk:
    """PCM: `samples` int16 (n, channels) at 48 kHz; `pts_ns` is the first sample's time, on the frames' clock."""

    pts_ns: int
    samples: NDArray[np.int16]


class FrameSource(Protocol):
    """A camera, a file, a network stream or the scene generator."""

    def open(self) -> StreamFormat:
        """Open and learn the format. Raises SourceMissing, MediaUnreadable, NoVideo, PartMissing."""

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        """Copy the next frame into `into` (flat, `frame_bytes` long); the only copy between source and encoder.

        None on timeout. Raises EndOfStream at the end, FormatChanged, SourceLost, MediaUnreadable.
        """

    def read_sound(self) -> Sequence[SoundChunk]:
        """All sound that has arrived since the last call; never waits."""

    def close(self) -> None:
        """Release everything; may be called twice."""


class EndOfStream(Exception):
    """A source has no more frames. Not an error."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One encoded frame, length-prefixed NAL units (avc/hvc sample format)."""

    pts_ns: int
    keyframe: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class SoundPacket:
    """One encoded sound packet."""

    pts_ns: int
    duration_ns: int
    data: bytes


class Encoder(Protocol):
    """Turns scrubbed NV12 frames into access units, in order, one for each frame."""

    name: str

    def open(self, fmt: StreamFormat) -> None:
        """Start. Raises PartMissing when the configured encoder is not installed; never takes another."""

    @property
    def codec_config(self) -> bytes:
        """avcC or hvcC payload; known once the first access unit has come out, b"" before."""

    def push(self, data: U8, pts_ns: int, *, release: Any) -> None:
        """Give one frame (flat NV12). Blocks while the encoder is full. `release()` is called, from any
        thread, once the encoder no longer reads `data`: no copy is made."""

    def force_keyframe(self) -> None:
        """Make the next pushed frame an IDR."""

    def pull(self) -> list[AccessUnit]:
        """What has come out since the last call; never waits."""

    def finish(self, timeout_s: float) -> list[AccessUnit]:
        """End of stream: everything still inside. Raises PipelineDied on timeout."""

    def close(self) -> None: ...


class Kernels(Protocol):
    """The pixel work. Same arguments and, bit for bit, same results on every backend. Any thread may call any method.

    Planes are `y` (H, W) and `uv` (H/2, W/2, 2), rows may lie apart. Raises ValueError for what does not fit together.
    """

    name: str

    def allocate(self, size: int) -> U8:
        """Flat memory of `size` bytes, from a page boundary on: where planes and tensors must lie."""

    def ingest(self, source: SourcePicture, y: U8, uv: U8) -> PictureStats:
        """Convert a picture, wherever it lies, into NV12, limited BT.709, in one pass."""

    def tensor(self, y: U8, uv: U8, out: F32, *, crop: tuple[int, int, int, int] | None = None,
               fit: tuple[int, int] | None = None, mean: Triple = (0.0, 0.0, 0.0), scale: Triple = (1.0, 1.0, 1.0),
               order: tuple[int, int, int] = (0, 1, 2), pad: float = 0.0) -> tuple[int, int]:
        """A network's input from a crop, scaled by area average; returns the size of the picture in `out`."""

    def redact(self, y: U8, uv: U8, shapes: Iterable[Shape], soft_px: int = 0) -> int:
        """Fill `shapes` in place; returns how many touch the picture."""

    def fill_frame(self, y: U8, uv: U8) -> None:
        """Fill the whole picture with mid-grey."""


# ---- board ---------------------------------------------------------------------------------------


class Pins(Protocol):
    """Input lines, read by polling. True means the contact is closed (pressed)."""

    def read(self) -> dict[str, bool]:
        """All input lines by role: "pedal", "privacy", where fitted "power_fail".

        Raises PedalLost when a line cannot be trusted; what the others read is in it.
        """

    def close(self) -> None: ...


PedalFault = Literal["unplugged", "cut", "crushed", "link"]


class PedalLost(Exception):
    """A pedal is unplugged, or its wiring or link is faulty. The recording goes on, and so does reading the others.

    `fault`: "unplugged" (or cannot be read), "cut" (both of its contacts open), "crushed" (both closed), "link" (a
    wireless pedal is out of reach). `faults` has it for each line in doubt, by role; `others` holds what the lines read
    that can still be trusted.
    """

    def __init__(self, what: str, *, fault: PedalFault = "unplugged", faults: Mapping[str, PedalFault] | None = None,
                 others: Mapping[str, bool] | None = None) -> None:
        super().__init__(what)
        self.faults = dict(faults or {"pedal": fault})
        self.fault: PedalFault = next(iter(self.faults.values()))
        self.others = dict(others or {})


class Lights(Protocol):
    """Lights and sounder. What they look and sound like is in hw/light_patterns.py and hw/tones.py.

    Both raise ValueError for what is not there.
    """

    def show(self, light: LightName, pattern: LightPattern) -> None:
        """Show this until told otherwise. The pattern begins with its first step when it is new, and goes on when not.
        """

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        """Sound once, at 0 (silent) to 100; never waits. A later tone takes the place of one still sounding.

        A sounder that is only on or off sounds at any volume above 0.
        """

    def problem(self) -> str:
        """Which light or sounder does not take what it is told, and why, for people; "" while all do. Never waits.

        What the board cannot know (a lamp that is burnt out) is not told.
        """

    def close(self) -> None: ...


class Power(Protocol):
    """Temperatures, throttling, clocks and supply. One thread reads; it may hang, as the parts on a stuck bus do."""

    @property
    def busy_with(self) -> str:
        """What `read` waits for at this moment, for whoever waits for it; "" between two reads."""

    def read(self) -> Readings:
        """Everything, now. Raises nothing: a sensor that cannot be read is in `lost`, by name, as long as it cannot."""


class Clock(Protocol):
    """Monotonic time for order, wall time for people."""

    def monotonic_ns(self) -> int: ...

    def unix_s(self) -> float: ...


class Disk(Protocol):
    """The append-only file operations of the vault, so that a test's disk can hang, tear and fill up."""

    def create(self, path: str) -> int:
        """A new file, mode 0600, exclusive; returns a handle. The directory entry is made durable."""

    def write(self, handle: int, data: bytes) -> None:
        """Append all of `data`."""

    def sync(self, handle: int) -> None:
        """Return only when everything appended is on the disk."""

    def close(self, handle: int) -> None: ...

    def free_bytes(self, path: str) -> int: ...


class Files(Protocol):
    """The system calls that change a disk, one for one, so that a test's disk can lose, tear, refuse and hang each.

    Handles are file descriptors; reading goes past this port. Each call raises OSError as the system's own does.
    """

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """`flags` as of open(2), never O_TRUNC; O_CLOEXEC is added."""

    def write(self, handle: int, data: bytes | memoryview) -> int:
        """Write at the end of a file opened with O_APPEND; returns how many bytes were taken, at least one."""

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        """Write at `offset` of a file opened without O_APPEND; returns how many bytes were taken, at least one."""

    def truncate(self, handle: int, size: int) -> None: ...

    def fsync(self, handle: int) -> None: ...

    def fdatasync(self, handle: int) -> None:
        """The content and the length, not the times."""

    def close(self, handle: int) -> None: ...

    def rename(self, old: str, new: str) -> None:
        """Replaces `new`."""

    def link(self, old: str, new: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def mkdir(self, path: str, mode: int = 0o700) -> None: ...

    def sync_directory(self, folder: str) -> None:
        """Make the names in `folder` durable."""


class Watchdog(Protocol):
    """Restarts what it watches when it is not fed in time: the recorder (systemd's) or the machine (the hardware's)."""

    def feed(self) -> None:
        """By evidence only. Raises OSError when it does not take it."""

    def close(self) -> None:
        """What it watches ends on purpose, so it stops where it can. Never while recording; may be called twice.

        A process that ends without this leaves it running: that is what it is for.
        """
