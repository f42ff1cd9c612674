"""Encoders that are not there, or do not make the codec, refuse by name and nothing takes their place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from firmware import config
from firmware.errors import ConfigError, PartMissing
from firmware.pipeline.encode import make_encoder
from tests.contract.encoder import FMT


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_jetson_encoder_refuses_by_name_elsewhere(codec: str) -> None:
    encoder = make_encoder(config.Encode(codec=codec, encoder="nvv4l2"))
    with pytest.raises(PartMissing, match=r"nvvidconv|nvv4l2") as refused:
        encoder.open(FMT)
    assert encoder.name == f"nvv4l2-{codec}"
    assert "JetPack" in str(refused.value)


@pytest.mark.parametrize(("encoder", "codec"), [("x264", "h265"), ("x265", "h264")])
def test_an_encoder_that_does_not_make_the_codec_is_a_configuration_error(encoder: str, codec: str) -> None:
    with pytest.raises(ConfigError, match=encoder):
        make_encoder(config.Encode(codec=codec, encoder=encoder))


@pytest.mark.parametrize("element", ["x264enc", "h264parse", "opusenc", "avenc_aac"])
def test_a_missing_element_is_named_with_its_package_and_not_replaced(element: str) -> None:
    script = f"""
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
Gst.Registry.get().remove_feature(Gst.ElementFactory.find("{element}"))
from fractions import Fraction
from firmware import config
from firmware.errors import PartMissing
from firmware.pipeline.encode import make_encoder
from firmware.pipeline.sound import SoundEncoder
from hw.ports import StreamFormat
try:
    make_encoder(config.Encode()).open(StreamFormat(320, 180, Fraction(30), False))
    SoundEncoder(config.Sound(codec="opus"), 2).open()
    SoundEncoder(config.Sound(codec="aac"), 2).open()
except PartMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert f"element {element}, which is not installed" in done.stdout
    assert "install gstreamer1.0-" in done.stdout
