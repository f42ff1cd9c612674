"""Codes drawn at run time: found and covered at any angle, blurred, dim and half hidden; nothing reads what is left."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest
import skimage
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from firmware.config import Detect
from firmware.pipeline.detect.code_checks import judge
from firmware.pipeline.detect.code_fields import CELL, candidates, cells
from firmware.pipeline.detect.codes import CodeDetector, Grey
from firmware.pipeline.detect.types import Region
from firmware.pipeline.detect.worker import check
from hw.ports import U8

WIDTH, HEIGHT = 960, 540
WHAT = {
    "Code128": "MRN-0048213", "Code39": "MRN0048213", "EAN13": "400638133393", "ITF": "0048213377",
    "QRCode": "MRN 0048213 DOE", "DataMatrix": "MRN0048213DOE", "Aztec": "MRN 0048213 DOE", "PDF417": "MRN 0048213",
}
LINEAR = ("Code128", "Code39", "EAN13", "ITF")
MATRIX = ("QRCode", "DataMatrix", "Aztec")


@cache
def code(kind: str) -> U8:
    """One pixel a module, without quiet zone; bars 30 modules high."""
    made = zxingcpp.create_barcode(WHAT[kind], getattr(zxingcpp.BarcodeFormat, kind))
    image = np.array(zxingcpp.write_barcode_to_image(made, scale=1, add_quiet_zones=False))
    image = image if image.ndim == 2 else image[..., 0]
    return np.repeat(image[:1], 30, axis=0) if kind in LINEAR else image


def wall(seed: int = 1) -> U8:
    """A dim wall with a soft gradient, a few shapes with edges, and sensor noise."""
    rng = np.random.default_rng(seed)
    picture = np.linspace(60, 120, WIDTH, dtype=np.float32)[None] + np.zeros((HEIGHT, 1), np.float32)
    for _ in range(6):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        cv2.line(picture, (x, y), (x + 300, y + int(rng.integers(-200, 200))), float(rng.integers(30, 200)), 8)
        cv2.circle(picture, (y, x // 2), 40, float(rng.integers(30, 200)), -1)
    return np.asarray(np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255), np.uint8)


def shown(kind: str, module: float, angle_deg: float, *, blur: float = 0.0, motion: int = 0, noise: float = 2.0,
          dark: float = 30.0, light: float = 220.0, at: tuple[float, float] = (480, 270)) -> tuple[U8, U8]:
    """A label with the code on a wall, and where the code itself is (1 inside, else 0)."""
    pattern = code(kind)
    quiet = 8 if kind in LINEAR else 4
    label = np.pad(pattern, quiet, constant_values=255)
    fine = 8
    values = dark + (light - dark) * np.kron(label, np.ones((fine, fine), np.float32)) / 255
    cos, sin, scale = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)), module / fine
    middle = np.array([values.shape[1] / 2, values.shape[0] / 2])
    turned = scale * np.array([[cos, -sin], [sin, cos]])
    matrix = np.hstack([turned, (np.array(at) - turned @ middle)[:, None]])
    soft = cv2.GaussianBlur(values, (0, 0), max(0.3, 0.5 / scale))
    size = (WIDTH, HEIGHT)
    painted = cv2.warpAffine(soft, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(np.ones_like(values), matrix, size, flags=cv2.INTER_LINEAR)
    inner = np.zeros_like(values)
    inner[quiet * fine : -quiet * fine, quiet * fine : -quiet * fine] = 1
    truth = cv2.warpAffine(inner, matrix, size, flags=cv2.INTER_NEAREST)
    picture = wall().astype(np.float32) * (1 - alpha) + painted * alpha
    if motion:
        picture = cv2.blur(picture, (motion, 1))
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    picture += np.random.default_rng(5).normal(0, noise, picture.shape)
    return np.asarray(np.clip(picture, 0, 255), np.uint8), np.asarray(truth, np.uint8)


def covered(regions: tuple[Region, ...]) -> np.ndarray:
    """Pixels inside any region."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for region in regions:
        middle = (region.x + region.w / 2, region.y + region.h / 2)
        corners = cv2.boxPoints((middle, (region.w, region.h), region.angle_deg))
        cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    return mask > 0


