"""The scene's sound: a low hum, and a tone that starts in the very instant of the clapper's flash."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hw.ports import SoundChunk
from hw.sim.scene_script import CLAPPER_EVERY_S, CLAPPER_LENGTH_S, clapper_index

SOUND_RATE_HZ = 48_000
SOUND_CHANNELS = 2
CHUNK_SAMPLES = 960
HUM_HZ, HUM_LEVEL = 100, 0.01
TONE_HZ, TONE_LEVEL = 1000, 0.5
MAX_LATE_S = 5


def _cycles(hertz: int, level: float, samples: int) -> NDArray[np.int16]:
    wave = level * 32767 * np.sin(2 * np.pi * hertz * np.arange(samples) / SOUND_RATE_HZ)
    return np.rint(wave).astype(np.int16)


_HUM = _cycles(HUM_HZ, HUM_LEVEL, CHUNK_SAMPLES)  # a chunk holds whole cycles of the hum
_TONE = _cycles(TONE_HZ, TONE_LEVEL, int(CLAPPER_LENGTH_S * SOUND_RATE_HZ))


def clap_sample(number: int, rate: Fraction, every_s: int = CLAPPER_EVERY_S) -> int:
    """The sample at which clap `number` begins: that of the flash's first frame."""
    return round(Fraction(clapper_index(number, rate, every_s)) / rate * SOUND_RATE_HZ)


def samples_between(start: int, end: int, rate: Fraction, every_s: int = CLAPPER_EVERY_S) -> NDArray[np.int16]:
    """Samples `start`..`end` of the scene, (n, 2) int16; `rate` is the picture's, which the clapper follows."""
    mono = np.take(_HUM, np.arange(start, end) % CHUNK_SAMPLES)
    number = max(1, start // (every_s * SOUND_RATE_HZ) - 1)
    while (first := clap_sample(number, rate, every_s)) < end:
        low, high = max(start, first), min(end, first + len(_TONE))
        if low < high:
            mono[low - start : high - start] += _TONE[low - first : high - first]
        number += 1
    return np.repeat(mono[:, None], SOUND_CHANNELS, axis=1)


class SceneSound:
    """Hands out the sound in whole chunks, as a card does. `pts_of` gives a sample number's time in ns."""

    def __init__(
        self, rate: Fraction, pts_of: Callable[[int], int], start: int = 0, every_s: int = CLAPPER_EVERY_S
    ) -> None:
        self._rate, self._pts_of, self._every_s = rate, pts_of, every_s
        self._next = start - start % CHUNK_SAMPLES

    def up_to(self, end: int) -> list[SoundChunk]:
        """All chunks that are complete at sample `end`; a reader later than MAX_LATE_S loses the oldest."""
        self._next = max(self._next, (end - MAX_LATE_S * SOUND_RATE_HZ) // CHUNK_SAMPLES * CHUNK_SAMPLES)
        chunks = []
        while self._next + CHUNK_SAMPLES <= end:
            samples = samples_between(self._next, self._next + CHUNK_SAMPLES, self._rate, self._every_s)
            chunks.append(SoundChunk(self._pts_of(self._next), samples))
            self._next += CHUNK_SAMPLES
        return chunks

    def rest(self, end: int) -> list[SoundChunk]:
        """The last, short chunk up to sample `end`, when the scene ends."""
        chunks = self.up_to(end)
        if self._next < end:
            chunks.append(SoundChunk(self._pts_of(self._next), samples_between(self._next, end, self._rate,
                                                                           self._every_s)))
            self._next = end
        return chunks
