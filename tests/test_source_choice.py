"""Which source is read, and how, is what the configuration says, or a named fault."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from firmware import config
from firmware.config import Config, Encode, Source
from firmware.config_rules import broken_rules
from firmware.errors import PartMissing, SourceMissing
from firmware.pipeline import source as source_choice
from firmware.pipeline.encode import x265_spec
from firmware.pipeline.source import open_source
from firmware.pipeline.source_gst import GstSource
from hw.jetson.capture import JetsonCapture
from hw.ports import U8, StreamFormat
from hw.sim.jetson_utils import SimCamera, installed
from tests.fill_helpers import KERNELS
from tests.pipeline_helpers import make_clip

CAMERA = Source("/dev/video99", capture="jetson-utils", rate_hz=30)


def grey(_index: int, width: int, height: int) -> U8:
    return np.full(width * height * 3 // 2, 128, np.uint8)


def test_jetson_utils_is_taken_where_it_is_configured() -> None:
    with installed(SimCamera(grey)):
        assert isinstance(open_source(CAMERA, sound=False, kernels=KERNELS), JetsonCapture)


def test_without_the_library_nothing_is_taken_in_its_place() -> None:
    with pytest.raises(PartMissing, match="jetson_utils"):
        open_source(CAMERA, sound=False, kernels=KERNELS)


def test_gstreamer_is_taken_unless_another_way_is_configured(tmp_path: Path) -> None:
    with installed(SimCamera(grey)):
        clip = Source(str(make_clip(tmp_path / "a.mp4", seconds=0.2)))
        assert isinstance(open_source(clip, sound=False, kernels=KERNELS), GstSource)


def test_jetson_utils_is_refused_for_an_interlaced_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver of such a camera runs here, so its answer is put in."""
    monkeypatch.setattr(source_choice, "field_of", lambda _device: "interlaced")
    with installed(SimCamera(grey)), pytest.raises(SourceMissing, match="deinterlace"):
        open_source(CAMERA, sound=False, kernels=KERNELS)


@pytest.mark.parametrize(("source", "keys"), [
    (Source("rtsp://camera", capture="jetson-utils", rate_hz=30), {"source.capture", "source.uri"}),
    (Source("csi://0"), {"source.capture", "source.uri"}),
    (Source("csi://0", capture="jetson-utils"), {"source.capture", "source.rate_hz"}),
])
def test_what_does_not_fit_together_is_refused_before_anything_starts(source: Source, keys: set[str]) -> None:
    assert [set(broken.keys) for broken in broken_rules(Config(source=source))] == [keys]


def test_dicom_bounds_the_bitrate() -> None:
    wide = Encode(codec="h265", encoder="x265", bitrate_bps=50_000_000, dicom=True)
    (broken,) = broken_rules(Config(encode=wide))
    assert set(broken.keys) == {"encode.dicom", "encode.bitrate_bps"}
    assert broken_rules(Config(encode=config.Encode(codec="h265", encoder="x265", dicom=True))) == []


def test_dicom_bounds_the_peak_and_the_buffer_at_constant_quality_too() -> None:
    fmt = StreamFormat(3840, 2160, Fraction(30), live=True)
    for dicom, most_kbps in ((True, 40_000), (False, 100_000)):
        chain = x265_spec(Encode(codec="h265", encoder="x265", quality=15, dicom=dicom), fmt).chain
        assert f"vbv-maxrate={most_kbps}:vbv-bufsize={most_kbps}" in chain