def look(picture: U8, profile: str = "live") -> tuple[Region, ...]:
    detector = CodeDetector(Detect(profile=profile))  # type: ignore[arg-type]
    regions = detector.detect(detector.prepare(picture, np.zeros((1, 1, 2), np.uint8)))
    check(regions, WIDTH, HEIGHT)
    assert {region.kind for region in regions} <= {"code"}
    return regions


def read_by_any(picture: U8) -> list[str]:
    """What ZXing and OpenCV's own readers make of a picture, at three sizes."""
    read: list[str] = []
    for scale in (1.0, 2.0, 0.5):
        sized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        read += [found.text for found in zxingcpp.read_barcodes(sized)]
        read += [text for text in cv2.QRCodeDetector().detectAndDecodeMulti(sized)[1] or () if text]
        read += [text for text in cv2.barcode.BarcodeDetector().detectAndDecodeMulti(sized)[1] or () if text]
    return read


@pytest.mark.parametrize("angle_deg", [0, 17, 90, 133, 225])
@pytest.mark.parametrize("kind", [*LINEAR, *MATRIX, "PDF417"])
def test_a_clear_code_at_any_angle_is_covered_and_nothing_reads_the_rest(kind: str, angle_deg: int) -> None:
    picture, truth = shown(kind, 3.0 if kind in MATRIX else 2.0, angle_deg)
    mask = covered(look(picture))
    assert mask[truth > 0].mean() > 0.99
    picture[mask] = 128
    assert read_by_any(picture) == []


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.parametrize("how", [{"blur": 1.6}, {"motion": 5}, {"dark": 20, "light": 75}, {"noise": 8}],
                         ids=["blurred", "moving", "dim", "noisy"])
def test_a_linear_code_that_can_hardly_be_read_is_covered(kind: str, how: dict[str, float]) -> None:
    picture, truth = shown(kind, 2.4, 28, **how)  # type: ignore[arg-type]
    assert covered(look(picture))[truth > 0].mean() > 0.95


@pytest.mark.parametrize("kind", ["QRCode", "Aztec"])
def test_a_matrix_code_that_cannot_be_read_is_covered_all_the_same(kind: str) -> None:
    picture, truth = shown(kind, 4.0, 28, blur=1.2)
    rows, columns = np.nonzero(truth)
    middle = (int(columns.mean()) + 8, int(rows.mean()) + 8)
    cv2.circle(picture, middle, 10, 120, -1)  # more than error correction can mend
    cv2.line(picture, (int(columns.min()), int(rows.min())), (int(columns.max()), int(rows.max())), 120, 12)
    assert zxingcpp.read_barcodes(picture) == []
    assert covered(look(picture))[truth > 0].mean() > 0.9


@pytest.mark.parametrize("module", [1.3, 2.0, 4.0])
def test_a_linear_code_crossed_by_an_instrument_is_covered_on_both_sides(module: float) -> None:
    picture, truth = shown("Code128", module, 0)
    _, columns = np.nonzero(truth)
    wide = int(0.12 * (columns.max() - columns.min()))
    cut = int(columns.mean())
    picture[:, cut - wide // 2 : cut + wide // 2] = 110
    truth[:, cut - wide // 2 : cut + wide // 2] = 0
    assert covered(look(picture))[truth > 0].mean() > 0.95


def test_the_number_below_the_bars_is_covered_too() -> None:
    picture, truth = shown("Code128", 2.0, 0)
    rows, columns = np.nonzero(truth)
    below = covered(look(picture))[rows.max() + 2 : rows.max() + 14, columns.min() : columns.max()]
    assert below.mean() > 0.95


@pytest.mark.parametrize("profile", ["live", "thorough"])
def test_a_frame_of_4k_is_looked_at_in_its_own_pixels(profile: str) -> None:
    picture, truth = shown("QRCode", 3.0, 12)
    large = cv2.resize(picture, (3840, 2160), interpolation=cv2.INTER_CUBIC)
    detector = CodeDetector(Detect(profile=profile))  # type: ignore[arg-type]
    regions = detector.detect(detector.prepare(np.asarray(large, np.uint8), np.zeros((1, 1, 2), np.uint8)))
    small = tuple(
        Region("code", region.x / 4, region.y / 4, region.w / 4, region.h / 4, region.angle_deg) for region in regions
    )
    mask = covered(small)
    assert mask[truth > 0].mean() > 0.99
    assert mask.mean() < 0.2


def photograph(name: str) -> U8:
    path = f"{skimage.__path__[0]}/data/{name}"
    grey = np.asarray(Image.open(path).convert("L"))
    return np.ascontiguousarray(grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2])


@pytest.mark.parametrize("profile", ["live", "thorough"])
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "motorcycle_left.png", "grass.png", "brick.png",
                                  "gravel.png", "retina.jpg", "skin.jpg"])
