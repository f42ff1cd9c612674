"""The parts of the frame path one by one: schedule, delay line, frames, fragmenter, sound line, grid, picture watch."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Detect
from firmware.kernels.types import SourcePicture
from firmware.media.fmp4 import parse_fragment
from firmware.messages import Verdict
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.fragmenter import Fragmenter
from firmware.pipeline.frame import Frame, FramePool
from firmware.pipeline.grid import ConstantRate
from firmware.pipeline.picture_watch import PictureWatch
from firmware.pipeline.schedule import due_in_file, hang_timeout_ns, live_interval_ns
from firmware.pipeline.sound_line import SoundLine
from hw.ports import AccessUnit, SoundChunk, SoundPacket, StreamFormat
from tests.fill_helpers import KERNELS

S = 1_000_000_000
MS = 1_000_000
gaps_ms = st.lists(st.integers(1, 900), min_size=1, max_size=80)


def times_of(gaps: list[int]) -> list[int]:
    times = [0]
    for gap in gaps:
        times.append(times[-1] + gap * MS)
    return times


def asked_in_file(times: list[int], interval_ns: int) -> list[int]:
    asked: list[int] = []
    for index, now in enumerate(times):
        before = times[index - 1] if index else None
        ask_before, ask_now = due_in_file(interval_ns, 500 * MS, asked[-1] if asked else None, before, now)
        if ask_before:
            assert before is not None
            asked.append(before)
        if ask_now:
            asked.append(now)
    if asked[-1] != times[-1]:
        asked.append(times[-1])  # the end of the stream
    return asked


# ---- schedule ------------------------------------------------------------------------------------


@given(gaps_ms, st.sampled_from([200 * MS, 300 * MS, 400 * MS, 500 * MS]))
def test_a_file_is_asked_about_so_that_every_frame_gets_evidence(gaps: list[int], interval_ns: int) -> None:
    times = times_of(gaps)
    asked = asked_in_file(times, interval_ns)
    assert asked == sorted(set(asked))
    gate = EvidenceGate(("face",), 500 * MS)
    for at in asked:
        gate.asked("face", at)
        gate.answered("face", at)
    assert [gate.verdict(at) for at in times] == [""] * len(times)


@pytest.mark.parametrize(("rate", "every"), [(30, 6), (25, 5), (Fraction(30000, 1001), 6), (60, 12), (10, 2), (4, 1)])
def test_a_constant_rate_is_asked_about_every_so_many_frames(rate: Fraction, every: int) -> None:
    times = [int(i * S / Fraction(rate)) for i in range(200)]
    assert asked_in_file(times, 200 * MS)[:-1] == times[::every][: len(asked_in_file(times, 200 * MS)) - 1]


@given(st.integers(0, 2 * S), st.integers(1, 100 * MS))
def test_a_slow_live_detector_rests_less(answer_ns: int, period_ns: int) -> None:
    rest = live_interval_ns(200 * MS, 500 * MS, answer_ns, period_ns)
    assert 0 <= rest <= 200 * MS
    assert rest == 0 or rest + answer_ns + period_ns <= 500 * MS


def test_a_thorough_look_at_a_large_picture_may_take_long() -> None:
    assert hang_timeout_ns(Detect(profile="thorough"), 3840, 2160) >= 300 * S
    assert hang_timeout_ns(Detect(profile="thorough", hang_timeout_s=1), 320, 180) == 6 * S
    assert hang_timeout_ns(Detect(profile="live"), 3840, 2160) == 10 * S


# ---- delay line ----------------------------------------------------------------------------------

FORMAT = StreamFormat(16, 8, Fraction(30), live=True)


def line_of(times: list[int], *, live: bool) -> tuple[DelayLine, EvidenceGate, FramePool]:
    gate = EvidenceGate(("face",), 500 * MS)
    line = DelayLine(gate, 500 * MS, live=live)
    pool = FramePool(FORMAT, len(times), KERNELS.allocate)
    for at in times:
        frame = pool.acquire()
        assert frame is not None
        frame.pts_ns = at
        line.push(frame)
    return line, gate, pool


def test_a_live_frame_leaves_at_its_age_whatever_the_evidence() -> None:
    line, gate, _ = line_of([0, 33 * MS], live=True)
    gate.asked("face", 0)
    assert not line.ready(500 * MS - 1)
    assert line.wait_ns(400 * MS) == 100 * MS
    assert line.ready(500 * MS)
    frame, reason = line.pop()
    assert (frame.pts_ns, reason) == (0, "no-evidence-before")


def test_a_file_frame_waits_for_answers_not_for_the_clock() -> None:
    line, gate, _ = line_of([0, 200 * MS, 400 * MS, 600 * MS], live=False)
    for at in (0, 200 * MS, 400 * MS, 600 * MS):
        gate.asked("face", at)
    assert not line.ready(999 * S)
    for at in (0, 200 * MS):
        gate.answered("face", at)
    assert not line.ready(999 * S)
    gate.answered("face", 400 * MS)
    assert line.ready(0), "all of the 0.5 s ahead was answered; what lies further does not matter"
    assert line.pop()[1] == ""
    assert not line.ready(0), "the second one looks ahead to 0.7 s"
    gate.failed("face", 600 * MS, "detector-failed")
    line.end()
    assert line.ready(0)
    assert line.pop()[1] == ""
    assert line.pop()[1] == ""
    assert line.pop()[1] == "detector-failed"


# ---- frames --------------------------------------------------------------------------------------


def test_the_pool_is_bounded_and_reuses_frames() -> None:
    pool = FramePool(FORMAT, 3, KERNELS.allocate)
    frames = [pool.acquire() for _ in range(3)]
    assert pool.acquire() is None
    first = frames[0]
    assert isinstance(first, Frame)
    assert first.data.ctypes.data % 4096 == 0
    assert first.y.base is not None
    first.y[:] = 7
    assert (first.data[: 16 * 8] == 7).all()
    let_go = first.hold()
    first.let_go()
    assert pool.acquire() is None, "the encoder still holds it"
    let_go()
    assert pool.acquire() is first
    assert pool.in_use == 3


def test_a_frame_let_go_twice_is_a_fault_not_a_shared_buffer() -> None:
    pool = FramePool(FORMAT, 1, KERNELS.allocate)
    frame = pool.acquire()
    assert frame is not None
    frame.let_go()
    with pytest.raises(AssertionError):
        frame.let_go()
    with pytest.raises(AssertionError):
        frame.hold()


# ---- fragmenter ----------------------------------------------------------------------------------


@given(gaps_ms, st.lists(st.booleans(), min_size=81, max_size=81), st.integers(100, 500))
def test_fragments_hold_every_frame_once_with_its_own_verdict(gaps: list[int], keys: list[bool], cut_ms: int) -> None:
    times = times_of(gaps)
    maker = Fragmenter(cut_ms * MS)
    made = []
    for index, at in enumerate(times):
        duration = gaps[index] * MS if index < len(gaps) else 40 * MS
        maker.expect(Verdict(at, "masked", index), duration)
        made += maker.add([AccessUnit(at, index == 0 or keys[index], bytes([index % 256]) * 5)])
    made += maker.finish()
    assert maker.inside == 0
    assert [f.seq for f in made] == list(range(len(made)))
    said = [verdict for fragment in made for verdict in fragment.verdicts]
    assert [(v.pts_ns, v.regions) for v in said] == [(at, i) for i, at in enumerate(times)]
    key_times = {at for index, at in enumerate(times) if index == 0 or keys[index]}
    for fragment in made:
        video = parse_fragment(fragment.data).video
        assert len(video) == len(fragment.verdicts)
        assert fragment.pts_ns == fragment.verdicts[0].pts_ns
        assert fragment.keyframe == (fragment.pts_ns in key_times)
        assert not any(v.pts_ns in key_times for v in fragment.verdicts[1:])
        assert fragment.duration_ns <= cut_ms * MS + MS or len(video) == 1
    for before, after in pairwise(made):
        assert before.pts_ns + before.duration_ns == after.pts_ns


@given(gaps_ms, st.lists(st.integers(0, 1500), min_size=81, max_size=81))
def test_no_frame_waits_in_a_fragment_beyond_its_time(gaps: list[int], lags_ms: list[int]) -> None:
    """However late the encoder is: after each turn nothing older than the limit is kept back, and nothing is lost."""
    times, limit = times_of(gaps), 750 * MS
    maker = Fragmenter(250 * MS)
    made, now = [], 0
    for index, at in enumerate(times):
        now = max(now, at + lags_ms[index] * MS)
        maker.expect(Verdict(at, "clean"), (gaps[index] if index < len(gaps) else 40) * MS)
        made += maker.add([AccessUnit(at, index == 0, b"v")]) + maker.cut_taken_before(now - limit)
        sent = sum(len(fragment.verdicts) for fragment in made)
        assert all(before >= now - limit for before in times[sent : index + 1])
    made += maker.finish()
    assert [verdict.pts_ns for fragment in made for verdict in fragment.verdicts] == times
    for before, after in pairwise(made):
        assert before.pts_ns + before.duration_ns == after.pts_ns


def test_a_frame_nobody_judged_never_gets_out() -> None:
    with pytest.raises(KeyError):
        Fragmenter(S).add([AccessUnit(5, True, b"x")])


def test_sound_goes_with_the_fragment_of_its_time_and_none_is_lost() -> None:
    maker = Fragmenter(200 * MS)
    made = []
    for index in range(20):
        at = index * 40 * MS
        maker.add_sound([SoundPacket(at + i * 20 * MS, 20 * MS, b"s") for i in (0, 1)])
        maker.expect(Verdict(at, "clean"), 40 * MS)
        made += maker.add([AccessUnit(at, index == 0, b"v")])
    maker.add_sound([SoundPacket(800 * MS, 20 * MS, b"s")])
    made += maker.finish()
    counts = [len(parse_fragment(fragment.data).sound) for fragment in made]
    assert sum(counts) == 41
    assert counts == [10, 10, 10, 10, 1]
    assert made[-1].verdicts == []


# ---- sound line ----------------------------------------------------------------------------------

pauses = st.lists(st.booleans(), min_size=1, max_size=40)


@given(pauses, st.integers(1, 60))
def test_no_sound_of_a_paused_frame_is_heard_and_none_is_lost(paused: list[bool], chunk_ms: int) -> None:
    frame_ns = 40 * MS
    total_ms = len(paused) * 40
    line = SoundLine(48_000, drop_before_first=True)
    sent = []
    for start in range(0, total_ms, chunk_ms):
        length = min(chunk_ms, total_ms - start) * 48
        sent.append(SoundChunk(start * MS, np.ones((length, 1), np.int16)))
    line.push(sent)
    got = []
    for index, muted in enumerate(paused):
        got += line.take(index * frame_ns, frame_ns, muted=muted)
    got += line.rest(muted=paused[-1])
    assert [c.pts_ns for c in got] == [c.pts_ns for c in sent]
    assert [c.samples.shape for c in got] == [c.samples.shape for c in sent]
    heard = np.concatenate([c.samples[:, 0] for c in got])
    for index, muted in enumerate(paused):
        if muted:
            assert not heard[index * 40 * 48 : (index + 1) * 40 * 48].any()
    if not any(paused):
        assert heard.all()


def test_a_pause_is_silent_also_where_no_picture_came() -> None:
    line = SoundLine(48_000, drop_before_first=True)
    line.push([SoundChunk(i * 20 * MS, np.ones((960, 2), np.int16)) for i in range(50)])
    got = [*line.take(0, 40 * MS, muted=False), *line.take(40 * MS, 40 * MS, muted=True)]
    line.mute_until(800 * MS)  # the picture stayed away until after the pause
    got += line.take(900 * MS, 100 * MS, muted=False)
    assert [chunk.pts_ns // MS for chunk in got if chunk.samples.any()] == [0, 20, *range(800, 1000, 20)]


def test_live_sound_from_before_the_first_frame_is_left_out() -> None:
    line = SoundLine(48_000, drop_before_first=True)
    line.push([SoundChunk(i * 10 * MS, np.ones((480, 2), np.int16)) for i in range(10)])
    assert [c.pts_ns for c in line.take(50 * MS, 20 * MS, muted=False)] == [50 * MS, 60 * MS]


# ---- constant rate -------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.sampled_from([Fraction(30), Fraction(30000, 1001)]))
def test_a_constant_rate_has_every_grid_time_once(gaps: list[int], rate: Fraction) -> None:
    grid = ConstantRate(rate)
    slots: list[int] = []
    for at in times_of(gaps):
        new = grid.slots(at)
        if new:
            assert abs(new[-1] - at) <= S / rate / 2 + 1
        slots += new
    assert slots == [int(i * S / rate) for i in range(len(slots))]


def test_a_hole_of_minutes_is_not_filled_with_one_picture() -> None:
    grid = ConstantRate(Fraction(30))
    assert grid.slots(5) == [5]
    assert len(grid.slots(600 * S)) == 1


# ---- picture watch -------------------------------------------------------------------------------


def codes(pictures: list[np.ndarray], rate: int = 30) -> list[tuple[str, bool, float]]:
    watch = PictureWatch()
    told = []
    for index, picture in enumerate(pictures):
        pts_ns = index * S // rate
        rows, columns = picture.shape
        grey = np.full((rows // 2, columns), 128, np.uint8)
        source = SourcePicture(np.concatenate([picture.ravel(), grey.ravel()]), "NV12", columns, rows,
                               (0, picture.size), (columns, columns))
        stats = KERNELS.ingest(source, np.empty_like(picture), np.empty((rows // 2, columns // 2, 2), np.uint8))
        told += [(alert.code, alert.cleared, pts_ns / S) for alert in watch.look(stats, pts_ns)]
    return told


def picture(seed: int, low: int = 16, high: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (120, 160), dtype=np.uint8)


def test_a_moving_picture_is_no_news() -> None:
    assert codes([picture(i) for i in range(150)]) == []


def test_a_black_picture_is_noticed_in_time_and_its_end_too() -> None:
    told = codes([picture(i) for i in range(30)] + [picture(i, 15, 19) for i in range(90)]
                 + [picture(i) for i in range(30)])
    assert [(code, cleared) for code, cleared, _ in told] == [("picture-black", False), ("picture-black", True)]
    assert 1.0 < told[0][2] <= 3.0


def test_a_frozen_picture_is_noticed_in_time_and_its_end_too() -> None:
    told = codes([picture(i) for i in range(30)] + [picture(30)] * 90 + [picture(i) for i in range(60)])
    assert [(code, cleared) for code, cleared, _ in told] == [("picture-frozen", False), ("picture-frozen", True)]
    assert 1.0 < told[0][2] <= 3.0


def test_a_blown_out_picture_is_noticed_in_time_and_its_end_too() -> None:
    told = codes([picture(i) for i in range(30)] + [picture(i, 230, 245) for i in range(90)]
                 + [picture(i) for i in range(30)])
    assert [(code, cleared) for code, cleared, _ in told] == [("picture-blown-out", False), ("picture-blown-out", True)]
    assert 1.0 < told[0][2] <= 3.0
