"""Proof that a Jetson's encoder did the work, and the self-test's second of encoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware import config
from firmware.errors import PartMissing
from firmware.pipeline.encode_trial import try_encoder
from hw.jetson import nvenc
from hw.sim import l4t_encoder


class Engine:
    """An encoder as sysfs shows it."""

    def __init__(self, devices: Path, name: str) -> None:
        self._file = devices / name / "power" / "runtime_active_time"
        self._file.parent.mkdir(parents=True)
        self.set("1500")

    def set(self, text: str) -> None:
        self._file.write_text(text)


def test_the_engine_that_worked_is_named(tmp_path: Path) -> None:
    engine, idle = Engine(tmp_path, "154c0000.nvenc"), Engine(tmp_path, "15a80000.nvenc")
    before = nvenc.active_ms(tmp_path)
    engine.set("2312\n")
    assert nvenc.proof(before, nvenc.active_ms(tmp_path)) == "154c0000.nvenc 812 ms"
    del idle


def test_an_engine_that_did_not_work_is_no_proof(tmp_path: Path) -> None:
    Engine(tmp_path, "154c0000.nvenc")
    before = nvenc.active_ms(tmp_path)
    with pytest.raises(PartMissing, match=r"154c0000\.nvenc was not used"):
        nvenc.proof(before, nvenc.active_ms(tmp_path))


@pytest.mark.parametrize("text", ["", "unsupported"])
def test_an_engine_that_does_not_count_is_no_proof(tmp_path: Path, text: str) -> None:
    Engine(tmp_path, "154c0000.nvenc").set(text)
    with pytest.raises(PartMissing, match="none that counts"):
        nvenc.proof({}, nvenc.active_ms(tmp_path))


def test_software_that_calls_itself_nvv4l2_is_found_out(tmp_path: Path) -> None:
    """The stand-in encodes with x264, so the engine's time stands still."""
    Engine(tmp_path, "154c0000.nvenc")
    with l4t_encoder.installed(), pytest.raises(PartMissing, match="not by a video encoder in hardware"):
        try_encoder(config.Encode(codec="h264", encoder="nvv4l2", preset="ultrafast"), tmp_path)


def test_a_software_encoder_is_tried_and_needs_no_proof() -> None:
    assert try_encoder(config.Encode(preset="ultrafast")) == "x264, 30 frames"


def test_an_absent_encoder_is_named() -> None:
    with pytest.raises(PartMissing, match="nvvidconv"):
        try_encoder(config.Encode(codec="h265", encoder="nvv4l2"))
