"""What the encode, media and export tests share: moving pictures, tones, and ffprobe/ffmpeg asked for the truth."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from firmware import config
from firmware.media.fmp4 import fragment, init_segment
from firmware.media.tracks import Sample, SoundTrack, VideoTrack, timescale_for
from firmware.messages import Fragment, StreamInfo
from firmware.pipeline.encode import make_encoder
from firmware.pipeline.sound import SoundEncoder
from hw.ports import AccessUnit, SoundChunk, SoundPacket, StreamFormat

WIDTH, HEIGHT = 320, 180
NS = 1_000_000_000


def picture(fmt: StreamFormat, index: int, *, flash: bool = False) -> np.ndarray:
    """A flat NV12 frame: a gradient with a bar that moves, or white all over."""
    width, height = fmt.coded_width, fmt.coded_height
    data = np.full(fmt.frame_bytes, 128, np.uint8)
    luma = data[: width * height].reshape(height, width)
    luma[:] = np.linspace(40, 120, width, dtype=np.uint8)
    luma[:, (index * 4) % (width - 16) : (index * 4) % (width - 16) + 16] = 200
    if flash:
        luma[:] = 235
    return data


def encode(
    cfg: config.Encode, fmt: StreamFormat, times_ns: Sequence[int], *, flash_at: Iterable[int] = (),
    keys_at: Iterable[int] = (),
) -> tuple[list[AccessUnit], bytes]:
    """All access units for frames at `times_ns`, and the codec configuration."""
    encoder = make_encoder(cfg)
    flashes, keys = set(flash_at), set(keys_at)
    encoder.open(fmt)
    try:
        units: list[AccessUnit] = []
        for index, pts_ns in enumerate(times_ns):
            if index in keys:
                encoder.force_keyframe()
            encoder.push(picture(fmt, index, flash=index in flashes), pts_ns, release=lambda: None)
            units += encoder.pull()
        units += encoder.finish(20)
        return units, encoder.codec_config
    finally:
        encoder.close()


def encode_sound(cfg: config.Sound, chunks: Iterable[SoundChunk], channels: int) -> tuple[list[SoundPacket], bytes]:
    """All packets, and the codec configuration."""
    encoder = SoundEncoder(cfg, channels)
    encoder.open()
    try:
        packets: list[SoundPacket] = []
        for chunk in chunks:
            encoder.push(chunk)
            packets += encoder.pull()
        packets += encoder.finish(20)
        return packets, encoder.codec_config
    finally:
        encoder.close()


def tone(start_ns: int, seconds: float, *, channels: int = 2, on: Iterable[tuple[float, float]] = ()) -> SoundChunk:
    """Silence with a 1 kHz tone in the stretches `on` (seconds from the start)."""
    t = np.arange(round(seconds * 48000)) / 48000
    wave = np.zeros(len(t))
    for begin, end in on:
        inside = (t >= begin) & (t < end)
        wave[inside] = 20000 * np.sin(2 * np.pi * 1000 * (t[inside] - begin))
    return SoundChunk(start_ns, np.repeat(wave.astype(np.int16)[:, None], channels, axis=1))


def chunked(chunk: SoundChunk, samples: int = 960) -> list[SoundChunk]:
    """The same sound in pieces, with their own times."""
    return [
        SoundChunk(chunk.pts_ns + at * NS // 48000, chunk.samples[at : at + samples])
        for at in range(0, len(chunk.samples), samples)
    ]


def video_track(fmt: StreamFormat, codec: str, codec_config: bytes) -> VideoTrack:
    return VideoTrack(
        codec, fmt.width, fmt.height, fmt.coded_width, fmt.coded_height, codec_config,  # type: ignore[arg-type]
        timescale_for(fmt.rate),
    )


def records(
    video: VideoTrack, units: Sequence[AccessUnit], last_duration_ns: int,
    sound: SoundTrack | None = None, packets: Sequence[SoundPacket] = (), fragment_s: float = 0.25, seq: int = 0,
) -> list[StreamInfo | Fragment]:
    """StreamInfo and fragments as a pipeline sends them: cut at keyframes and at `fragment_s`."""
    ends = [unit.pts_ns for unit in units[1:]] + [units[-1].pts_ns + last_duration_ns]
    samples = [
        Sample(unit.pts_ns, end - unit.pts_ns, unit.keyframe, unit.data)
        for unit, end in zip(units, ends, strict=True)
    ]
    groups: list[list[Sample]] = []
    for sample in samples:
        if not groups or sample.keyframe or sample.pts_ns - groups[-1][0].pts_ns >= fragment_s * NS:
            groups.append([])
        groups[-1].append(sample)
    out: list[StreamInfo | Fragment] = [stream_info(video, sound)]
    waiting = [Sample(packet.pts_ns, packet.duration_ns, True, packet.data) for packet in packets]
    for index, group in enumerate(groups):
        end = group[-1].pts_ns + group[-1].duration_ns
        last = index == len(groups) - 1
        mine = [packet for packet in waiting if last or packet.pts_ns < end]
        waiting = waiting[len(mine) :]
        data = fragment(seq + index, group, mine, timescale=video.timescale)
        out.append(Fragment(seq + index, group[0].pts_ns, end - group[0].pts_ns, group[0].keyframe, data, []))
    return out


def stream_info(video: VideoTrack, sound: SoundTrack | None) -> StreamInfo:
    return StreamInfo(
        video.codec, video.width, video.height, video.coded_width, video.coded_height, 0, 1, False, "test", [],
        init_segment(video, sound), sound.codec if sound else "", 48000 if sound else 0, sound.channels if sound else 0,
    )


def write_fragmented(path: Path, items: Iterable[StreamInfo | Fragment]) -> Path:
    path.write_bytes(b"".join(i.init_segment if isinstance(i, StreamInfo) else i.data for i in items))
    return path


def probe(path: Path, stream: str = "v:0") -> dict[str, Any]:
    """ffprobe's view of one stream and its packets; fails when it warns of anything."""
    done = subprocess.run(
        ["ffprobe", "-v", "warning", "-of", "json", "-show_streams", "-show_packets", "-select_streams", stream,
         "-show_entries", "packet=pts,dts,duration,size,flags", str(path)],
        capture_output=True, text=True, timeout=60, check=True,
    )
    assert done.stderr == "", done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def framehashes(path: Path) -> list[tuple[Fraction, str]]:
    """(time in seconds, digest of its decoded picture) of each frame, in order."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-map", "0:v", "-vsync", "passthrough", "-enc_time_base",
         "-1", "-f", "framemd5", "-"], capture_output=True, text=True, timeout=60, check=True,
    )
    lines = done.stdout.splitlines()
    base = next(Fraction(line.split(": ")[1]) for line in lines if line.startswith("#tb 0:"))
    fields = [line.split(",") for line in lines if not line.startswith("#")]
    return [(int(line[2]) * base, line[5].strip()) for line in fields]


def times(probed: dict[str, Any]) -> list[Fraction]:
    """Exact presentation times in seconds."""
    base = Fraction(probed["streams"][0]["time_base"])
    return [packet["pts"] * base for packet in probed["packets"]]


def keyframes(probed: dict[str, Any]) -> list[int]:
    return [i for i, packet in enumerate(probed["packets"]) if packet["flags"].startswith("K")]


def decode_cleanly(path: Path) -> None:
    """ffmpeg decodes every stream without a word (and is told not to round times to the rate it guesses)."""
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-map", "0", "-enc_time_base:v", "-1", "-f", "null",
         "-"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr


def decoded_sound(path: Path, channels: int = 2) -> tuple[float, np.ndarray]:
    """Start time of the decoded sound in seconds, and the samples of its first channel (gaps filled by time)."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-af", "aresample=async=1:first_pts=0", "-f", "s16le",
         "-ar", "48000", "-ac", str(channels), "-"],
        capture_output=True, timeout=60, check=True,
    )
    return 0.0, np.frombuffer(done.stdout, np.int16).reshape(-1, channels)[:, 0]


def decoded_luma(path: Path, width: int, height: int) -> np.ndarray:
    """Mean brightness of each decoded frame."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-an", "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray",
         "-"], capture_output=True, timeout=60, check=True,
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height * width).mean(axis=1)
