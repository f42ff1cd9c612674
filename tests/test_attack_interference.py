"""Non-interference: what a region covers has no influence on anything that leaves, to the last bit.

Two recordings are alike outside the regions and differ in everything inside. If their encoded bytes are equal, no
attack on those bytes can tell one from the other: not through chroma, nor motion vectors, nor residuals, nor sizes.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from firmware import config
from firmware.messages import Configure, Finished
from firmware.pipeline.detect.types import DetectorKind, Region
from hw.ports import U8
from tests.detect_helpers import portrait
from tests.fill_helpers import fill_frame, fill_regions
from tests.pipeline_helpers import Heard, run_pipeline

# ---- the pixels ----------------------------------------------------------------------------------

WIDTH, HEIGHT = 48, 32
number, size = st.floats(-20, 60, allow_nan=False), st.floats(0.5, 50, allow_nan=False)
regions = st.lists(st.builds(Region, st.sampled_from(["face", "text"]), number, number, size, size,
                             st.one_of(st.just(0.0), st.floats(-180, 180, allow_nan=False))), min_size=1, max_size=8)
picture = arrays.arrays(np.uint8, WIDTH * HEIGHT * 3 // 2)
Planes = tuple[U8, U8]


def planes(flat: U8) -> Planes:
    return (flat[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH).copy(),
            flat[WIDTH * HEIGHT :].reshape(HEIGHT // 2, WIDTH // 2, 2).copy())


def painted(flat: U8, covered: list[Region]) -> Planes:
    y, uv = planes(flat)
    fill_regions(y, uv, covered)
    return y, uv


@settings(max_examples=150, deadline=None)
@given(picture, picture, regions)
def test_what_is_painted_follows_from_the_outside_alone(one: U8, other: U8, covered: list[Region]) -> None:
    """Which cells are painted is learnt from two noises that differ everywhere: those where either did not stay as
    it was. Everything there is then exchanged."""
    noise = np.random.default_rng(5).integers(0, 256, one.shape, dtype=np.uint8)
    stayed_y, stayed_uv = np.ones((HEIGHT, WIDTH), bool), np.ones((HEIGHT // 2, WIDTH // 2), bool)
    for flat in (noise, noise ^ 0x55):
        (y, uv), (y_before, uv_before) = painted(flat, covered), planes(flat)
        stayed_y &= y == y_before
        stayed_uv &= (uv == uv_before).all(2)
    cells = (~stayed_y | _inside(covered)).reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any((1, 3)) | ~stayed_uv
    inside_y = cells.repeat(2, 0).repeat(2, 1)
    y, uv = planes(one)
    other_y, other_uv = planes(other)
    y[inside_y], uv[cells] = other_y[inside_y], other_uv[cells]
    mixed = np.concatenate([y.ravel(), uv.ravel()])
    for first, second in zip(painted(one, covered), painted(mixed, covered), strict=True):
        assert np.array_equal(first, second)


def _inside(covered: list[Region]) -> np.ndarray:
    """Pixels whose centre lies in a region."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    found = np.zeros((HEIGHT, WIDTH), bool)
    for r in covered:
        angle = np.deg2rad(r.angle_deg)
        dx, dy = columns - (r.x + r.w / 2), rows - (r.y + r.h / 2)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        found |= (np.abs(along) <= r.w / 2) & (np.abs(across) <= r.h / 2)
    return found


@given(picture, picture)
def test_a_filled_frame_is_the_same_for_every_picture(one: U8, other: U8) -> None:
    first, second = planes(one), planes(other)
    fill_frame(*first)
    fill_frame(*second)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


# ---- the encoded bytes ---------------------------------------------------------------------------

WIDE, HIGH, FRAMES, RATE = 320, 240, 75, 25
UNSEEN = range(30, 45)
"""Frames without a detection: the gate fills them whole."""
ONE_THREAD = "import os; os.cpu_count = lambda: 1"
"""Slices in threads make x264's rate control, and so its bytes, differ from run to run of the same file."""


def box_at(frame: int) -> tuple[int, int, int, int]:
    """A head that walks, and comes closer."""
    return 40 + 2 * frame, 30 + frame // 2, 64 + frame // 4, 80 + frame // 4


