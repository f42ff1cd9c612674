"""The Jetson's pipeline texts fit what L4T's elements take, as far as is known without one; a typo is found."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import config
from firmware.errors import ConfigError, PartMissing
from firmware.pipeline.encoder_spec import launch_text
from firmware.pipeline.gst import Gst, init
from hw.jetson import encode, modules
from hw.jetson.encode import jetson_spec
from hw.jetson.modules import module_of, require_encoder
from hw.launch_text import ElementList, load, problems
from hw.ports import StreamFormat

KNOWN = load()
RELEASES = sorted(release.gstreamer for release in KNOWN.releases.values())
FMT = StreamFormat(1920, 1080, Fraction(60000, 1001), live=True)
UHD = StreamFormat(3840, 2160, Fraction(30), live=True)
CODECS = ["h264", "h265"]


def text_of(codec: str, fmt: StreamFormat = FMT, **settings: object) -> str:
    cfg = config.Encode(codec=codec, encoder="nvv4l2", **settings)  # type: ignore[arg-type]
    return launch_text(jetson_spec(cfg, fmt), fmt)


def said(text: str, key: str) -> str:
    (value,) = re.findall(rf" {key}=(\S+)", text)
    return str(value)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("codec", CODECS)
def test_every_text_we_can_make_fits(codec: str, release: str) -> None:
    for preset in ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"):
        for bitrate_bps in (200_000, 12_000_000, 100_000_000):
            for fmt in (FMT, UHD, StreamFormat(641, 361, Fraction(0), live=False)):
                for dicom in (False, True):
                    made = text_of(codec, fmt, preset=preset, bitrate_bps=bitrate_bps, dicom=dicom)
                    assert problems(made, KNOWN, release) == []


@pytest.mark.parametrize("codec", CODECS)
def test_every_typo_is_found(codec: str) -> None:
    """One letter is changed in each element, property, word and caps field of the text."""
    made = text_of(codec)
    spots = [found.start() + 1 for found in re.finditer(r"[A-Za-z][A-Za-z]+(?==)", made)]
    spots += [found.start(1) for found in re.finditer(r"! ([a-z0-9]+) ", made)]
    spots += [found.end() - 2 for found in re.finditer(r"=[A-Za-z]{3,}", made)]
    names = [made.index(f"name={name}") + 5 for name in ("src", "encoder", "sink")]  # any name would do
    tried = [spot for spot in spots if not any(0 <= spot - name < 7 for name in names)]
    assert len(tried) > 40
    for spot in tried:
        wrong = made[:spot] + ("x" if made[spot] != "x" else "y") + made[spot + 1 :]
        assert problems(wrong, KNOWN, "1.20"), f"not found: {wrong[max(0, spot - 20) : spot + 10]}"


@pytest.mark.parametrize(("change", "told"), [
    (("bitrate=", "bitrate=-"), "not from 0"), (("num-B-Frames=0", "num-B-Frames=3"), "not from 0 to 2"),
    (("insert-vui=true", "insert-vui=yes"), "neither true nor false"),
    ((" vbv-size=15000000", ""), "vbv-size is not set"),
    (("preset-level=", "preset-level=FastPreset preset-level="), "set twice"),
    (("Main", "main"), "none of Main, Main10"),
    (("memory:NVMM", "memory:CUDA"), "no memory feature"), (("format=NV12,c", "format=NV21,c"), "NV21"),
    ((" ! h265parse", " ! ! h265parse"), "nothing between"), (("h265parse", "h265prase"), "no element h265prase"),
    (("max-time=0 stream", "leaky-type=none stream"), ""),  # an element may say less than we do
    (("sync=false", "sync=false max-time=0"), "came with GStreamer 1.24"),
])
def test_what_is_wrong_is_named(change: tuple[str, str], told: str) -> None:
    made = text_of("h265")
    assert change[0] in made
    found = problems(made.replace(*change, 1), KNOWN, "1.20")
    assert not found if told == "" else any(told in one for one in found), found


@given(st.text(max_size=80))
def test_any_text_is_judged_and_never_crashes(text: str) -> None:
    with contextlib.suppress(ValueError):  # a quotation that is not closed
        assert problems(text, KNOWN, "1.20")


def test_the_thor_encoder_would_not_take_our_text() -> None:
    """Its properties are others; that is why it is refused."""
    asked = set(re.findall(r"([A-Za-z][\w-]*)=", jetson_spec(config.Encode(codec="h265"), FMT).chain.split(" ! ")[-1]))
    assert {"insert-sps-pps", "insert-vui", "vbv-size"} <= asked - set(KNOWN.thor_encoder.properties)


def test_upstream_elements_are_as_the_installed_gstreamer_has_them() -> None:
    init()
    version = ".".join(str(number) for number in Gst.version()[:2])
    for name, element in upstream(KNOWN).items():
        made = Gst.ElementFactory.make(name, None)
        assert made.get_factory().get_plugin_name() == element.plugin
        for key, known_as in element.properties.items():
            if tuple(map(int, known_as.since.split("."))) > tuple(map(int, version.split("."))):
                continue
            found = made.find_property(key)
            assert found is not None, f"{name} has no {key}"
            if known_as.type == "enum":
                values = {value.value_nick: int(value) for value in found.enum_class.__enum_values__.values()}
                assert values == known_as.values, f"{name}: {key}"
            elif known_as.type in ("int", "uint"):
                assert (found.minimum, found.maximum) == (known_as.min, known_as.max), f"{name}: {key}"


def upstream(known: ElementList) -> dict[str, object]:
    return {name: element for name, element in known.elements.items() if element.package.startswith("gstreamer1.0")}  # type: ignore[misc]


# ---- what the text says --------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_no_keyframe_of_its_own_and_none_that_refers_ahead(codec: str) -> None:
    made = text_of(codec)
    assert int(said(made, "idrinterval")) > 10_000
    assert int(said(made, "iframeinterval")) > 10_000
    assert said(made, "num-B-Frames") == "0"
    assert said(made, "SliceIntraRefreshInterval") == "0"
    assert said(made, "insert-sps-pps") == said(made, "insert-vui") == said(made, "maxperf-enable") == "true"
    assert made.count("colorimetry=bt709") == 2


def test_dicom_bounds_peak_and_buffer() -> None:
    made = text_of("h265", UHD, bitrate_bps=38_000_000, dicom=True)
    assert said(made, "peak-bitrate") == said(made, "vbv-size") == "40000000"
    assert said(text_of("h265", UHD, bitrate_bps=38_000_000), "peak-bitrate") == "47500000"


@pytest.mark.parametrize(("width", "height"), [(4096, 2160), (3841, 2160), (3840, 2161)])
def test_h265_beyond_uhd_is_refused_by_name(width: int, height: int) -> None:
    fmt = StreamFormat(width, height, Fraction(30), live=True)
    with pytest.raises(ConfigError, match=f"{width}x{height}"):
        text_of("h265", fmt)
    assert problems(text_of("h264", fmt), KNOWN, "1.20") == []


# ---- which Jetson --------------------------------------------------------------------------------


@pytest.mark.parametrize(("compatible", "name", "refused"), [
    ("nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0", "Jetson Orin Nano Developer Kit", True),
    ("nvidia,p3768-0000+p3767-0005-super\0nvidia,tegra234\0", "Jetson Orin Nano Developer Kit", True),
    ("nvidia,p3768-0000+p3767-0003\0nvidia,p3767-0003\0nvidia,tegra234\0", "Jetson Orin Nano 8GB", True),
    ("nvidia,p3768-0000+p3767-0004\0nvidia,p3767-0004\0nvidia,tegra234\0", "Jetson Orin Nano 4GB", True),
    ("nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0", "Jetson Orin NX 16GB", False),
    ("nvidia,p3768-0000+p3767-0001\0nvidia,p3767-0001\0nvidia,tegra234\0", "Jetson Orin NX 8GB", False),
    ("nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234\0", "Jetson AGX Orin", False),
    ("nvidia,p3971-0080+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0", "Jetson Thor", True),
])
def test_a_jetson_without_an_encoder_of_ours_is_refused_by_name(compatible: str, name: str, refused: bool) -> None:
    module = module_of(compatible)
    assert module is not None
    assert module.name == name
    if refused:
        with pytest.raises(PartMissing, match=name):
            require_encoder(module)
    else:
        require_encoder(module)


@given(st.text(max_size=60))
def test_any_other_board_is_none_we_know(compatible: str) -> None:
    if "p3767" not in compatible and "p3701" not in compatible and "p3834" not in compatible:
        assert module_of(compatible) is None
    require_encoder(None)


def test_the_refusal_comes_before_the_encoder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    nano = module_of("nvidia,p3767-0003\0nvidia,tegra234\0")
    monkeypatch.setattr(encode, "this_module", lambda: nano)
    with pytest.raises(PartMissing, match="Orin Nano 8GB"):
        text_of("h265")
    assert modules.this_module() is None or "Jetson" in modules.this_module().name  # type: ignore[union-attr]
