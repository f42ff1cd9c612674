"""Lays sound chunks on one unbroken line of samples, so that sound never drifts from the picture. Pure arithmetic.

A microphone has its own clock and a source has gaps. Differences between where a chunk says it belongs and where the
line stands are settled here: large ones at once (silence, or cut), small lasting ones a sample at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hw.ports import SoundChunk

Pcm = NDArray[np.int16]
RATE_HZ = 48_000
JUMP_SAMPLES = 480  # 10 ms: more than the jitter of any capture clock
SLIP_SAMPLES = 96  # 2 ms: a lasting difference as large as this is drift
_SMOOTHING = 16  # chunks over which a difference counts as lasting
_PIECE = RATE_HZ  # silence is made in pieces of at most 1 s


class PcmLine:
    """`place` gives the samples to append so that the line goes on in the chunks' own time."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.origin_ns: int | None = None
        """Time of sample 0: the first chunk's."""
        self.position = 0
        """Samples given out so far."""
        self._drift = 0.0

    def place(self, chunk: SoundChunk) -> Iterator[Pcm]:
        """What to append for `chunk`: itself, with silence before, its start cut off, or one sample more or less."""
        samples = chunk.samples
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(f"sound of shape {samples.shape}, expected (n, {self.channels})")
        if self.origin_ns is None:
            self.origin_ns = chunk.pts_ns
        off = self._index(chunk.pts_ns) - self.position
        if abs(off) >= JUMP_SAMPLES:
            self._drift = 0.0
            yield from self._silence(off)
            samples = samples[max(0, -off) :]
        else:
            self._drift += (off - self._drift) / _SMOOTHING
            samples = self._slip(samples)
        if len(samples):
            self.position += len(samples)
            yield samples

    def fill_to(self, pts_ns: int) -> Iterator[Pcm]:
        """Silence up to `pts_ns`, for a source that stopped delivering. Starts the line when nothing came yet."""
        if self.origin_ns is None:
            self.origin_ns = pts_ns
        yield from self._silence(self._index(pts_ns) - self.position)

    def _index(self, pts_ns: int) -> int:
        assert self.origin_ns is not None
        return round((pts_ns - self.origin_ns) * RATE_HZ / 1_000_000_000)

    def _silence(self, samples: int) -> Iterator[Pcm]:
        while samples > 0:
            piece = min(samples, _PIECE)
            self.position += piece
            samples -= piece
            yield np.zeros((piece, self.channels), np.int16)

    def _slip(self, samples: Pcm) -> Pcm:
        """At most one sample a chunk: 1 in 960 for chunks of 20 ms, ten times what bad clocks need, and inaudible."""
        if self._drift >= SLIP_SAMPLES and len(samples):
            self._drift -= 1
            return np.concatenate((samples[:1], samples))
        if self._drift <= -SLIP_SAMPLES and len(samples):
            self._drift += 1
            return samples[1:]
        return samples


def mute(chunk: SoundChunk) -> SoundChunk:
    """The same stretch of time, silent: a privacy pause."""
    return SoundChunk(chunk.pts_ns, np.zeros_like(chunk.samples))