def film(path: Path, *, inside: int, outside: int = 0) -> Path:
    """A moving scene; `inside` chooses what the box shows and what the unseen frames show, `outside` one pixel."""
    random = np.random.default_rng(7)
    backdrop = cv2.GaussianBlur(random.integers(0, 256, (HIGH, WIDE + FRAMES, 3), dtype=np.uint8), (0, 0), 3)
    backdrop = cv2.normalize(backdrop, None, 20, 235, cv2.NORM_MINMAX)
    noise = np.random.default_rng(inside)
    raw = []
    for frame in range(FRAMES):
        rgb = backdrop[:, frame : frame + WIDE].copy()
        x, y, w, h = box_at(frame)
        # On even pixels, so that no chroma cell is half inside.
        left, top, right, bottom = x + x % 2, y + y % 2, (x + w) // 2 * 2, (y + h) // 2 * 2
        face = portrait()[60:190, 176:276] if inside == 0 else noise.integers(0, 256, (130, 100, 3), dtype=np.uint8)
        patch = cv2.resize(face, (right - left, bottom - top))
        cv2.putText(patch, f"MARLOWE {inside}", (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (250, 250, 250))
        rgb[top:bottom, left:right] = patch
        if frame in UNSEEN:
            rgb = noise.integers(0, 256, rgb.shape, dtype=np.uint8)
        if frame == 10 and outside:
            rgb[-20:-10, 5:15] = outside
        raw.append(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).tobytes())
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDE}x{HIGH}",
         "-r", str(RATE), "-i", "-", "-c:v", "ffv1", "-color_primaries", "bt709", "-color_trc", "bt709",
         "-colorspace", "bt709", "-color_range", "tv", str(path)], input=b"".join(raw), check=True, timeout=60,
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films and what the detectors saw in them."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "face.mkv", inside=0)
    film(folder / "noise.mkv", inside=1)
    film(folder / "moved.mkv", inside=0, outside=200)
    with (folder / "seen.jsonl").open("w") as log:
        for frame in set(range(FRAMES)) - set(UNSEEN):
            for kind in get_args(DetectorKind):
                seen = [[*box_at(frame), 0.0, 1.0]] if kind == "face" else []
                log.write(json.dumps({"kind": kind, "pts_ns": frame * 1_000_000_000 // RATE, "regions": seen}) + "\n")
    return folder


def recorded(folder: Path, name: str, encode: config.Encode) -> tuple[Heard, str]:
    """All that the pipeline said, and its log."""
    ran = run_pipeline(Configure(
        config.Source(uri=str(folder / name)), encode, config.Sound(), config.Detect(delay_s=0.3), "",
        replay_detections=str(folder / "seen.jsonl"),
    ), ONE_THREAD)
    assert ran.heard.last == Finished(FRAMES)
    return ran.heard, ran.stderr


@pytest.mark.parametrize("encode", [
    config.Encode(preset="ultrafast"), config.Encode(preset="superfast", quality=20),
    config.Encode(encoder="x265", codec="h265", preset="ultrafast"),
], ids=["x264 at a bitrate", "x264 at a quality", "x265"])
def test_two_films_that_differ_only_under_the_fill_are_the_same_film(folder: Path, encode: config.Encode) -> None:
    (face, face_log), (noise, noise_log) = recorded(folder, "face.mkv", encode), recorded(folder, "noise.mkv", encode)
    assert {v.kind for v in face.verdicts} == {"masked", "blanked"}
    assert face.info == noise.info
    assert face.verdicts == noise.verdicts
    assert face.alerts == noise.alerts
    assert face_log == noise_log
    assert face.mp4 == noise.mp4, "the encoded bytes tell what was covered"


def test_one_patch_outside_the_fill_is_another_film(folder: Path) -> None:
    """The comparison can fail: it is not two empty films."""
    encode = config.Encode(preset="ultrafast")
    assert recorded(folder, "face.mkv", encode)[0].mp4 != recorded(folder, "moved.mkv", encode)[0].mp4
