"""A labelled set's ground truth: what is read from it, and one clear line for everything that can be wrong in it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.errors import ConfigError, SourceMissing
from firmware.evaluate.dataset import Box, load_dataset, parse_truth

WHERE = Path("set/ground_truth.json")


def truth(**entry: Any) -> bytes:
    return json.dumps({"masked/a.mp4": [{"frame": 5, "boxes": [[1, 2, 30, 40], [9, 9, 8, 7]], **entry}]}).encode()


def test_what_is_not_said_is_taken_from_the_box() -> None:
    (clip,) = parse_truth(truth(badges=[[1, 2, 3, 4]], anything="else"), WHERE)
    (frame,) = clip.frames
    assert (clip.name, clip.category, clip.path) == ("masked/a.mp4", "masked", Path("set/masked/a.mp4"))
    assert [target.box for target in frame.targets] == [Box(1, 2, 30, 40), Box(9, 9, 8, 7)]
    assert [(t.label, t.height_px, t.visible) for t in frame.targets] == [("", 40, 1), ("", 7, 1)]
    assert frame.ignore == ()


def test_labels_heights_and_visible_parts_belong_to_the_box_in_the_same_place() -> None:
    data = truth(labels=["face", "code"], heights_px=[44.5, 0], visible=[0.25, 1], ignore=[[0, 0, 5, 5]], kind="text")
    ((frame,),) = (clip.frames for clip in parse_truth(data, WHERE))
    assert [(t.label, t.height_px, t.visible) for t in frame.targets] == [("face", 44.5, 0.25), ("code", 7, 1)]
    assert (frame.kind, frame.ignore) == ("text", (Box(0, 0, 5, 5),))


@pytest.mark.parametrize(("data", "said"), [
    (b"", "not JSON"),
    (b"[]", "an object with an entry for each clip"),
    (b"{}", "an object with an entry for each clip"),
    (b"\xff\xfe", "not JSON"),
    (b'{"a.mp4": []}', "a.mp4: a clip is named <category>/<clip>.mp4"),
    (b'{"../a/b.mp4": []}', "a clip is named"),
    (b'{"/etc/b.mp4": []}', "a clip is named"),
    (b'{"a/b.mp4": 3}', "a/b.mp4: expected a list of frames"),
    (b'{"a/b.mp4": [3]}', "a/b.mp4, entry 0: expected an object"),
    (b'{"a/b.mp4": [{"boxes": []}]}', "entry 0: frame must be a whole number"),
    (b'{"a/b.mp4": [{"frame": -1}]}', "frame must be a whole number from 0"),
    (b'{"a/b.mp4": [{"frame": 1}, {"frame": 1}]}', "a/b.mp4: a frame has two entries"),
    (b'{"a/b.mp4": [{"frame": 1, "boxes": [[1, 2, 3]]}]}', "frame 1: boxes must be a list of"),
    (b'{"a/b.mp4": [{"frame": 1, "boxes": [[1, 2, 3, "4"]]}]}', "frame 1: boxes must be numbers"),
    (b'{"a/b.mp4": [{"frame": 1, "boxes": [[1, 2, 3, 1e999]]}]}', "not JSON: Number out of range"),
    (b'{"a/b.mp4": [{"frame": 1, "boxes": [[1, 2, 0, 4]]}]}', "width and height must be above 0"),
    (b'{"a/b.mp4": [{"frame": 1, "ignore": 7}]}', "ignore must be a list of"),
    (truth(labels=["face"]), "labels must be a list with one value for each of the 2 boxes"),
    (truth(heights_px=[1, "x"]), "heights_px must be numbers"),
    (truth(visible=[0.5, 1.5]), "visible is from 0 to 1"),
])
def test_each_fault_is_named_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_truth(data, WHERE)
    assert said in str(caught.value)
    assert str(WHERE) in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["frame", "boxes", "ignore", "labels", "heights_px", "visible", "a/b.mp4"]), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.sampled_from(["boxes", "ignore", "labels", "heights_px", "visible", "frame"]))
def test_no_json_at_all_ends_in_anything_but_clips_or_a_named_fault(value: Any, key: str) -> None:
    for told in (value, {"a/b.mp4": value}, {"a/b.mp4": [{"frame": 0, "boxes": [[1, 1, 2, 2]], key: value}]}):
        with contextlib.suppress(ConfigError):
            parse_truth(json.dumps(told).encode(), WHERE)


def make_set(folder: Path) -> Path:
    clips = {f"{category}/{number}.mp4": [{"frame": 0, "boxes": []}] for category in ("b", "a") for number in range(9)}
    (folder / "ground_truth.json").write_text(json.dumps(clips))
    return folder


def test_a_part_of_a_set_is_always_the_same_part(tmp_path: Path) -> None:
    make_set(tmp_path)
    assert [clip.category for clip in load_dataset(tmp_path).clips] == ["a"] * 9 + ["b"] * 9
    part = load_dataset(tmp_path, ["b"], 4)
    assert (part.categories, len(part.clips), part.left_out) == (["b"], 4, 14)
    both = load_dataset(tmp_path, [], 4)
    assert set(part.clips) < set(both.clips)
    assert len(both.clips) == 8


def test_a_missing_set_and_a_missing_category_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"ground_truth\.json"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no category c in"):
        load_dataset(make_set(tmp_path), ["a", "c"])
