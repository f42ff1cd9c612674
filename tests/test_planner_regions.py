"""The planner: every frame is covered from the looks around it, and from nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.pipeline.detect.merge import around, at_most
from firmware.pipeline.detect.planner import MOST_LOOKS, MOST_REGIONS, Planner
from firmware.pipeline.detect.tracks import Follower
from firmware.pipeline.detect.types import Detections, DetectorKind, Region

MS = 1_000_000
untimed = settings(deadline=None, max_examples=80)
WIDTH, HEIGHT = 1280, 720
DELAY_NS = HOLD_NS = 500 * MS

places = st.tuples(
    st.floats(0, WIDTH - 60), st.floats(0, HEIGHT - 60), st.floats(10, 200), st.floats(10, 200), st.floats(-45, 45)
)
kinds: st.SearchStrategy[DetectorKind] = st.sampled_from(["face", "text"])


def region(place: tuple[float, float, float, float, float], kind: DetectorKind = "face") -> Region:
    x, y, w, h, angle = place
    return Region(kind, x, y, w, h, angle if kind == "text" else 0.0)


@st.composite
def looks(draw: st.DrawFn, most: int = 12) -> list[Detections]:
    kind = draw(kinds)
    times = draw(st.lists(st.integers(0, 60), min_size=1, max_size=most, unique=True))
    return [
        Detections(kind, 50 * MS * time, tuple(region(p, kind) for p in draw(st.lists(places, max_size=4))))
        for time in sorted(times)
    ]


def planner_with(detections: list[Detections]) -> Planner:
    planner = Planner(WIDTH, HEIGHT, DELAY_NS, HOLD_NS)
    for one in detections:
        planner.add(one)
    return planner


def contains(outer: Region, inner: Region) -> bool:
    """Whether the upright box of `outer` holds that of `inner`, cut to the picture."""
    a, b = around(outer), around(inner)
    return (
        a.x <= max(b.x, 0) + 0.01
        and a.y <= max(b.y, 0) + 0.01
        and a.x + a.w >= min(b.x + b.w, WIDTH) - 0.01
        and a.y + a.h >= min(b.y + b.h, HEIGHT) - 0.01
    )


def covered(regions: list[Region], thing: Region) -> bool:
    return any(contains(one, thing) for one in regions)


@untimed
@given(looks())
def test_the_frame_that_was_looked_at_has_every_region_covered(detections: list[Detections]) -> None:
    planner = planner_with(detections)
    for one in detections:
        regions = planner.regions_at(one.pts_ns)
        assert all(covered(regions, thing) for thing in one.regions)


@untimed
@given(looks(), st.integers(0, 3000))
def test_a_thing_at_rest_is_covered_for_the_hold_time_after_its_last_sighting(
    detections: list[Detections], after_ms: int
) -> None:
    """Whatever else is seen: nothing within the hold time takes the cover away from where a thing was last seen."""
    last = detections[-1]
    planner = planner_with(detections)
    pts_ns = last.pts_ns + after_ms * MS
    regions = planner.regions_at(pts_ns)
    if after_ms * MS <= HOLD_NS:
        assert all(covered(regions, thing) for thing in last.regions)
    elif after_ms * MS > planner.reach_ns - DELAY_NS:
        assert regions == []


@untimed
@given(places, kinds, st.integers(1, 10), st.integers(0, 500))
def test_a_thing_is_covered_before_its_first_sighting(
    place: tuple[float, float, float, float, float], kind: DetectorKind, interval: int, before_ms: int
) -> None:
    """Back over the whole delay, whatever looks did not see it: it may have turned round, or a door have opened."""
    thing = region(place, kind)
    interval_ns = interval * 40 * MS
    first_ns = 4 * interval_ns
    planner = planner_with([Detections(kind, n * interval_ns, ()) for n in range(4)])
    planner.add(Detections(kind, first_ns, (thing,)))
    pts_ns = first_ns - before_ms * MS
    if pts_ns >= 0:
        assert covered(planner.regions_at(pts_ns), thing)


@untimed
@given(places, st.floats(-300, 300), st.floats(-200, 200), st.integers(0, 10))
def test_a_thing_on_its_way_is_covered_between_two_sightings(
    place: tuple[float, float, float, float, float], dx: float, dy: float, tenth: int
) -> None:
    one = region(place)
    other = Region("face", one.x + dx, one.y + dy, one.w, one.h)
    planner = planner_with([Detections("face", 0, (one,)), Detections("face", 400 * MS, (other,))])
    share = tenth / 10
    regions = planner.regions_at(tenth * 40 * MS)
    if not shows(other):
        return
    if (dx * dx + dy * dy) ** 0.5 <= 0.7 * (one.w * one.w + one.h * one.h) ** 0.5:
        assert covered(regions, Region("face", one.x + share * dx, one.y + share * dy, one.w, one.h))
    else:  # two things, for all one can tell: both ends stay covered
        assert [thing for thing in (one, other) if shows(thing) and not covered(regions, thing)] == []


def shows(thing: Region) -> bool:
    return thing.x + thing.w > 0 and thing.y + thing.h > 0 and thing.x < WIDTH and thing.y < HEIGHT


@untimed
@given(places, st.integers(1, 2), st.integers(0, 20))
def test_looks_that_missed_a_thing_do_not_uncover_it(
    place: tuple[float, float, float, float, float], missed: int, step: int
) -> None:
    thing = region(place)
    looks_made = [Detections("face", 0, (thing,))]
    looks_made += [Detections("face", (n + 1) * 200 * MS, ()) for n in range(missed)]
    looks_made.append(Detections("face", (missed + 1) * 200 * MS, (thing,)))
    planner = planner_with(looks_made)
    pts_ns = step * (missed + 1) * 10 * MS
    assert covered(planner.regions_at(pts_ns), thing)


@untimed
@given(looks(), looks(), st.integers(0, 60))
def test_only_looks_within_the_window_matter(inside: list[Detections], outside: list[Detections], at: int) -> None:
    pts_ns = 50 * MS * at
    kind = inside[0].kind
    reach_ns = planner_with([]).reach_ns
    window = [one for one in inside if pts_ns - reach_ns <= one.pts_ns <= pts_ns + DELAY_NS]
    beyond = [
        Detections(kind, one.pts_ns, tuple(Region(kind, r.x, r.y, r.w, r.h, 0.0) for r in one.regions))
        for one in outside
        if not pts_ns - reach_ns <= one.pts_ns <= pts_ns + DELAY_NS
    ]
    with_beyond = planner_with(sorted(window + beyond, key=lambda one: one.pts_ns)).regions_at(pts_ns)
    assert with_beyond == planner_with(window).regions_at(pts_ns)


@untimed
@given(looks(), st.randoms(), st.integers(0, 60))
def test_the_order_of_the_answers_does_not_matter(detections: list[Detections], random: object, at: int) -> None:
    shuffled = list(detections)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = planner_with(detections).regions_at(50 * MS * at)
    assert planner_with(shuffled).regions_at(50 * MS * at) == expected


@untimed
@given(looks(), st.integers(0, 60), st.integers(0, 60))
def test_forgetting_the_past_changes_no_frame_to_come(detections: list[Detections], forget: int, later: int) -> None:
    kept, forgetting = planner_with(detections), planner_with(detections)
    forgetting.forget_before(50 * MS * forget)
    pts_ns = 50 * MS * (forget + later)
    assert forgetting.regions_at(pts_ns) == kept.regions_at(pts_ns)


def test_memory_is_bounded_even_when_nobody_forgets() -> None:
    planner = Planner(WIDTH, HEIGHT, DELAY_NS, HOLD_NS)
    thing = Region("face", 10, 10, 50, 50)
    for n in range(3 * MOST_LOOKS):
        planner.add(Detections("face", n * 100 * MS, (thing,)))
    assert len(planner._looks["face"]) == MOST_LOOKS


@untimed
@given(st.lists(st.tuples(places, kinds), max_size=300), st.integers(1, MOST_REGIONS))
def test_merging_covers_all_that_was_covered_and_keeps_the_bound(
    given_places: list[tuple[tuple[float, float, float, float, float], DetectorKind]], most: int
) -> None:
    regions = [region(place, kind) for place, kind in given_places]
    merged = at_most(most, regions)
    assert len(merged) <= max(most, 0) or len(regions) <= most
    assert all(covered(merged, one) for one in regions)


def test_a_page_full_of_words_is_covered_by_a_bounded_list() -> None:
    words = tuple(Region("text", 60.0 * (n % 20), 40.0 * (n // 20), 50, 20) for n in range(300))
    planner = planner_with([Detections("text", 0, words), Detections("text", 300 * MS, words)])
    for pts_ns in (0, 150 * MS, 300 * MS):
        regions = planner.regions_at(pts_ns)
        assert len(regions) <= MOST_REGIONS
        assert all(covered(regions, word) for word in words)


def test_a_face_and_a_word_on_the_same_spot_do_not_disturb_each_other() -> None:
    planner = planner_with([Detections("face", 0, (Region("face", 10, 10, 50, 50),)), Detections("text", 0, ())])
    planner.add(Detections("text", 300 * MS, ()))
    planner.add(Detections("face", 200 * MS, (Region("face", 10, 10, 50, 50),)))
    assert [one.kind for one in planner.regions_at(100 * MS)] == ["face"]


# ---- doubtful faces ------------------------------------------------------------------------------


def faint(x: float, score: float = 0.35) -> Region:
    return Region("face", x, 300, 80, 100, 0.0, score)


@given(st.lists(st.floats(0, 1800), min_size=8, max_size=8))
def test_a_faint_face_that_jumps_about_is_covered_where_it_was_seen_and_no_further(places: list[float]) -> None:
    """Thorough looks, one each 0.2 s: at each of them its own face is covered, and nothing that was seen elsewhere
    more than half a second away grows over the picture."""
    planner = Planner(1920, 1080, 500 * MS, thorough=True)
    for number, x in enumerate(places):
        planner.add(Detections("face", number * 200 * MS, (faint(x),)))
    for number, x in enumerate(places):
        regions = planner.regions_at(number * 200 * MS)
        assert any(r.x <= x and r.x + r.w >= x + 80 and r.y <= 300 and r.y + r.h >= 400 for r in regions)
        assert all(region.w <= 3 * 80 and region.h <= 3 * 100 for region in regions)


def test_a_faint_face_seen_again_at_once_is_held_as_any_other_and_one_seen_surely_twice_is_followed() -> None:
    for scores, held in (((0.35, 0.35), True), ((0.35,), False), ((0.5, 0.3, 0.5), True)):
        planner = Planner(1920, 1080, 500 * MS, thorough=True)
        for number, score in enumerate(scores):
            planner.add(Detections("face", number * 200 * MS, (faint(400, score),)))
        after = planner.regions_at((len(scores) - 1) * 200 * MS + 400 * MS)
        assert bool(after) is held, scores


found_at = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6), st.sampled_from([40.0, 60.0])), max_size=5)


@given(st.lists(found_at, min_size=1, max_size=14), st.integers(1, 8))
@settings(deadline=None)
def test_a_sliding_window_is_linked_as_if_it_were_seen_for_the_first_time(shown: list[list[tuple[int, int, float]]],
                                                                          length: int) -> None:
    looks = [
        (number * 200_000_000, tuple(Region("face", 20.0 * x, 30.0 * y, w, 50.0) for x, y, w in found))
        for number, found in enumerate(shown)
    ]
    follower = Follower(320, 240)
    for end in range(1, len(looks) + 1):
        for start in {max(0, end - length), max(0, end - length + 1)}:
            assert follower.follow(looks[start:end]) == Follower(320, 240).follow(looks[start:end])
