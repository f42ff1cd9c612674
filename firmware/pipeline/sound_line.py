"""Sound waits for its picture: it is encoded when the frame of its time is, silent where that frame is hidden by a
privacy pause. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from firmware.pipeline.pcm_line import mute
from hw.ports import SoundChunk

_NS = 1_000_000_000


class SoundLine:
    """Chunks in order of time; a chunk that touches a paused frame is silenced whole."""

    def __init__(self, rate_hz: int, *, drop_before_first: bool) -> None:
        self._rate_hz, self._drop_before_first = rate_hz, drop_before_first
        self._chunks: deque[SoundChunk] = deque()
        self._muted_until_ns = -1
        self._started = False

    def push(self, chunks: Iterable[SoundChunk]) -> None:
        self._chunks.extend(chunks)

    def take(self, pts_ns: int, duration_ns: int, *, muted: bool) -> list[SoundChunk]:
        """What may be encoded once the frame at `pts_ns` was: all chunks that end with it or before."""
        end_ns = pts_ns + duration_ns
        if not self._started:
            self._started = True
            while self._drop_before_first and self._chunks and self._end_ns(self._chunks[0]) <= pts_ns:
                self._chunks.popleft()
        taken: list[SoundChunk] = []
        while self._chunks and self._end_ns(self._chunks[0]) <= end_ns:
            taken.append(self._heard(self._chunks.popleft(), muted))
        if muted:
            self.mute_until(end_ns)
        return taken

    def mute_until(self, pts_ns: int) -> None:
        """A privacy pause ended at `pts_ns`: what was captured before is silent, also where no picture came then."""
        self._muted_until_ns = max(self._muted_until_ns, pts_ns)

    def rest(self, *, muted: bool) -> list[SoundChunk]:
        """At the end: what is left."""
        chunks, self._chunks = self._chunks, deque()
        return [self._heard(chunk, muted) for chunk in chunks]

    def _heard(self, chunk: SoundChunk, muted: bool) -> SoundChunk:
        if muted or chunk.pts_ns < self._muted_until_ns:
            return mute(chunk)
        return chunk

    def _end_ns(self, chunk: SoundChunk) -> int:
        return chunk.pts_ns + len(chunk.samples) * _NS // self._rate_hz
