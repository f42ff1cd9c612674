"""The scene generator as a frame source: a camera that films the rendered operation, with a camera's manners.

Live (`paced=1`) it takes frame i at epoch + i / rate on CLOCK_MONOTONIC, keeps the last few frames for a late reader
and drops older ones, counted. Unpaced it gives every frame as fast as it is read, with times from zero. Faults (lost
signal, black, frozen, another format) come when the address says so. It must not know what is done with its frames.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np

from firmware.config import Source as SourceConfig
from firmware.errors import ConfigError, FormatChanged, SourceLost
from firmware.kernels.types import PictureStats
from hw.frame_rate import exact_rate
from hw.ports import U8, EndOfStream, FrameTime, SoundChunk, StreamFormat
from hw.sim.moving_picture import MovingPicture
from hw.sim.scene_picture import ScenePicture
from hw.sim.scene_script import clapper_index
from hw.sim.scene_sound import SOUND_CHANNELS, SOUND_RATE_HZ, SceneSound
from hw.sim.scene_sprites import BLACK_Y, NEUTRAL_UV
from hw.sim.scene_truth import TruthBox
from hw.sim.scene_uri import SceneSettings, parse_scene_uri

__all__ = ["SceneSource", "TruthBox"]

NS = 1_000_000_000


class SceneSource:
    """FrameSource of a `scene://` address (parameters: scene_uri.SceneSettings). Raises ConfigError."""

    def __init__(self, uri: str = "scene://", base: SceneSettings | None = None, *, lost_after_s: float = 1.5) -> None:
        self.settings = parse_scene_uri(uri, base)
        self._lost_after_ns, self._seen_ns = round(lost_after_s * NS), 0
        self._epoch_ns = max(0, self.settings.epoch_ns) if self.settings.paced else 0
        self._next = 0
        self._open = False
        self._sound: SceneSound | None = None

    @classmethod
    def from_config(cls, source: SourceConfig) -> SceneSource:
        """From the configuration: what the address leaves out is taken from width, height, rate_hz and seed."""
        plain = SceneSettings()
        if 0 < source.width < 64 or 0 < source.height < 64 or source.seed < 0:
            raise ConfigError("for scene://, source.width and source.height are 64 or more, source.seed 0 or more")
        rate = exact_rate(source.rate_hz) if source.rate_hz >= 1 else plain.rate
        return cls(source.uri, SceneSettings(
            width=source.width or plain.width, height=source.height or plain.height, rate=rate, seed=source.seed,
        ), lost_after_s=source.lost_after_s)

    # ---- the port ------------------------------------------------------------------------------

    def open(self) -> StreamFormat:
        """Draw what is drawn once (a second), then start the clock. Raises PartMissing."""
        s = self.settings
        _ = self.picture
        now_ns = time.monotonic_ns()
        if s.paced:
            if s.epoch_ns < 0:
                self._epoch_ns = now_ns
            self._next = max(0, self._due_index(now_ns) + 1 if now_ns > self._epoch_ns else 0)
        if s.sound:
            start = max(0, (now_ns - self._epoch_ns) * SOUND_RATE_HZ // NS) if s.paced else 0
            self._sound = SceneSound(s.rate, lambda n: self._epoch_ns + round(Fraction(n * NS, SOUND_RATE_HZ)), start,
                                     s.clap_every)
        self._open, self._seen_ns = True, now_ns
        return StreamFormat(
            s.width, s.height, s.rate, live=s.paced, sound_rate_hz=SOUND_RATE_HZ if s.sound else 0,
            sound_channels=SOUND_CHANNELS if s.sound else 0, total_frames=s.total_frames,
        )

    def read(self, into: U8, timeout_s: float) -> FrameTime | None:
        if not self._open:
            raise ValueError("open() comes before read()")
        s = self.settings
        dropped = 0
        if s.paced and self._fault("lost_at", self._scene_s(time.monotonic_ns())):
            self._nothing(timeout_s)
            return None
        if s.paced:
            oldest = self._due_index(time.monotonic_ns()) - s.slots + 1
            dropped = max(0, oldest - self._next)
            self._next += dropped
        self._check_end()
        index = self._next
        at_s = float(index / s.rate)
        if self._fault("lost_at", at_s):
            self._nothing(timeout_s)
            return None
        if s.change_at >= 0 and at_s >= s.change_at:
            raise FormatChanged(
                f"the source now delivers {max(64, s.width // 2)}x{max(64, s.height // 2)}, not {s.width}x{s.height}",
                meaning="The recording cannot go on in the same file", todo="start again with the new format",
            )
        if s.paced and not self._wait_for(index, timeout_s):
            return None
        self._draw(index, at_s, into)
        self._next, self._seen_ns = index + 1, time.monotonic_ns()
        pts_ns = self.pts_at(index)
        return FrameTime(pts_ns, self.pts_at(index + 1) - pts_ns, dropped, self._counted(into))

    def read_sound(self) -> Sequence[SoundChunk]:
        if self._sound is None or not self._open:
            return ()
        s = self.settings
        last = round(Fraction(s.total_frames) / s.rate * SOUND_RATE_HZ) if s.total_frames else 0
        if s.paced:
            now = max(0, (time.monotonic_ns() - self._epoch_ns) * SOUND_RATE_HZ // NS)
        else:
            now = round(Fraction(self._next) / s.rate * SOUND_RATE_HZ)
        return self._sound.rest(last) if last and now >= last else self._sound.up_to(now)

    def close(self) -> None:
        self._open = False

    # ---- the truth -----------------------------------------------------------------------------

    @cached_property
    def picture(self) -> ScenePicture | MovingPicture:
        """The drawer of this scene's frames; works before and after open(). Raises PartMissing."""
        return ScenePicture(self.settings) if self.settings.show == "operation" else MovingPicture(self.settings)

    @property
    def epoch_ns(self) -> int:
        """When frame 0 was taken; known from open() on."""
        return self._epoch_ns

    def pts_at(self, index: int) -> int:
        """Time of frame `index`: epoch + index / rate, rounded to a nanosecond."""
        return self._epoch_ns + round(Fraction(index * NS) / self.settings.rate)

    def index_at(self, pts_ns: int) -> int:
        """The frame whose time is nearest to `pts_ns`; the inverse of pts_at."""
        return round((pts_ns - self._epoch_ns) * self.settings.rate / NS)

    def truth_at(self, index: int) -> list[TruthBox]:
        """What identifying things frame `index` shows, and where exactly; none while it is black."""
        shown = self._shown_index(index)
        return [] if shown is None else self.picture.truth_at(shown)

    def clapper_times(self, seconds: float) -> list[int]:
        """The times (pts_ns) of the claps in the scene's first `seconds`: flash and tone both start there."""
        rate, every_s, times = self.settings.rate, self.settings.clap_every, []
        for number in range(1, int(seconds // every_s) + 2):
            index = clapper_index(number, rate, every_s)
            if index / rate < seconds:
                times.append(self.pts_at(index))
        return times

    # ---- inside --------------------------------------------------------------------------------

    def _scene_s(self, monotonic_ns: int) -> float:
        return (monotonic_ns - self._epoch_ns) / NS

    def _due_index(self, now_ns: int) -> int:
        """The newest frame already taken at `now_ns`; -1 before the first."""
        return max(-1, int((now_ns - self._epoch_ns) * self.settings.rate // NS))

    def _wait_for(self, index: int, timeout_s: float) -> bool:
        left_s = (self.pts_at(index) - time.monotonic_ns()) / NS
        if left_s > 0:
            time.sleep(min(left_s, timeout_s))
        return left_s <= timeout_s

    def _check_end(self) -> None:
        total = self.settings.total_frames
        if total and self._next >= total:
            raise EndOfStream

    def _nothing(self, timeout_s: float) -> None:
        """A camera without signal: time goes by and nothing comes. Frames taken meanwhile never were.

        Raises SourceLost when it has gone on for too long.
        """
        time.sleep(timeout_s)
        if self.settings.paced and time.monotonic_ns() - self._seen_ns > self._lost_after_ns:
            raise SourceLost(f"The scene has shown no picture for {self._lost_after_ns / NS:g} s",
                             meaning="The recording has a gap from here", todo="nothing: it was asked for")
        if self.settings.paced:
            self._next = max(self._next, self._due_index(time.monotonic_ns()) + 1)

    def _fault(self, name: str, at_s: float) -> bool:
        start: float = getattr(self.settings, name)
        return start >= 0 and at_s >= start and (self.settings.fault_s == 0 or at_s < start + self.settings.fault_s)

    def _shown_index(self, index: int) -> int | None:
        """Which frame's picture frame `index` shows: its own, an earlier one when frozen, None when black."""
        at_s = float(index / self.settings.rate)
        if self._fault("black_at", at_s):
            return None
        if self._fault("freeze_at", at_s):
            return int(Fraction(self.settings.freeze_at) * self.settings.rate)
        return index

    def _counted(self, into: U8) -> PictureStats:
        """What a real source's `ingest` counts, of every eighth pixel in every eighth row."""
        width, height = ((side + 1) // 2 * 2 for side in (self.settings.width, self.settings.height))
        few = np.ascontiguousarray(into[: width * height].reshape(height, width)[::8, ::8])
        check = int.from_bytes(hashlib.blake2b(few.tobytes(), digest_size=8).digest(), "little")
        return PictureStats(few.size, int(few.sum()), int((few >= 40).sum()), int((few >= 235).sum()), check)

    def _draw(self, index: int, at_s: float, into: U8) -> None:
        shown = self._shown_index(index)
        if shown is None:
            luma = (self.settings.width + 1) // 2 * 2 * ((self.settings.height + 1) // 2 * 2)
            into[:luma] = BLACK_Y
            into[luma:] = NEUTRAL_UV
        else:
            self.picture.draw(shown, into)