def test_people_rooms_weaves_and_tissue_are_no_codes(name: str, profile: str) -> None:
    try:
        picture = photograph(name)
    except FileNotFoundError:
        picture = wall(sum(map(ord, name)))  # not in this version's wheel
    detector = CodeDetector(Detect(profile=profile))  # type: ignore[arg-type]
    assert detector.detect(Grey(picture, picture.shape[1], picture.shape[0])) == ()


@pytest.mark.parametrize("pitch", [5, 9, 16])
def test_stripes_and_grids_are_no_codes(pitch: int) -> None:
    stripes = wall()
    stripes[:, (np.arange(WIDTH) // pitch) % 2 == 0] //= 3
    assert look(stripes) == ()
    checks = wall()
    checks[((np.arange(HEIGHT) // pitch) % 2)[:, None] == ((np.arange(WIDTH) // pitch) % 2)[None]] //= 3
    assert look(checks) == ()


def test_an_unchanged_frame_gets_the_same_answer_and_a_changed_one_a_new_one() -> None:
    picture, _ = shown("QRCode", 3.0, 0)
    detector = CodeDetector(Detect())
    first = detector.detect(Grey(picture, WIDTH, HEIGHT))
    assert first
    assert detector.detect(Grey(picture.copy(), WIDTH, HEIGHT)) == first
    assert detector.detect(Grey(wall(), WIDTH, HEIGHT)) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31), st.sampled_from(["noise", "flat", "binary"]))
def test_any_picture_of_any_size_has_an_answer_that_passes_the_check(
    width: int, height: int, seed: int, look_like: str
) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width), np.uint8)
    if look_like == "flat":
        picture[:] = picture[0, 0]
    elif look_like == "binary":
        picture = np.where(picture > 127, 255, 0).astype(np.uint8)
    detector = CodeDetector(Detect())
    check(detector.detect(detector.prepare(picture, np.zeros((1, 1, 2), np.uint8))), width, height)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 179), st.integers(4, 12))
def test_the_measures_lie_between_0_and_1_and_tell_the_way_of_edges(angle_deg: float, period: int) -> None:
    y, x = np.mgrid[0:160, 0:160]
    turn = math.radians(angle_deg)
    waves = 128 + 60 * np.sin((x * math.cos(turn) + y * math.sin(turn)) * 2 * math.pi / period)
    field = cells(waves.astype(np.uint8))
    assert field.shape == (5, 160 // CELL, 160 // CELL)
    inner = field[:, 2:-2, 2:-2].sum(axis=(1, 2))
    order1, order2 = np.hypot(inner[1], inner[2]) / inner[0], np.hypot(inner[3], inner[4]) / inner[0]
    assert 0.8 < order1 <= 1.001
    assert 0.6 < order2 <= 1.001
    way = math.degrees(0.5 * math.atan2(inner[2], inner[1])) % 180
    assert min(abs(way - angle_deg), 180 - abs(way - angle_deg)) < 6


def test_a_code_is_judged_as_what_it_is() -> None:
    bars, _ = shown("Code128", 2.0, 31)
    found = [candidate for candidate in candidates(bars) if judge(bars, candidate) == "sure"]
    assert [candidate.shape for candidate in found] == ["linear"]
    assert abs(math.degrees(found[0].turn) - 31) < 3
