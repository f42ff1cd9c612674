"""The face detector's parts: how two networks' votes are weighed, how passes are brought back, what nonsense is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.pipeline.detect.boxes import overlaps
from firmware.pipeline.detect.face_looks import TURNS, Look, Looker, cut, looks, turned_back
from firmware.pipeline.detect.face_networks import Boxes, NetworkName, decode_yunet
from firmware.pipeline.detect.face_votes import agreed, apart
from firmware.pipeline.detect.faces import grown
from firmware.pipeline.detect.types import BadDetection
from hw.ports import U8

Pass = tuple[NetworkName, Boxes]

THRESHOLD = 0.65
PLACE = (100.0, 50.0, 40.0, 50.0)
scores = st.floats(0.125, 1.0, width=32)
boxes = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(4, 90), st.integers(4, 90), scores), max_size=4
).map(lambda rows: np.array(rows, np.float32).reshape(-1, 5))
names: st.SearchStrategy[NetworkName] = st.sampled_from(["centerface", "yunet"])
several = st.lists(st.tuples(names, boxes), min_size=1, max_size=5)


def seen(network: NetworkName, score: float, by: float = 0.0) -> Pass:
    """One pass of `network` that saw one thing at PLACE, `by` pixels aside."""
    x, y, w, h = PLACE
    return network, np.array([[x + by, y, w, h, score]], np.float32)


# ---- votes ---------------------------------------------------------------------------------------


def test_what_both_suspect_counts_and_what_one_suspects_does_not() -> None:
    assert len(agreed([seen("centerface", 0.35), seen("yunet", 0.35, by=3)], THRESHOLD)) == 2
    assert not len(agreed([seen("centerface", 0.35), seen("centerface", 0.35)], THRESHOLD))
    assert not len(agreed([seen("yunet", 0.6)], THRESHOLD))
    assert len(agreed([seen("yunet", 0.7)], THRESHOLD)) == 1


def test_votes_for_different_places_are_not_added_up() -> None:
    assert not len(agreed([seen("centerface", 0.5), seen("yunet", 0.5, by=60)], THRESHOLD))


def test_a_worse_picture_of_a_sure_thing_is_left_out() -> None:
    (kept,) = agreed([seen("centerface", 0.9), seen("yunet", 0.2, by=12)], THRESHOLD)
    assert kept[0] == PLACE[0]


def test_with_each_one_network_alone_is_not_enough() -> None:
    assert not len(agreed([seen("centerface", 1.0)], 0.975, each=0.1))
    assert len(agreed([seen("centerface", 0.9), seen("yunet", 0.15)], 0.975, each=0.1)) == 1


@given(several, st.floats(0.1, 1.9), st.floats(0.0, 0.5))
def test_a_higher_threshold_finds_a_part_of_what_a_lower_one_finds(
    passes: list[Pass], threshold: float, more: float
) -> None:
    low = {tuple(box) for box in agreed(passes, threshold).tolist()}
    high = {tuple(box) for box in agreed(passes, threshold + more).tolist()}
    assert high <= low
    assert {box[:4] for box in low} <= {tuple(box[:4]) for _, found in passes for box in found.tolist()}


@given(several, st.floats(0.1, 1.0))
def test_what_one_network_is_sure_of_is_always_covered(passes: list[Pass], threshold: float) -> None:
    kept = agreed(passes, threshold)
    for _, found in passes:
        for box in found[found[:, 4] >= threshold]:
            assert len(kept)
            assert overlaps(box[None], kept).max() >= 0.35


@given(several, several)
def test_more_looks_hide_nothing(passes: list[Pass], more: list[Pass]) -> None:
    """Another pass may show a thing better, and replace its box; it never makes it go away."""
    kept = agreed([*passes, *more], THRESHOLD)
    for box in agreed(passes, THRESHOLD):
        assert overlaps(box[None], kept).max() >= 0.35


def test_a_turned_look_adds_nothing_near_a_face_that_is_surer() -> None:
    _, face = seen("yunet", 0.9)
    _, near = seen("yunet", 0.8, by=20)
    _, surer = seen("yunet", 1.0, by=20)
    _, far = seen("yunet", 0.8, by=100)
    assert not len(apart(near, face))
    assert len(apart(surer, face)) == 1
    assert len(apart(far, face)) == 1
    assert len(apart(near, face[:0])) == 1


# ---- passes --------------------------------------------------------------------------------------


class OneBright:
    """Stands in for a network where only the way back is tried: it sees the one bright rectangle, exactly."""

    def boxes(self, rgb: U8) -> Boxes:
        rows, columns = np.nonzero(rgb[:, :, 0] > 128)
        x, y = columns.min(), rows.min()
        return np.array([[x, y, columns.max() + 1 - x, rows.max() + 1 - y, 0.5]], np.float32)


@given(
    st.integers(8, 60), st.integers(8, 60), st.integers(1, 20), st.integers(1, 20), st.booleans(),
    st.integers(0, 3), st.data(),
)  # fmt: skip
def test_a_flipped_or_turned_look_is_brought_back_to_the_pixel(
    width: int, height: int, w: int, h: int, flipped: bool, quarter: int, data: st.DataObject
) -> None:
    w, h = min(w, width), min(h, height)
    x, y = data.draw(st.integers(0, width - w)), data.draw(st.integers(0, height - h))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y : y + h, x : x + w] = 255
    turned = Look("yunet", max(width, height), flipped=flipped and not quarter, quarter=quarter, strictness=2)
    (found,) = Looker(picture, {"yunet": OneBright()}).see(turned)
    assert found.tolist() == [x, y, w, h, 0.25]


@given(boxes, st.sampled_from([1, 2, 3]))
def test_a_lying_head_grows_like_an_upright_one_that_is_turned(faces: Boxes, quarter: int) -> None:
    """The cap's side is the one that is up in the turned picture, whichever that is."""
    turned = turned_back(faces, quarter, 300, 200)
    assert np.allclose(grown(turned, quarter), turned_back(grown(faces), quarter, 300, 200), atol=1e-3)


