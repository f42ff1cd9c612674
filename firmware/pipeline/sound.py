"""Encodes sound (Opus or AAC, whichever the configuration names) with packet times exact to the sample.

Knows nothing of consent: whoever makes a SoundEncoder has the consent lock's word that sound may be kept.
"""

from __future__ import annotations

import re
import struct
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware import config
from firmware.errors import MediaUnreadable, PipelineDied
from firmware.pipeline.encoder_spec import require_elements
from firmware.pipeline.gst import Gst, error_of, init
from firmware.pipeline.pcm_line import RATE_HZ, Pcm, PcmLine
from hw.ports import SoundChunk, SoundPacket

PUSH_TIMEOUT_S = 5.0
_MAX_QUEUED_BYTES = 4_000_000  # about 20 s of stereo
_STUCK = {"meaning": "The pipeline is restarted and the gap is marked"}


@dataclass(frozen=True, slots=True)
class _SoundSpec:
    """`priming`: how many samples of its own the decoder puts out before the first one that went in."""

    name: str
    chain: str
    parts: tuple[tuple[str, str], ...]
    packet: int
    priming: int


def _spec(cfg: config.Sound) -> _SoundSpec:
    if cfg.codec == "opus":
        # 312 samples: libopus's look-ahead for "generic" audio; checked against the header it gives.
        return _SoundSpec(
            "opusenc",
            f"opusenc bitrate={cfg.bitrate_bps} bitrate-type=constrained-vbr frame-size=20 audio-type=generic"
            " bandwidth=fullband complexity=5 dtx=false inband-fec=false hard-resync=false perfect-timestamp=true",
            (("opusenc", "gstreamer1.0-plugins-base"),), 960, 312,
        )
    return _SoundSpec(
        "avenc_aac",
        "audioconvert dithering=none ! audio/x-raw,format=F32LE"
        f" ! avenc_aac bitrate={cfg.bitrate_bps} hard-resync=false perfect-timestamp=true ! aacparse"
        " ! audio/mpeg,mpegversion=4,stream-format=raw",
        (("audioconvert", "gstreamer1.0-plugins-base"), ("aacparse", "gstreamer1.0-plugins-good"),
         ("avenc_aac", "gstreamer1.0-libav")), 1024, 1024,
    )


