"""Sound: the line of samples never drifts, and what is decoded is where it was recorded."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import config
from firmware.errors import MediaUnreadable, PipelineDied
from firmware.media.fmp4 import fragment, init_segment
from firmware.media.tracks import Sample, SoundTrack, VideoTrack
from firmware.pipeline.pcm_line import JUMP_SAMPLES, PcmLine, mute
from firmware.pipeline.sound import SoundEncoder
from hw.ports import SoundChunk, SoundPacket
from tests.media_helpers import NS, chunked, decoded_sound, encode_sound, tone

CODECS = pytest.mark.parametrize("codec", ["opus", "aac"])
ONE_SAMPLE_NS = NS // 48000


def sound_of(codec: str) -> config.Sound:
    return config.Sound(enabled=True, codec=codec)  # type: ignore[arg-type]


def heard(tmp_path: Path, codec: str, packets: list[SoundPacket], codec_config: bytes, channels: int = 2) -> np.ndarray:
    """The packets as a player would sound them, sample 0 at time zero."""
    picture = VideoTrack("h264", 16, 16, 16, 16, b"\x01" * 8)
    track = SoundTrack(codec, 48000, channels, codec_config)  # type: ignore[arg-type]
    samples = [Sample(p.pts_ns, p.duration_ns, True, p.data) for p in packets]
    path = tmp_path / "sound.mp4"
    path.write_bytes(init_segment(picture, track) + fragment(0, [], samples))
    return decoded_sound(path, channels)[1].astype(int)


def tone_at(pcm: np.ndarray) -> tuple[float, float]:
    loud = np.nonzero(np.abs(pcm) > 4000)[0]
    return loud[0] / 48000, loud[-1] / 48000


# ---- the line of samples -------------------------------------------------------------------------


@given(
    lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=40),
    shifts=st.lists(st.integers(-3000, 6000), min_size=40, max_size=40),
    start=st.integers(0, 1 << 50),
)
def test_the_line_ends_where_the_last_chunk_says_it_ends(lengths: list[int], shifts: list[int], start: int) -> None:
    """Whatever gaps and overlaps come, no chunk is off by 10 ms, and nothing is given out twice or left out."""
    line, given_out, true_at = PcmLine(1), 0, 0
    for length, shift in zip(lengths, [0, *shifts], strict=False):
        true_at = max(0, true_at + shift)
        chunk = SoundChunk(start + true_at * NS // 48000, np.ones((length, 1), np.int16))
        before = line.position
        given_out += sum(len(piece) for piece in line.place(chunk))
        assert line.position == given_out
        true_at += length
        ahead = max(0, before - true_at)  # an overlap longer than the chunk cannot be taken back
        assert abs(line.position - true_at) < JUMP_SAMPLES + 1 or line.position - true_at == ahead


@given(ppm=st.integers(-900, 900), jitter=st.integers(0, 100))
@settings(max_examples=20)
def test_a_microphone_that_runs_fast_or_slow_stays_within_five_milliseconds(ppm: int, jitter: int) -> None:
    line, rng = PcmLine(1), np.random.default_rng(1)
    chunk = np.zeros((960, 1), np.int16)
    for index in range(3000):  # a minute
        true_ns = index * 20_000_000 * (1_000_000 + ppm) // 1_000_000
        for _ in line.place(SoundChunk(true_ns + int(rng.integers(-jitter, jitter + 1)) * 1000, chunk)):
            pass
    assert abs(line.position * NS / 48000 - 3000 * 20_000_000 * (1 + ppm / 1e6)) < 5_000_000


def test_times_rounded_to_nanoseconds_change_no_sample() -> None:
    line, rng = PcmLine(2), np.random.default_rng(1)
    whole = rng.integers(-9999, 9999, (48000, 2)).astype(np.int16)
    out = [piece for chunk in chunked(SoundChunk(77, whole), 1024) for piece in line.place(chunk)]
    assert np.array_equal(np.concatenate(out), whole)


def test_an_hour_of_silence_is_filled_in_small_pieces() -> None:
    line = PcmLine(2)
    list(line.place(SoundChunk(0, np.ones((960, 2), np.int16))))
    sizes = [len(piece) for piece in line.place(SoundChunk(3600 * NS, np.ones((960, 2), np.int16)))]
    assert max(sizes) <= 48000
    assert line.position == 3600 * 48000 + 960


# ---- encoded -------------------------------------------------------------------------------------


@CODECS
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_is_heard_at_its_own_time(codec: str, channels: int, tmp_path: Path) -> None:
    packets, codec_config = encode_sound(
        sound_of(codec), chunked(tone(0, 2.0, channels=channels, on=[(0.5, 0.7)])), channels
    )
    begin, end = tone_at(heard(tmp_path, codec, packets, codec_config, channels))
    assert begin == pytest.approx(0.5, abs=0.002)
    assert end == pytest.approx(0.7, abs=0.002)


@CODECS
def test_packets_follow_one_another_from_the_first_samples_time_to_the_last(codec: str) -> None:
    start = 987_654_321_987
    packets, _ = encode_sound(sound_of(codec), chunked(tone(start, 1.01)), 2)
    assert packets[0].pts_ns == start
    for before, after in pairwise(packets):
        assert after.pts_ns - before.pts_ns == before.duration_ns
    assert packets[-1].pts_ns + packets[-1].duration_ns == pytest.approx(start + 1_010_000_000, abs=1)


@CODECS
def test_a_gap_is_silent_and_moves_nothing_after_it(codec: str, tmp_path: Path) -> None:
    first, second = tone(0, 0.5, on=[(0.1, 0.2)]), tone(1_500_000_000, 0.5, on=[(0.1, 0.2)])
    packets, codec_config = encode_sound(sound_of(codec), [*chunked(first), *chunked(second)], 2)
    pcm = heard(tmp_path, codec, packets, codec_config)
    assert np.abs(pcm[int(0.45 * 48000) : int(1.55 * 48000)]).max() < 500
    assert tone_at(pcm[48000:])[0] + 1 == pytest.approx(1.6, abs=0.002)


@CODECS
def test_an_overlap_is_cut(codec: str, tmp_path: Path) -> None:
    whole = tone(0, 1.0, on=[(0.8, 0.9)])
    late = SoundChunk(300_000_000, whole.samples[14400:])
    packets, codec_config = encode_sound(
        sound_of(codec), [SoundChunk(0, whole.samples[:24000]), late], 2
    )
    assert tone_at(heard(tmp_path, codec, packets, codec_config))[0] == pytest.approx(0.8, abs=0.002)
    assert packets[-1].pts_ns + packets[-1].duration_ns == pytest.approx(NS, abs=ONE_SAMPLE_NS)


def test_fill_to_keeps_time_going_without_a_source() -> None:
    encoder = SoundEncoder(sound_of("opus"), 2)
    encoder.open()
    encoder.push(tone(1000, 0.1))
    encoder.fill_to(1000 + 3 * NS)
    packets = encoder.finish(20)
    encoder.close()
    assert packets[-1].pts_ns + packets[-1].duration_ns == pytest.approx(1000 + 3 * NS, abs=1)


def test_mute_keeps_the_time_and_nothing_else() -> None:
    chunk = tone(5, 0.1, on=[(0, 0.1)])
    silent = mute(chunk)
    assert silent.pts_ns == 5
    assert silent.samples.shape == chunk.samples.shape
    assert not silent.samples.any()


def test_more_than_two_channels_are_refused_by_name() -> None:
    with pytest.raises(MediaUnreadable, match="6 channels"):
        SoundEncoder(sound_of("opus"), 6)


def test_a_closed_encoder_takes_no_sound() -> None:
    encoder = SoundEncoder(sound_of("opus"), 2)
    encoder.open()
    encoder.close()
    encoder.close()
    assert encoder.pull() == []
    with pytest.raises(PipelineDied):
        encoder.push(tone(0, 0.1))


@CODECS
def test_the_codec_configuration_is_known_with_the_first_packet(codec: str) -> None:
    _, codec_config = encode_sound(sound_of(codec), chunked(tone(0, 0.2)), 2)
    if codec == "opus":
        assert codec_config == bytes.fromhex("00020000 0000bb80 0000 00")
    else:
        assert codec_config[:2] == bytes.fromhex("1190")  # AAC-LC, 48 kHz, two channels
