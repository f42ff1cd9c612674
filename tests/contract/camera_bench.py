"""The live source contract over a real camera that bench.toml names: its picture is taken away by commands."""

from __future__ import annotations

import subprocess
from typing import Literal

import pytest

from firmware import config
from firmware.pipeline.source import open_source
from hil.bench_file import CameraBench
from hw.frame_rate import exact_rate
from hw.ports import FrameSource
from tests.contract.frame_source import LiveSourceContract, Rig
from tests.fill_helpers import KERNELS

Capture = Literal["gstreamer", "jetson-utils"]


class BenchRig(Rig):
    """A camera of the bench."""

    def __init__(self, source: FrameSource, settings: CameraBench) -> None:
        super().__init__(source)
        self._settings = settings

    def cut(self) -> None:
        subprocess.run(self._settings.cut, shell=True, check=True, timeout=30)

    def restore(self) -> None:
        subprocess.run(self._settings.restore, shell=True, check=True, timeout=60)


class CameraOnBench(LiveSourceContract):
    """A subclass names its table in bench.toml and the way in which the camera is read."""

    capture: Capture

    @pytest.fixture(autouse=True)
    def _camera(self, bench_table: CameraBench) -> None:
        self.settings = bench_table
        self.size, self.rate = (bench_table.width, bench_table.height), exact_rate(bench_table.rate_hz)

    def open_rig(self) -> Rig:
        made = self.settings
        source = config.Source(uri=made.device, width=made.width, height=made.height, rate_hz=made.rate_hz,
                               capture=self.capture)
        return BenchRig(open_source(source, sound=False, kernels=KERNELS), made)

    def close_rig(self, rig: Rig) -> None:
        assert isinstance(rig, BenchRig)
        rig.restore()
