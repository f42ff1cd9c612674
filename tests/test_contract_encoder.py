"""Every encoder under its contract: x264, x265, and the Jetson's chain over stand-ins for its elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from firmware import config
from firmware.pipeline.encoder_spec import launch_text
from firmware.pipeline.gst import Gst
from hil.bench_file import EncoderBench
from hw.jetson.encode import jetson_spec
from hw.sim import l4t_encoder
from tests.contract.encoder import FMT, EncoderContract
from tests.media_helpers import encode

Codec = Literal["h264", "h265"]


class TestX264(EncoderContract):
    adapter = "firmware.pipeline.gst_encoder.GstEncoder"
    ran_on = "x264, on the CPU of the machine that runs the tests"
    cfg = config.Encode(codec="h264", encoder="x264", preset="ultrafast", bitrate_bps=2_000_000)


class TestX265(EncoderContract):
    adapter = "firmware.pipeline.gst_encoder.GstEncoder"
    ran_on = "x265, on the CPU of the machine that runs the tests"
    cfg = config.Encode(codec="h265", encoder="x265", preset="ultrafast", bitrate_bps=2_000_000)


class TestNvv4l2(EncoderContract):
    adapter = "firmware.pipeline.gst_encoder.GstEncoder"
    ran_on = "emulated: nvv4l2h264enc's properties and manners, x264 inside (hw.sim.l4t_encoder)"
    cfg = config.Encode(codec="h264", encoder="nvv4l2", preset="ultrafast", bitrate_bps=2_000_000)
    idr_slack = 4

    @pytest.fixture(autouse=True)
    def _elements(self) -> Iterator[None]:
        with l4t_encoder.installed():
            yield


class TestNvv4l2OnBench(EncoderContract):
    adapter = "firmware.pipeline.gst_encoder.GstEncoder"
    bench = "encoder.nvv4l2"
    ran_on = "no hardware yet (nvv4l2h264enc or nvv4l2h265enc)"
    idr_slack = 4
    most_inside = 5

    @pytest.fixture(autouse=True)
    def _settings(self, bench_table: EncoderBench) -> None:
        self.cfg = config.Encode(codec=bench_table.codec, encoder="nvv4l2", bitrate_bps=bench_table.bitrate_bps)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_jetson_chain_asks_for_each_idr_in_time(codec: Codec) -> None:
    """The vendor's elements heed the signal only, and late; GStreamer itself has parsed every property of the text."""
    cfg = config.Encode(codec=codec, encoder="nvv4l2", preset="ultrafast", bitrate_bps=2_000_000)
    with l4t_encoder.installed():
        units, codec_config = encode(cfg, FMT, [i * 33_333_333 for i in range(50)], keys_at=[7, 20])
    came = [i for i, unit in enumerate(units) if unit.keyframe]
    assert [unit.pts_ns for unit in units] == [i * 33_333_333 for i in range(50)]
    assert codec_config[0] == 1
    assert came[0] == 0
    assert 7 <= came[1] <= 11
    assert 20 <= came[2] <= 24
    assert came[3] <= 50


@pytest.mark.parametrize(("spelt", "misspelt"), [("insert-vui", "insert-vuy"), ("NVMM", "NVM")])
def test_the_stand_in_refuses_a_misspelt_text_too(spelt: str, misspelt: str) -> None:
    cfg = config.Encode(codec="h264", encoder="nvv4l2")
    wrong = launch_text(jetson_spec(cfg, FMT), FMT).replace(spelt, misspelt)
    with l4t_encoder.installed(), pytest.raises(Exception, match=r"insert-vuy|could not link"):
        Gst.parse_launch(wrong)
