"""From scrubbed frames to messages: encoder, sound encoder and fragmenter behind one door.

What goes in here leaves the device's memory encoded; nothing unscrubbed may be given to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from firmware import config
from firmware.errors import PipelineDied
from firmware.media.tracks import SoundTrack, timescale_for
from firmware.messages import Fragment, StreamInfo, Verdict
from firmware.pipeline.encode import make_encoder
from firmware.pipeline.fragmenter import Fragmenter
from firmware.pipeline.sound import SoundEncoder
from firmware.pipeline.sound_line import SoundLine
from firmware.pipeline.track import stream_info
from hw.ports import U8, SoundChunk, StreamFormat

FINISH_TIMEOUT_S = 20.0
_LIVE_SOUND_LAG_NS = 100_000_000
_FILE_SOUND_LAG_NS = 2_000_000_000


class Output:
    """Pushes frames and sound, hands `send` a StreamInfo and then Fragments.

    `live_delay_ns` is how long a live frame waits before it comes here (its pts is CLOCK_MONOTONIC); None: not live.
    """

    def __init__(self, fmt: StreamFormat, encode: config.Encode, sound: config.Sound, detectors: list[str],
                 rate: Fraction, send: Callable[[StreamInfo | Fragment], None], *, covers: Sequence[str] = (),
                 zones: config.Zones | None = None, live_delay_ns: int | None = None) -> None:
        self._covers, self._zones = list(covers), zones or config.Zones()
        self._fmt, self._cfg, self._sound_cfg, self._rate = fmt, encode, sound, rate
        self._detectors, self._send = detectors, send
        self._timescale = timescale_for(rate)
        self._encoder = make_encoder(encode)
        self._fragmenter = Fragmenter(
            round(encode.fragment_s * 1e9), timescale=self._timescale, sound_rate_hz=fmt.sound_rate_hz or 48_000
        )
        self._sound = SoundEncoder(sound, fmt.sound_channels) if fmt.sound_rate_hz else None
        self._line = SoundLine(fmt.sound_rate_hz or 48_000, drop_before_first=fmt.live)
        self._due_ns = None if live_delay_ns is None else live_delay_ns + round(encode.fragment_s * 1e9)
        self._early: list[Fragment] = []
        self._info_sent = False
        self._end_ns = 0
        self.frames = 0

    def open(self) -> None:
        """Raises PartMissing when a configured encoder is not installed."""
        self._encoder.open(self._fmt)
        if self._sound is not None:
            self._sound.open()

    def push(self, data: U8, verdict: Verdict, duration_ns: int, release: Callable[[], None]) -> None:
        """One scrubbed frame; waits while the encoder is full. `release` is called once, also when this raises."""
        self._fragmenter.expect(verdict, duration_ns)
        self._encoder.push(data, verdict.pts_ns, release=release)
        self._end_ns = verdict.pts_ns + duration_ns
        muted = verdict.reason == "privacy-pause"
        for chunk in self._line.take(verdict.pts_ns, duration_ns, muted=muted):
            self._push_sound(chunk)
        if self._sound is not None:
            lag_ns = _LIVE_SOUND_LAG_NS if self._fmt.live else _FILE_SOUND_LAG_NS
            self._sound.fill_to(verdict.pts_ns - lag_ns)

    def sound(self, chunks: Sequence[SoundChunk]) -> None:
        """Sound as captured: it waits until the frame of its time is pushed."""
        if self._sound is not None:
            self._line.push(chunks)

    def mute_until(self, pts_ns: int) -> None:
        """A privacy pause ended at `pts_ns`: no sound captured before may be heard."""
        self._line.mute_until(pts_ns)

    def force_keyframe(self) -> None:
        self._encoder.force_keyframe()

    def collect(self) -> bool:
        """Send what has come out; True when there was something."""
        units = self._encoder.pull()
        if self._sound is not None:
            self._fragmenter.add_sound(self._sound.pull())
        made = self._fragmenter.add(units)
        if self._due_ns is not None:
            # A busy machine's lag must not add up with the fragment's length: it eats into it. So what a power cut
            # costs is delay + the longer of the two + sync, not their sum.
            made += self._fragmenter.cut_taken_before(time.monotonic_ns() - self._due_ns)
        self._deliver(made)
        self.frames += len(units)
        return bool(units)

    def finish(self, *, muted: bool) -> None:
        """Everything still inside. Raises PipelineDied when an encoder does not finish."""
        units = self._encoder.finish(FINISH_TIMEOUT_S)
        self.frames += len(units)
        self._deliver(self._fragmenter.add(units))
        if self._sound is not None:
            for chunk in self._line.rest(muted=muted):
                self._push_sound(chunk)
            self._sound.fill_to(self._end_ns)
            self._fragmenter.add_sound(self._sound.finish(FINISH_TIMEOUT_S))
        if self._fragmenter.inside:
            raise PipelineDied(f"{self._fragmenter.inside} pictures did not come out of the encoder")
        self._deliver(self._fragmenter.finish())

    def close(self) -> None:
        self._encoder.close()
        if self._sound is not None:
            self._sound.close()

    def _push_sound(self, chunk: SoundChunk) -> None:
        assert self._sound is not None
        self._sound.push(chunk)

    def _deliver(self, fragments: list[Fragment]) -> None:
        """StreamInfo goes first; until both encoders have told their layout, fragments wait (two seconds at most)."""
        self._early += fragments
        if not self._early:
            return
        if not self._info_sent:
            if self._sound is not None and not self._sound.codec_config:
                return
            track = None
            if self._sound is not None:
                track = SoundTrack(
                    self._sound_cfg.codec, self._fmt.sound_rate_hz, self._fmt.sound_channels, self._sound.codec_config
                )
            self._send(stream_info(
                self._fmt, self._cfg, self._rate, self._timescale, self._encoder.name, self._detectors,
                self._encoder.codec_config, track, self._covers, self._zones,
            ))
            self._info_sent = True
        for made in self._early:
            self._send(made)
        self._early = []
