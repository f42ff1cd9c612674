"""The scene generator: the same for a seed, exact in its truth, and with a camera's manners."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.errors import FormatChanged, PartMissing
from hw.ports import U8, EndOfStream, FrameTime, SoundChunk, StreamFormat
from hw.sim.scene import NS, SceneSource, TruthBox
from hw.sim.scene_picture import ScenePicture
from hw.sim.scene_script import clapper_index, clapper_open
from hw.sim.scene_sound import SOUND_RATE_HZ
from hw.sim.scene_uri import SceneSettings

SMALL = "width=480&height=270"
TONE_THRESHOLD = 4000


@pytest.fixture(scope="module")
def picture() -> ScenePicture:
    return ScenePicture(SceneSettings(width=960, height=540))


def drawn(picture: ScenePicture, index: int) -> U8:
    w, h = picture.width + picture.width % 2, picture.height + picture.height % 2
    frame = np.zeros(w * h * 3 // 2, np.uint8)
    picture.draw(index, frame)
    return frame


def luma(picture: ScenePicture, frame: U8) -> U8:
    w, h = picture.width + picture.width % 2, picture.height + picture.height % 2
    return frame[: w * h].reshape(h, w)


def take(source: SceneSource, fmt: StreamFormat, timeout_s: float = 2.0) -> tuple[FrameTime | None, U8]:
    frame = np.zeros(fmt.frame_bytes, np.uint8)
    return source.read(frame, timeout_s), frame


# ---- the picture ---------------------------------------------------------------------------------


def test_a_frame_depends_on_nothing_but_settings_and_index(picture: ScenePicture) -> None:
    again = ScenePicture(SceneSettings(width=960, height=540))
    for index in (700, 3, 151):  # another order, another instance
        assert np.array_equal(drawn(picture, index), drawn(again, index))


def test_another_seed_is_another_scene(picture: ScenePicture) -> None:
    other = ScenePicture(SceneSettings(width=960, height=540, seed=2))
    assert not np.array_equal(drawn(picture, 0), drawn(other, 0))
    assert picture.truth_at(0) != other.truth_at(0)


def test_no_frame_repeats_the_one_before(picture: ScenePicture) -> None:
    frames = [drawn(picture, index) for index in range(60)]
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(frames))


def test_levels_are_limited_range(picture: ScenePicture) -> None:
    frame = drawn(picture, 40)
    y, uv = luma(picture, frame), frame[960 * 540 :]
    assert y.min() >= 16
    assert y.max() <= 238  # grain may touch the foot-room above white
    assert uv.min() >= 16
    assert uv.max() <= 240


@pytest.mark.parametrize(("width", "height"), [(641, 361), (480, 270), (1080, 1920), (64, 64)])
def test_odd_and_upright_sizes_are_drawn_with_the_border_repeated(width: int, height: int) -> None:
    picture = ScenePicture(SceneSettings(width=width, height=height))
    y = luma(picture, drawn(picture, 33))
    assert y.shape == (height + height % 2, width + width % 2)
    if width % 2:
        assert np.array_equal(y[:, -1], y[:, -2])
    if height % 2:
        assert np.array_equal(y[-1], y[-2])


# ---- the truth -----------------------------------------------------------------------------------


@given(index=st.integers(0, 100_000))
@settings(max_examples=60, deadline=None)
def test_truth_lies_inside_the_picture_and_keeps_out_of_the_quiet_part(picture: ScenePicture, index: int) -> None:
    qx, qy, qw, qh = picture.quiet_box
    boxes = picture.truth_at(index)
    assert [b.label for b in boxes if b.kind == "text"] == ["name band", "overlay name", "overlay date", "clock"]
    for box in boxes:
        assert 0 <= box.x < box.x + box.w <= picture.width
        assert 0 <= box.y < box.y + box.h <= picture.height
        assert 0 < box.visible_fraction <= 1
        assert box.x >= qx + qw or box.x + box.w <= qx or box.y >= qy + qh or box.y + box.h <= qy


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_two_identifying_things_cover_each_other(seed: int) -> None:
    picture = ScenePicture(SceneSettings(width=480, height=270, seed=seed))
    for index in range(0, 7200, 7):
        apart_from_each_other(picture.truth_at(index))


def apart_from_each_other(boxes: list[TruthBox]) -> None:
    for number, a in enumerate(boxes):
        for b in boxes[number + 1 :]:
            apart = a.x >= b.x + b.w or b.x >= a.x + a.w or a.y >= b.y + b.h or b.y >= a.y + a.h
            assert apart, (a, b)


def test_within_a_minute_faces_come_go_and_stand_half_in_view(picture: ScenePicture) -> None:
    seen: dict[str, set[str]] = {}
    for index in range(0, 1800, 3):
        present = {b.label: b for b in picture.truth_at(index) if b.kind == "face"}
        for name in ("far", "tilted", "masked", "near"):
            box = present.get(name)
            where = "out" if box is None else "whole" if box.visible_fraction == 1 else "cut"
            seen.setdefault(name, set()).add(where)
    assert seen == {
        "far": {"whole"}, "masked": {"whole"}, "near": {"out", "cut", "whole"}, "tilted": {"out", "cut", "whole"},
    }


def test_faces_have_the_sizes_that_were_planned() -> None:
    picture = ScenePicture(SceneSettings())
    heights = {b.label: b.h for i in range(0, 600, 20) for b in picture.truth_at(i)
               if b.kind == "face" and b.visible_fraction == 1}
    assert 58 <= heights["far"] <= 64
    assert 95 <= heights["tilted"] <= 115
    assert 148 <= heights["masked"] <= 154
    assert 256 <= heights["near"] <= 264


def test_truth_is_where_the_picture_says() -> None:
    """Ink is found, by its contrast alone, at all four borders of each text box and not just above it."""
    picture = ScenePicture(SceneSettings())
    y = luma(picture, drawn(picture, 12)).astype(int)
    for box in picture.truth_at(12):
        if box.kind == "text":
            inner = y[box.y : box.y + box.h, box.x : box.x + box.w]
            bright = box.label != "name band"
            ink = (inner > 120 if bright else inner < 150).astype(np.uint8)
            columns, rows = ink.max(axis=0), ink.max(axis=1)
            assert columns[:6].any(), box
            assert columns[-6:].any(), box
            assert rows[:4].any(), box
            assert rows[-4:].any(), box
            above = y[box.y - 3 : box.y - 1, box.x : box.x + box.w]
            assert not (above > 190 if bright else above < 110).any(), box


# ---- time ----------------------------------------------------------------------------------------


@given(
    rate=st.sampled_from([Fraction(30), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(24000, 1001)]),
    index=st.integers(0, 10_000_000), epoch=st.integers(0, 2**60), error_ns=st.integers(-4_000_000, 4_000_000),
)
@settings(max_examples=80, deadline=None)
def test_index_is_found_again_from_the_time(rate: Fraction, index: int, epoch: int, error_ns: int) -> None:
    source = SceneSource(f"scene://?rate={rate}&epoch_ns={epoch}")
    assert source.index_at(source.pts_at(index) + error_ns) == index


def test_unpaced_gives_every_frame_from_zero_and_ends() -> None:
    source = SceneSource(f"scene://?{SMALL}&paced=0&seconds=1&rate=30000/1001")
    fmt = source.open()
    assert (fmt.live, fmt.total_frames, fmt.rate) == (False, 30, Fraction(30000, 1001))
    times = [at for _ in range(30) if (at := take(source, fmt)[0]) is not None]
    with pytest.raises(EndOfStream):
        take(source, fmt)
    assert [t.pts_ns for t in times] == [round(Fraction(i * NS * 1001, 30000)) for i in range(30)]
    assert all(a.pts_ns + a.duration_ns == b.pts_ns for a, b in itertools.pairwise(times))
    assert {t.dropped_before for t in times} == {0}


def test_live_frames_are_taken_at_their_time_and_never_before() -> None:
    source = SceneSource(f"scene://?{SMALL}&rate=50")
    fmt = source.open()
    expected = 0
    for _ in range(20):
        at, _ = take(source, fmt)
        assert at is not None
        assert at.pts_ns <= time.monotonic_ns()
        expected += at.dropped_before
        assert source.index_at(at.pts_ns) == expected
        expected += 1


def test_a_late_reader_loses_the_oldest_frames_and_is_told_how_many() -> None:
    source = SceneSource(f"scene://?{SMALL}&rate=50&slots=2")
    fmt = source.open()
    first, _ = take(source, fmt)
    assert first is not None
    time.sleep(0.3)
    late, frame = take(source, fmt)
    assert late is not None
    assert late.dropped_before >= 10
    index = source.index_at(late.pts_ns)
    assert index == source.index_at(first.pts_ns) + 1 + late.dropped_before
    assert np.array_equal(frame, drawn(source.picture, index))


def test_a_given_epoch_goes_on_where_another_reader_stopped() -> None:
    epoch = time.monotonic_ns() - 100 * NS
    source = SceneSource(f"scene://?{SMALL}&epoch_ns={epoch}")
    fmt = source.open()
    at, frame = take(source, fmt)
    assert at is not None
    assert at.dropped_before <= 3  # what passed before the opening was never taken, so it is not lost
    index = round((at.pts_ns - epoch) * 30 / NS)
    assert index >= 3000
    assert np.array_equal(frame, drawn(source.picture, index))


def test_an_epoch_to_come_is_waited_for_up_to_the_deadline() -> None:
    source = SceneSource(f"scene://?{SMALL}&epoch_ns={time.monotonic_ns() + 3600 * NS}")
    fmt = source.open()
    assert take(source, fmt, timeout_s=0.02)[0] is None
    assert source.read_sound() == []


def test_close_may_be_called_twice_and_read_needs_open() -> None:
    source = SceneSource(f"scene://?{SMALL}")
    with pytest.raises(ValueError, match="open"):
        source.read(np.zeros(1, np.uint8), 0.1)
    source.open()
    source.close()
    source.close()


# ---- faults --------------------------------------------------------------------------------------


def unpaced(query: str) -> tuple[SceneSource, StreamFormat]:
    source = SceneSource(f"scene://?{SMALL}&paced=0&rate=10&{query}")
    return source, source.open()


def test_black_from_its_time_on_and_nothing_identifying_in_it() -> None:
    source, fmt = unpaced("black_at=1&fault_s=0.5")
    frames = [take(source, fmt)[1] for _ in range(20)]
    luma_bytes = 480 * 270
    black = [bool((f[:luma_bytes] == 16).all() and (f[luma_bytes:] == 128).all()) for f in frames]
    assert black == [10 <= i < 15 for i in range(20)]
    assert source.truth_at(12) == []
    assert source.truth_at(15) != []


def test_frozen_from_its_time_on_with_times_that_go_on() -> None:
    source, fmt = unpaced("freeze_at=1&fault_s=0.5")
    taken = [take(source, fmt) for _ in range(20)]
    same = [np.array_equal(taken[i][1], taken[10][1]) for i in range(20)]
    assert same == [10 <= i < 15 for i in range(20)]
    assert [t.pts_ns for t, _ in taken if t] == [i * NS // 10 for i in range(20)]
    assert source.truth_at(14) == source.truth_at(10)


def test_another_format_is_named() -> None:
    source, fmt = unpaced("change_at=0.5")
    for _ in range(5):
        take(source, fmt)
    with pytest.raises(FormatChanged, match="240x135"):
        take(source, fmt)


def test_a_lost_signal_gives_nothing_and_comes_back_later_in_time() -> None:
    source = SceneSource(f"scene://?{SMALL}&rate=50&lost_at=0.1&fault_s=0.2")
    fmt = source.open()
    times: list[int] = []
    empty = 0
    while len(times) < 20:
        at, _ = take(source, fmt, timeout_s=0.05)
        if at is None:
            empty += 1
        else:
            times.append(source.index_at(at.pts_ns))
    assert empty >= 1
    assert not [i for i in times if 5 <= i < 15]
    assert max(times) >= 15


# ---- sound ---------------------------------------------------------------------------------------


@given(
    rate=st.sampled_from([Fraction(30), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)]),
    index=st.integers(0, 20_000),
)
@settings(max_examples=200, deadline=None)
def test_the_clapper_is_white_for_a_tenth_of_a_second_from_each_clap(rate: Fraction, index: int) -> None:
    brute = any(
        0 <= Fraction(index - clapper_index(n, rate)) / rate < Fraction(1, 10) for n in range(1, 1 + index)
        if abs(clapper_index(n, rate) - index) < 10
    )
    assert clapper_open(index, rate) == brute


@pytest.mark.parametrize("rate", ["30", "30000/1001"])
def test_flash_and_tone_start_in_the_same_instant(rate: str) -> None:
    source = SceneSource(f"scene://?{SMALL}&paced=0&seconds=11&rate={rate}")
    fmt = source.open()
    x, y, side, _ = source.picture.clapper_box
    flashes: list[int] = []
    chunks: list[SoundChunk] = []
    was = False
    try:
        while True:
            at, frame = take(source, fmt)
            assert at is not None
            now = bool(luma(source.picture, frame)[y + side // 2, x + side // 2] > 200)
            if now and not was:
                flashes.append(at.pts_ns)
            was = now
            chunks += source.read_sound()
    except EndOfStream:
        chunks += source.read_sound()
    assert flashes == source.clapper_times(11)
    assert len(flashes) == 2
    pcm = np.concatenate([c.samples for c in chunks])
    assert pcm.shape == (round(Fraction(fmt.total_frames) / fmt.rate * SOUND_RATE_HZ), 2)
    loud = np.flatnonzero(np.abs(pcm[:, 0].astype(int)) > TONE_THRESHOLD)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-SOUND_RATE_HZ) > SOUND_RATE_HZ // 10)]
    for start, flash in zip(starts, flashes, strict=True):
        assert abs(start * NS // SOUND_RATE_HZ - flash) < 500_000  # the threshold is passed within half a millisecond
    at_sample = 0
    for chunk in chunks:
        assert chunk.pts_ns == round(Fraction(at_sample * NS, SOUND_RATE_HZ))
        at_sample += len(chunk.samples)


def test_live_sound_comes_once_in_order_and_not_before_its_time() -> None:
    source = SceneSource(f"scene://?{SMALL}")
    source.open()
    chunks: list[SoundChunk] = []
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        chunks += source.read_sound()
        time.sleep(0.01)
    now_ns = time.monotonic_ns()
    assert len(chunks) > 5
    ends = [c.pts_ns + len(c.samples) * NS // SOUND_RATE_HZ for c in chunks]
    assert all(abs(end - c.pts_ns) <= 1 for end, c in zip(ends, chunks[1:], strict=False))
    assert ends[-1] <= now_ns


def test_no_sound_when_none_is_asked_for() -> None:
    source = SceneSource(f"scene://?{SMALL}&sound=0")
    assert source.open().sound_rate_hz == 0
    assert source.read_sound() == ()


# ---- what it needs -------------------------------------------------------------------------------


def test_a_missing_package_is_named_with_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['PIL'] = None\n"
        "from hw.sim.scene import SceneSource\n"
        "from firmware.errors import PartMissing\n"
        "try:\n    SceneSource('scene://').open()\nexcept PartMissing as e:\n    print(e)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Pillow" in out
    assert "install scrubcam again" in out


def test_without_the_locked_portrait_there_is_no_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRUBCAM_MODELS", str(tmp_path))
    with pytest.raises(PartMissing, match="cannot be read"):
        SceneSource("scene://?width=64&height=64").open()
    (tmp_path / "astronaut.png").write_bytes(b"another face")
    with pytest.raises(PartMissing, match="wrong SHA-256"):
        SceneSource("scene://?width=64&height=64").open()


def test_part_missing_is_a_named_fault() -> None:
    assert PartMissing.code == "part-missing"