class SoundEncoder:
    """S16 48 kHz chunks in, packets out, on one grid: packet k holds the samples from k * packet size on.

    The codec's priming is taken out here: silence is put before the first sample so that priming and silence fill
    whole packets, and those are dropped. So a packet's time is the time its sound is heard, no edit list is needed,
    and a player may begin at any packet. `push`, `pull` and `fill_to` may be called from different threads.
    """

    def __init__(self, cfg: config.Sound, channels: int) -> None:
        if channels not in (1, 2):
            raise MediaUnreadable(
                f"The sound has {channels} channels", meaning="Only mono and stereo can be recorded",
                todo="let the source mix it down to two",
            )
        self._cfg, self._channels = cfg, channels
        self._spec = _spec(cfg)
        self.name = self._spec.name
        self._line = PcmLine(channels)
        self._lock = threading.Lock()
        self._pipeline: Any = None
        self._codec_config = b""
        self._lead_packets = -(-self._spec.priming // self._spec.packet)
        self._packets_out = -self._lead_packets  # counted from the first real one
        self._pushed = 0

    @property
    def codec_config(self) -> bytes:
        """The dOps payload (Opus) or the AudioSpecificConfig (AAC); b"" until the first packet has come out."""
        return self._codec_config

    def open(self) -> None:
        """Start. Raises PartMissing (naming element and package)."""
        init()
        require_elements(self.name, self._spec.parts)
        self._pipeline = Gst.parse_launch(
            f"appsrc name=src caps=audio/x-raw,format=S16LE,layout=interleaved,rate={RATE_HZ},channels={self._channels}"
            " format=time is-live=false block=false max-bytes=0 max-buffers=0 max-time=0"
            f" ! {self._spec.chain}"
            " ! appsink name=sink sync=false max-buffers=0 drop=false enable-last-sample=false wait-on-eos=false"
        )
        self._src = self._pipeline.get_by_name("src")
        self._sink = self._pipeline.get_by_name("sink")
        self._bus = self._pipeline.get_bus()
        if self._pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            raise PipelineDied(f"The sound encoder {self.name} does not start", **_STUCK)
        lead = self._lead_packets * self._spec.packet - self._spec.priming
        if lead:
            self._feed(_zeros(lead, self._channels))

    def push(self, chunk: SoundChunk) -> None:
        """Give a chunk. Blocks while the encoder is full; raises PipelineDied when it stays so."""
        for piece in self._line.place(chunk):
            self._feed(piece)

    def fill_to(self, pts_ns: int) -> None:
        """Silence up to `pts_ns` where no sound came; a chunk for that time that comes later is cut off."""
        for piece in self._line.fill_to(pts_ns):
            self._feed(piece)

    def pull(self) -> list[SoundPacket]:
        """What has come out since the last call; never waits."""
        if self._pipeline is None:
            return []
        packets = self._drain(0)
        self._raise_bus_error()
        return packets

    def finish(self, timeout_s: float) -> list[SoundPacket]:
        """Everything still inside; the last packet's duration ends with the last sample. Raises PipelineDied."""
        if self._pipeline is None or self._line.origin_ns is None:
            return []
        deadline = time.monotonic() + timeout_s
        wanted = -(-self._line.position // self._spec.packet)
        # Push the last samples out through the codec's delay, up to whole packets.
        tail = (wanted + 2) * self._spec.packet - self._line.position
        self._feed(_zeros(tail, self._channels))
        self._src.emit("end-of-stream")
        packets: list[SoundPacket] = []
        while not self._sink.is_eos():
            packets += self._drain(50_000_000, wanted)
            self._raise_bus_error()
            if time.monotonic() > deadline:
                raise PipelineDied(f"The sound encoder {self.name} does not finish within {timeout_s:g} s", **_STUCK)
        packets += self._drain(0, wanted)
        if self._packets_out < wanted:
            raise PipelineDied(f"The sound encoder {self.name} lost {wanted - self._packets_out} packets", **_STUCK)
        if packets:
            last = packets[-1]
            end_ns = self._line.origin_ns + self._line.position * 1_000_000_000 // RATE_HZ
            packets[-1] = SoundPacket(last.pts_ns, min(last.duration_ns, end_ns - last.pts_ns), last.data)
        return packets

    def close(self) -> None:
        """Stop; may be called twice."""
        if self._pipeline is not None:
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None

    # ---- inside ----------------------------------------------------------------------------------

    def _feed(self, samples: Pcm) -> None:
        if self._pipeline is None:
            raise PipelineDied(f"The sound encoder {self.name} is closed")
        deadline = time.monotonic() + PUSH_TIMEOUT_S
        while self._src.get_property("current-level-bytes") > _MAX_QUEUED_BYTES:
            self._raise_bus_error()
            if time.monotonic() > deadline:
                raise PipelineDied(f"The sound encoder {self.name} took nothing for {PUSH_TIMEOUT_S:g} s", **_STUCK)
            time.sleep(0.005)
        buffer = Gst.Buffer.new_wrapped(samples.tobytes())
        buffer.pts = self._pushed * 1_000_000_000 // RATE_HZ
        self._pushed += len(samples)
        if self._src.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            self._raise_bus_error(wait_s=0.5)
            raise PipelineDied(f"The sound encoder {self.name} takes no more sound", **_STUCK)

    def _drain(self, wait_ns: int, wanted: int | None = None) -> list[SoundPacket]:
        packets: list[SoundPacket] = []
        with self._lock:
            while (sample := self._sink.try_pull_sample(0 if packets else wait_ns)) is not None:
                if not self._codec_config:
                    self._codec_config = self._read_config(sample.get_caps().get_structure(0))
                number = self._packets_out
                if wanted is not None and number >= wanted:
                    continue
                self._packets_out += 1
                if number >= 0:
                    buffer = sample.get_buffer()
                    start, after = self._time_ns(number), self._time_ns(number + 1)
                    packets.append(SoundPacket(start, after - start, buffer.extract_dup(0, buffer.get_size())))
        return packets

    def _time_ns(self, packet: int) -> int:
        return (self._line.origin_ns or 0) + packet * self._spec.packet * 1_000_000_000 // RATE_HZ

    def _read_config(self, caps: Any) -> bytes:
        if self._cfg.codec == "aac":
            data = caps.get_value("codec_data")
            return bytes(data.extract_dup(0, data.get_size()))
        # PyGObject cannot read an array of buffers out of caps; their text form is in hexadecimal.
        found = re.search(r"streamheader=\(buffer\)<\s*([0-9a-f]{38,})", caps.to_string())
        if found is None:
            raise PipelineDied(f"The sound encoder {self.name} gave no header", **_STUCK)
        channels, pre_skip = struct.unpack_from("<9xBH", bytes.fromhex(found[1]))
        if pre_skip != self._spec.priming or channels != self._channels:
            raise PipelineDied(f"The sound encoder {self.name} has a delay of {pre_skip} samples, which is unknown")
        # dOps (Opus in ISOBMFF 4.3.2), big-endian; pre-skip 0, for the priming is already taken out.
        return struct.pack(">BBHIhB", 0, channels, 0, RATE_HZ, 0, 0)

    def _raise_bus_error(self, wait_s: float = 0) -> None:
        message = self._bus.timed_pop_filtered(round(wait_s * 1e9), Gst.MessageType.ERROR)
        if message is not None:
            raise PipelineDied(f"The sound encoder {self.name} failed: {error_of(message)[2]}", **_STUCK)


def _zeros(samples: int, channels: int) -> Pcm:
    return np.zeros((samples, channels), np.int16)