def test_turning_back_nothing_is_nothing() -> None:
    none = np.zeros((0, 5), np.float32)
    for quarter in range(4):
        assert cut(turned_back(none, quarter, 64, 48), 64, 48).shape == (0, 5)


@pytest.mark.parametrize("size", [(2, 2), (320, 240), (1280, 720), (1920, 1080), (3840, 2160)])
def test_both_networks_look_upright_and_turned_every_way_in_the_end(size: tuple[int, int]) -> None:
    live = {(look.network, look.quarter) for turn in range(len(TURNS)) for look in looks("live", *size, turn)}
    thorough = {(look.network, look.quarter) for look in looks("thorough", *size)}
    assert live == thorough == {(network, quarter) for network in ("centerface", "yunet") for quarter in range(4)}


# ---- YuNet's answer ------------------------------------------------------------------------------


def answer(width: int, height: int) -> list[np.ndarray]:
    cells = [(height // stride) * (width // stride) for stride in (8, 16, 32)]
    lists = [np.zeros((1, count, 1), np.float32) for _ in range(2) for count in cells]
    return [*lists, *(np.zeros((1, count, 4), np.float32) for count in cells)]


def test_yunets_cells_are_read_row_by_row() -> None:
    outputs = answer(64, 32)
    outputs[1][0, 6], outputs[4][0, 6] = 0.81, 1.0  # cells of 16 pixels, 4 to a row: row 1, column 2
    outputs[7][0, 6] = (0.5, 0.25, np.log(2), np.log(3))
    assert decode_yunet(outputs, 64, 32).tolist() == [pytest.approx([24, -4, 32, 48, 0.9], abs=1e-4)]


def test_a_face_larger_than_any_yunet_knows_is_not_its_to_find() -> None:
    outputs = answer(640, 640)
    outputs[2][0, 0], outputs[5][0, 0] = 1.0, 1.0
    outputs[8][0, 0] = (0, 0, np.log(11), np.log(3))
    assert not len(decode_yunet(outputs, 640, 640))


@pytest.mark.parametrize("part", range(9))
def test_yunets_nonsense_is_a_failure_not_an_empty_picture(part: int) -> None:
    outputs = answer(64, 32)
    outputs[0][:], outputs[3][:], outputs[1][:], outputs[4][:], outputs[2][:], outputs[5][:] = (1,) * 6
    bad = [output.copy() for output in outputs]
    bad[part][0, 0] = np.nan
    with pytest.raises(BadDetection):
        decode_yunet(bad, 64, 32)
    with pytest.raises(BadDetection):
        decode_yunet([*outputs[:part], outputs[part][:, :-1], *outputs[part + 1 :]], 64, 32)
    with pytest.raises(BadDetection):
        decode_yunet(outputs[:part], 64, 32)
