"""What every backend of the kernels does, bit for bit by their definitions: random sizes, pitches, formats, crops and
regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.kernels.shapes import Ellipse, Quad, Rectangle, Shape
from firmware.kernels.types import FORMATS, SourcePicture, planes_of
from hw.ports import U8, Kernels
from tests import kernel_oracle as oracle
from tests.kernel_backends import Guarded, backend, examples, testing, unpacked

MANY = [HealthCheck.differing_executors]  # one test, a class for each backend
sides = st.one_of(st.integers(1, 40), st.integers(1, 300))
pads = st.integers(0, 70)
seeds = st.integers(0, 1 << 32)


def nv12(width: int, height: int, y_pad: int = 0, uv_pad: int = 0) -> tuple[Guarded, U8, U8]:
    """Guarded planes of any size, rows `pad` bytes further apart than they need be."""
    rows, row_bytes = (height + 1) // 2, (width + 1) // 2 * 2
    y_bytes = (width + y_pad) * height
    memory = Guarded(y_bytes + (row_bytes + uv_pad) * rows)
    y = memory.plane(0, height, width, width + y_pad)
    uv = memory.plane(y_bytes, rows, row_bytes, row_bytes + uv_pad)
    return memory, y, pairs(uv)


def pairs(plane: U8) -> U8:
    """(rows, 2n) as (rows, n, 2), without a copy."""
    return np.lib.stride_tricks.as_strided(plane, (plane.shape[0], plane.shape[1] // 2, 2), (plane.strides[0], 2, 1))


@st.composite
def sources(draw: Any) -> SourcePicture:
    """Any format and size, planes at any offset, rows any distance apart; noise, extremes or one value."""
    pixel_format = draw(st.sampled_from(FORMATS))
    width, height = draw(sides), draw(st.integers(1, 24))
    made = SourcePicture(np.empty(0, np.uint8), pixel_format, width, height, (), ())
    offsets, pitches, at = [], [], draw(st.integers(0, 40))
    for rows, row_bytes in planes_of(made):
        pitch = row_bytes + draw(pads)
        offsets.append(at)
        pitches.append(pitch)
        at += pitch * (rows - 1) + row_bytes + draw(st.integers(0, 40))
    random = np.random.default_rng(draw(seeds))
    data = random.integers(0, 256, at, dtype=np.uint8)
    how = draw(st.sampled_from(["noise", "extremes", "flat"]))
    if how == "extremes":
        data = np.where(data < 128, 0, 255).astype(np.uint8)
    elif how == "flat":
        data[:] = data[0]
    return SourcePicture(data, pixel_format, width, height, tuple(offsets), tuple(pitches),
                         draw(st.sampled_from(["limited", "full"])),
                         draw(st.sampled_from(["bt601", "bt709", "bt2020"])))


@st.composite
def tensors(draw: Any) -> dict[str, Any]:
    """A picture, a crop of it, and an input that takes it 1:1, smaller or larger."""
    width, height = draw(sides), draw(sides)
    x, y = 2 * draw(st.integers(0, (width - 1) // 2)), 2 * draw(st.integers(0, (height - 1) // 2))
    w, h = draw(st.integers(1, width - x)), draw(st.integers(1, height - y))
    how = draw(st.sampled_from(["same", "half", "free"]))
    if how == "same":
        fit = (w, h)
    elif how == "half":
        fit = (max(1, w // 2), max(1, h // 2))
    else:
        fit = (draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    number = st.floats(-300, 300, width=32)
    return {
        "size": (width, height), "crop": (x, y, w, h), "fit": fit,
        "out": (fit[0] + draw(st.integers(0, 20)), fit[1] + draw(st.integers(0, 20))),
        "mean": tuple(draw(number) for _ in range(3)), "scale": tuple(draw(number) for _ in range(3)),
        "order": draw(st.permutations([0, 1, 2])), "pad": draw(number), "seed": draw(seeds),
    }


near = st.floats(-60, 200)
far = st.one_of(near, near, near, st.floats(-1e7, 1e7), st.sampled_from([1e300, -1e300]))
extents = st.one_of(st.floats(0, 60), st.floats(0, 60), st.floats(0, 400), st.sampled_from([0.0, 1e-9, 1e9, 1e300]))
angles = st.one_of(st.sampled_from([0.0, 90.0, 180.0, -90.0, 45.0]), st.floats(-400, 400))
corners = st.tuples(far, far)
shapes = st.one_of(
    st.builds(Rectangle, far, far, extents, extents), st.builds(Rectangle, far, far, extents, extents, angles),
    st.builds(Ellipse, far, far, extents, extents, angles),
    st.builds(Quad, st.tuples(*[st.tuples(near, near)] * 4)), st.builds(Quad, st.tuples(*[corners] * 4)),
)


class KernelsContract:
    """A subclass gives `make()`: the backend, made once for all its tests."""

    port = "kernels"

    @classmethod
    def make(cls) -> Kernels:
        raise NotImplementedError

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _backend(cls) -> Iterator[None]:
        with testing(cls.make()):
            yield

    @settings(max_examples=examples(150), deadline=None, suppress_health_check=MANY)
    @given(sources(), pads, pads)
    def test_ingest(self, source: SourcePicture, y_pad: int, uv_pad: int) -> None:
        coded = source.width + source.width % 2, source.height + source.height % 2
        memory, y, uv = nv12(*coded, y_pad, uv_pad)
        before = source.data.copy()
        stats = backend().ingest(source, y, uv)
        wanted_y, wanted_uv, wanted = oracle.ingest(source)
        np.testing.assert_array_equal(y, wanted_y)
        np.testing.assert_array_equal(uv, wanted_uv)
        assert {name: getattr(stats, name) for name in wanted} == wanted
        assert memory.intact()
        assert np.array_equal(source.data, before)
        real_y, real_uv = oracle.ingest_real(source)
        assert np.abs(y - real_y).max() <= 0.55
        assert np.abs(uv - real_uv).max() <= 0.55

    @settings(max_examples=examples(120), deadline=None, suppress_health_check=MANY)
    @given(tensors(), pads, pads)
    def test_tensor(self, case: dict[str, Any], y_pad: int, uv_pad: int) -> None:
        memory, y, uv = nv12(*case["size"], y_pad, uv_pad)
        random = np.random.default_rng(case["seed"])
        y[:], uv[:] = random.integers(0, 256, y.shape), random.integers(0, 256, uv.shape)
        before = memory.memory.copy()
        width, height = case["out"]
        flat = backend().allocate(4 * (3 * width * height + 2)).view(np.float32)
        flat[:] = np.float32(1e30)
        out = flat[1:-1].reshape(3, height, width)
        options = {name: case[name] for name in ("crop", "fit", "mean", "scale", "pad")}
        assert backend().tensor(y, uv, out, order=tuple(case["order"]), **options) == case["fit"]
        wanted = oracle.tensor(y, uv, out.shape, case["crop"], case["fit"], case["mean"], case["scale"], case["order"],
                               case["pad"])
        np.testing.assert_array_equal(out, wanted)
        assert flat[0] == flat[-1] == np.float32(1e30)
        assert np.array_equal(memory.memory, before)

    @settings(max_examples=examples(300), deadline=None, suppress_health_check=MANY)
    @given(sides, st.integers(1, 80), st.lists(shapes, max_size=8), st.sampled_from([0, 0, 1, 2, 5, 9]), pads, pads,
           seeds)
    def test_redact(self, width: int, height: int, regions: list[Shape], soft_px: int, y_pad: int, uv_pad: int,
                    seed: int) -> None:
        memory, y, uv = nv12(width, height, y_pad, uv_pad)
        random = np.random.default_rng(seed)
        y[:], uv[:] = random.integers(0, 256, y.shape), random.integers(0, 256, uv.shape)
        wanted_y, wanted_uv = y.copy(), uv.copy()
        found = unpacked(regions, width, height)
        oracle.redact(wanted_y, wanted_uv, found, soft_px)
        assert backend().redact(y, uv, regions, soft_px) == len(found)
        np.testing.assert_array_equal(y, wanted_y)
        np.testing.assert_array_equal(uv, wanted_uv)
        assert memory.intact()

    @settings(max_examples=examples(30), deadline=None, suppress_health_check=MANY)
    @given(sides, sides, pads, pads)
    def test_fill_frame(self, width: int, height: int, y_pad: int, uv_pad: int) -> None:
        memory, y, uv = nv12(width, height, y_pad, uv_pad)
        backend().fill_frame(y, uv)
        assert (y == 126).all()
        assert (uv == 128).all()
        assert memory.intact()

    @pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160), (1918, 1078)])
    def test_large_pictures(self, size: tuple[int, int]) -> None:
        """Sizes at which all lanes, blocks and threads have work to share."""
        width, height = size
        random = np.random.default_rng(5)
        data = random.integers(0, 256, width * height * 2, dtype=np.uint8)
        source = SourcePicture(data, "UYVY", width, height, (0,), (2 * width,), "full", "bt601")
        _, y, uv = nv12(width, height)
        stats = backend().ingest(source, y, uv)
        wanted_y, wanted_uv, _ = oracle.ingest(source)
        np.testing.assert_array_equal(y, wanted_y)
        np.testing.assert_array_equal(uv, wanted_uv)
        assert (stats.sum, stats.lit) == (wanted_y[::2].sum(dtype=np.int64), (wanted_y[::2] >= 40).sum())
        out = backend().allocate(3 * 432 * 768 * 4).view(np.float32).reshape(3, 432, 768)
        fit = backend().tensor(y, uv, out)
        zeros, ones = (0.0,) * 3, (1.0,) * 3
        np.testing.assert_array_equal(
            out, oracle.tensor(y, uv, out.shape, (0, 0, width, height), fit, zeros, ones, (0, 1, 2), 0.0)
        )
        regions: list[Shape] = [Rectangle(97 * i, 53 * i, 400, 90, 7 * i) for i in range(8)]
        regions += [Ellipse(900, 300, 700, 500, 30), Rectangle(width - 5, height - 5, 50, 50)]
        backend().redact(y, uv, regions, 0)
        oracle.redact(wanted_y, wanted_uv, unpacked(regions, width, height), 0)
        np.testing.assert_array_equal(y, wanted_y)
        np.testing.assert_array_equal(uv, wanted_uv)

    def test_a_frozen_picture_has_the_same_check_and_one_changed_bit_another(self) -> None:
        random = np.random.default_rng(7)
        data = random.integers(0, 256, 64 * 48 * 3 // 2, dtype=np.uint8)
        _, y, uv = nv12(64, 48)

        def check() -> int:
            return backend().ingest(SourcePicture(data, "NV12", 64, 48, (0, 64 * 48), (64, 64)), y, uv).check

        first = check()
        assert check() == first
        for at in (0, 63, 64 * 46, 64 * 47 - 1):
            data[at] ^= 1
            assert check() != first
            data[at] ^= 1

    def test_black_and_white_pictures_are_told(self) -> None:
        _, y, uv = nv12(64, 48)
        for value, mean, lit, clipped in ((16, 16, 0, 0), (235, 235, 1, 1), (100, 100, 1, 0)):
            data = np.full(64 * 48 * 3 // 2, value, np.uint8)
            stats = backend().ingest(SourcePicture(data, "NV12", 64, 48, (0, 64 * 48), (64, 64)), y, uv)
            assert (stats.mean, stats.lit, stats.clipped) == (mean, lit * stats.samples, clipped * stats.samples)

    def test_full_range_colours_become_their_limited_ones(self) -> None:
        """Known values: the primaries in BT.709 (SMPTE RP 219 lists them as 63, 173, 32; 102/240; 240)."""
        colours = {(255, 0, 0): (63, 102, 240), (0, 255, 0): (173, 42, 26), (0, 0, 255): (32, 240, 118),
                   (255, 255, 255): (235, 128, 128), (0, 0, 0): (16, 128, 128)}
        for rgb, (luma, cb, cr) in colours.items():
            data = np.tile(np.array(rgb, np.uint8), 16 * 16)
            _, y, uv = nv12(16, 16)
            backend().ingest(SourcePicture(data, "RGB8", 16, 16, (0,), (48,), "full"), y, uv)
            assert (y == luma).all()
            assert (uv == (cb, cr)).all()
            out = backend().allocate(3 * 16 * 16 * 4).view(np.float32).reshape(3, 16, 16)
            backend().tensor(y, uv, out)
            assert np.abs(out[:, 3, 3] - rgb).max() <= 2  # and back

    def test_what_is_too_short_or_does_not_fit_is_refused(self) -> None:
        _, y, uv = nv12(64, 48)
        data = np.zeros(64 * 48 * 3 // 2, np.uint8)
        good = SourcePicture(data, "NV12", 64, 48, (0, 64 * 48), (64, 64))
        for bad in (
            SourcePicture(data[:-1], *(getattr(good, n) for n in ("format", "width", "height", "offsets", "pitches"))),
            SourcePicture(data, "NV12", 64, 48, (0, 64 * 48), (64, 63)),
            SourcePicture(data, "NV12", 64, 48, (0,), (64,)),
            SourcePicture(data, "NV12", 64, 48, (-1, 64 * 48), (64, 64)),
            SourcePicture(data, "UYVY", 64, 48, (0,), (128,)),
            SourcePicture(data, "NV12", 62, 48, (0, 64 * 48), (64, 64)),
            SourcePicture(data, "NV12", 0, 48, (0, 0), (64, 64)),
        ):
            with pytest.raises(ValueError, match=r"picture of|does not fill"):
                backend().ingest(bad, y, uv)
        read_only = y[:]
        read_only.flags.writeable = False
        for planes in ((y, uv[:-1]), (y[:, ::2], uv[:, ::2]), (read_only, uv), (y.astype(np.int16), uv), (y[0], uv)):
            with pytest.raises(ValueError, match=r"\w"):
                backend().redact(*planes, [])
            with pytest.raises(ValueError, match=r"\w"):
                backend().fill_frame(*planes)
        out = backend().allocate(3 * 32 * 32 * 4).view(np.float32).reshape(3, 32, 32)
        for crop, fit in (((1, 0, 8, 8), None), ((0, 0, 65, 8), None), ((0, 0, 0, 8), None), ((0, 0, 8, 8), (33, 8)),
                          ((-2, 0, 8, 8), None), ((0, 0, 8, 8), (0, 8))):
            with pytest.raises(ValueError, match=r"crop|does not go into"):
                backend().tensor(y, uv, out, crop=crop, fit=fit)

    @pytest.mark.parametrize("bad", [
        Rectangle(1, 1, -1, 5), Rectangle(float("nan"), 1, 5, 5), Rectangle(1, 1, 5, float("inf")),
        Ellipse(1, 1, 5, 5, float("nan")), Quad(((0, 0), (1, 0), (1, float("nan")), (0, 1))),
    ])
    def test_what_is_not_a_region_is_refused_before_anything_is_painted(self, bad: Shape) -> None:
        _, y, uv = nv12(64, 48)
        y[:], uv[:] = 50, 60
        with pytest.raises(ValueError, match="not a region"):
            backend().redact(y, uv, [Rectangle(3, 3, 9, 9), bad])
        assert (y == 50).all()
