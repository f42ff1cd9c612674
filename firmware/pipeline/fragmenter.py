"""Encoded pictures, sound and verdicts -> Fragments that the recorder can seal. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from firmware.media.fmp4 import fragment
from firmware.media.tracks import SOUND_RATE_HZ, TIMESCALE, Sample
from firmware.messages import Fragment, Verdict
from hw.ports import AccessUnit, SoundPacket

_SLACK_NS = 100_000


class Fragmenter:
    """Cuts before each keyframe and so that no fragment lasts longer than `fragment_ns` (one frame at least),
    and earlier where `cut_taken_before` asks for it.

    A sound packet goes with the first fragment that ends after the packet's time and has not left yet.
    """

    def __init__(self, fragment_ns: int, *, timescale: int = TIMESCALE, sound_rate_hz: int = SOUND_RATE_HZ) -> None:
        self._fragment_ns, self._timescale, self._sound_rate_hz = fragment_ns, timescale, sound_rate_hz
        self._seq = 0
        self._verdicts: dict[int, tuple[Verdict, int]] = {}  # by pts: verdict and duration of frames in the encoder
        self._samples: list[Sample] = []
        self._said: list[Verdict] = []
        self._sound: list[SoundPacket] = []

    @property
    def inside(self) -> int:
        """Frames given to the encoder whose access unit has not come back."""
        return len(self._verdicts)

    def expect(self, verdict: Verdict, duration_ns: int) -> None:
        """A frame goes into the encoder, judged by `verdict`."""
        self._verdicts[verdict.pts_ns] = (verdict, duration_ns)

    def add_sound(self, packets: Iterable[SoundPacket]) -> None:
        self._sound.extend(packets)

    def add(self, units: Sequence[AccessUnit]) -> list[Fragment]:
        """Encoded frames in order -> the fragments they complete.

        Raises KeyError for a unit nobody judged: such a frame must never get out.
        """
        ready: list[Fragment] = []
        for unit in units:
            verdict, duration_ns = self._verdicts.pop(unit.pts_ns)
            if self._samples and (unit.keyframe or self._too_long(unit.pts_ns + duration_ns)):
                ready.append(self._cut(unit.pts_ns))
            self._samples.append(Sample(unit.pts_ns, duration_ns, unit.keyframe, unit.data))
            self._said.append(verdict)
            if self._too_long(unit.pts_ns + 2 * duration_ns):  # the next one would not fit: do not wait for it
                ready.append(self._cut(unit.pts_ns + duration_ns))
        return ready

    def cut_taken_before(self, pts_ns: int) -> list[Fragment]:
        """The open fragment, short as it is, when its first frame was taken before `pts_ns`: none may wait longer."""
        if not self._samples or self._samples[0].pts_ns >= pts_ns:
            return []
        return [self._cut(self._samples[-1].pts_ns + self._samples[-1].duration_ns)]

    def finish(self) -> list[Fragment]:
        """What is left at the end, with all the sound that is left: in a fragment without a picture if need be."""
        if not self._samples and not self._sound:
            return []
        end = self._samples[-1] if self._samples else self._sound[-1]
        return [self._cut(end.pts_ns + end.duration_ns, all_sound=True)]

    def _too_long(self, end_ns: int) -> bool:
        return end_ns - self._samples[0].pts_ns > self._fragment_ns + _SLACK_NS

    def _cut(self, end_ns: int, *, all_sound: bool = False) -> Fragment:
        samples, said = self._samples, self._said
        self._samples, self._said = [], []
        count = len(self._sound) if all_sound else sum(1 for packet in self._sound if packet.pts_ns < end_ns)
        sound, self._sound = self._sound[:count], self._sound[count:]
        data = fragment(
            self._seq, samples, [Sample(p.pts_ns, p.duration_ns, True, p.data) for p in sound],
            timescale=self._timescale, sound_rate_hz=self._sound_rate_hz,
        )
        start_ns = samples[0].pts_ns if samples else sound[0].pts_ns
        made = Fragment(
            self._seq, start_ns, end_ns - start_ns, bool(samples) and samples[0].keyframe, data, said
        )
        self._seq += 1
        return made
