"""The pre-roll ring: always playable, bounded in time and bytes, handed over whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.messages import Fragment
from firmware.recorder.preroll import PreRoll

QUARTER = 250_000_000


def fragment(seq: int, keyframe: bool, size: int = 10, pts_ns: int | None = None) -> Fragment:
    pts = seq * QUARTER if pts_ns is None else pts_ns
    return Fragment(seq, pts, QUARTER, keyframe, b"x" * size, [])


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 5000)), max_size=80),
    st.floats(0, 8), st.integers(1000, 60_000),
)
def test_ring_is_bounded_and_starts_with_a_keyframe(
    given_: list[tuple[bool, int]], max_s: float, max_bytes: int
) -> None:
    ring = PreRoll(max_s, max_bytes)
    for seq, (keyframe, size) in enumerate(given_):
        ring.add(fragment(seq, keyframe, size))
        assert ring.span_ns <= max_s * 1e9
        assert ring.bytes <= max_bytes
    total, kept = ring.bytes, ring.take()
    assert not kept or kept[0].keyframe
    assert total == sum(len(f.data) for f in kept)
    assert [f.seq for f in kept] == list(range(len(given_) - len(kept), len(given_)))
    assert len(ring) == ring.bytes == ring.span_ns == 0


@given(st.integers(1, 4), st.integers(20, 200))
def test_as_much_is_kept_as_whole_groups_allow(group: int, count: int) -> None:
    ring = PreRoll(5.0)
    for seq in range(count):
        ring.add(fragment(seq, seq % group == 0))
    if count * 0.25 > 5:
        assert ring.span_ns > (5.0 - group * 0.25) * 1e9


def test_what_was_on_its_way_when_the_ring_was_emptied_is_not_taken() -> None:
    ring = PreRoll(30.0)
    for n in range(8):
        ring.add(fragment(n, True))
    ring.clear(not_before_ns=10 * QUARTER)
    for n in range(8, 14):
        ring.add(fragment(n, True))
    assert [kept.seq for kept in ring.take()] == [10, 11, 12, 13]
    ring.clear()
    ring.add(fragment(0, True))
    assert len(ring) == 1


def test_a_new_stream_starts_the_ring_anew() -> None:
    ring = PreRoll(30)
    for seq in range(8):
        ring.add(fragment(seq, seq % 4 == 0))
    ring.add(fragment(0, True, pts_ns=100 * QUARTER))
    assert [f.pts_ns for f in ring.take()] == [100 * QUARTER]
