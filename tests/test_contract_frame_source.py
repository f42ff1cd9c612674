"""Every frame source under its contract: simulated, from a file, over RTSP, and jetson-utils over a stand-in for it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from firmware import config
from firmware.pipeline.source import open_source
from hw.jetson.capture import JetsonCapture
from hw.linux.v4l2_field import field_of
from hw.ports import U8
from hw.sim.jetson_utils import SimCamera, installed
from hw.sim.scene import SceneSource
from tests.contract.camera_bench import CameraOnBench, Capture
from tests.contract.frame_source import (
    FrameSourceContract,
    LiveSourceContract,
    PictureFaultContract,
    Rig,
    TimingFaultContract,
    refuses,
    take,
)
from tests.fill_helpers import KERNELS
from tests.pipeline_helpers import make_clip
from tests.rtsp_camera import RtspCamera

NTSC_60 = Fraction(60000, 1001)
FILM = Fraction(24000, 1001)


class TestFile(FrameSourceContract):
    adapter = "firmware.pipeline.source_gst.GstSource"
    ran_on = "a file with reordered frames, 23.976 frames a second"
    rate = FILM
    live = False

    @pytest.fixture(autouse=True)
    def _clip(self, tmp_path: Path) -> None:
        self.clip = make_clip(tmp_path / "clip.mp4", seconds=2, rate="24000/1001",
                              codec=("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"))

    def open_rig(self) -> Rig:
        return Rig(open_source(config.Source(uri=str(self.clip)), sound=False, kernels=KERNELS))


class _RtspRig(Rig):
    def __init__(self, camera: RtspCamera) -> None:
        source = config.Source(uri=camera.uri, lost_after_s=1.0)
        super().__init__(open_source(source, sound=False, kernels=KERNELS))
        self.camera = camera

    def cut(self) -> None:
        self.camera.cut()


class TestRtsp(LiveSourceContract):
    adapter = "firmware.pipeline.source_gst.GstSource"
    ran_on = "an RTSP camera of our own, over TCP"
    rate = Fraction(20)

    def open_rig(self) -> Rig:
        return _RtspRig(RtspCamera(rate=20))

    def close_rig(self, rig: Rig) -> None:
        assert isinstance(rig, _RtspRig)
        rig.camera.close()


class _SceneRig(Rig):
    """The scene's faults begin where its settings say: now."""

    def __init__(self, source: SceneSource) -> None:
        super().__init__(source)
        self.scene = source

    def _now(self, fault: str) -> None:
        at_s = (time.monotonic_ns() - self.scene.epoch_ns) / 1e9
        self.scene.settings = replace(self.scene.settings, **{fault: at_s})

    def cut(self) -> None:
        self._now("lost_at")

    def freeze(self) -> None:
        self._now("freeze_at")

    def blacken(self) -> None:
        self._now("black_at")

    def change_size(self) -> None:
        self._now("change_at")


class TestScene(PictureFaultContract):
    adapter = "hw.sim.scene.SceneSource"
    ran_on = "itself: a rendered operation"
    rate = NTSC_60

    def open_rig(self) -> Rig:
        return _SceneRig(SceneSource(f"scene://?width=320&height=180&rate={self.rate}&sound=0"))


def painted(index: int, width: int, height: int) -> U8:
    """NV12: a bar that moves, tight rows."""
    data = np.full(width * height * 3 // 2, 128, np.uint8)
    luma = data[: width * height].reshape(height, width)
    luma[:] = np.linspace(40, 120, width, dtype=np.uint8)
    luma[:, (index * 4) % (width - 16) : (index * 4) % (width - 16) + 16] = 200
    return data


class _JetsonRig(Rig):
    def __init__(self, camera: SimCamera, uri: str, rate: Fraction) -> None:
        self.camera, self._stack = camera, ExitStack()
        self._stack.enter_context(installed(camera))
        super().__init__(JetsonCapture(uri, KERNELS, width=camera.width, height=camera.height, rate=rate))

    def cut(self) -> None:
        self.camera.plugged = False

    def freeze(self) -> None:
        self.camera.frozen = True

    def blacken(self) -> None:
        self.camera.paint = lambda _index, width, height: np.concatenate(
            [np.full(width * height, 16, np.uint8), np.full(width * height // 2, 128, np.uint8)])

    def change_size(self) -> None:
        self.camera.width, self.camera.height = 640, 360

    def halve_rate(self) -> None:
        self.camera.rate /= 2

    def lose(self, frames: int) -> None:
        self.camera.skip = frames

    def forget(self) -> None:
        self._stack.close()


class TestJetsonUtils(TimingFaultContract):
    adapter = "hw.jetson.capture.JetsonCapture"
    ran_on = "emulated: a stand-in for jetson_utils with its manners (hw.sim.jetson_utils)"
    rate = Fraction(60)

    def open_rig(self) -> Rig:
        return _JetsonRig(SimCamera(painted, rate=self.rate), "/dev/video0", self.rate)

    def close_rig(self, rig: Rig) -> None:
        assert isinstance(rig, _JetsonRig)
        rig.forget()

    @pytest.mark.parametrize("pixel_format", ["nv12", "i420", "uyvy", "yuyv", "rgb8"])
    def test_every_raw_format_is_taken_in_with_its_own_size(self, pixel_format: str) -> None:
        """Their `shape` says three bytes a pixel for each of them."""
        halves = {"nv12": 3, "i420": 3, "uyvy": 4, "yuyv": 4, "rgb8": 6}[pixel_format]

        def grey(index: int, width: int, height: int) -> U8:
            return np.full(width * height * halves // 2, 128, np.uint8)

        rig = _JetsonRig(SimCamera(grey, pixel_format=pixel_format), "/dev/video0", Fraction(30))
        try:
            frame = take(rig.source, rig.source.open(), 1)[0]
            assert 120 <= frame.luma.min() <= frame.luma.max() <= 130
            assert 126 <= frame.chroma.min() <= frame.chroma.max() <= 130
        finally:
            rig.source.close()
            rig.forget()

    def test_a_camera_that_has_no_whole_rate_is_refused_with_the_way_out(self) -> None:
        """The library asks for 59 frames a second where 59.94 is meant, and then nothing ever comes."""
        rig = _JetsonRig(SimCamera(painted, rate=NTSC_60), "/dev/video0", NTSC_60)
        try:
            assert 'source.capture = "gstreamer"' in refuses(rig).todo
        finally:
            rig.forget()

    def test_an_unplugged_camera_does_not_open(self) -> None:
        camera = SimCamera(painted)
        rig = _JetsonRig(camera, "/dev/video0", Fraction(30))
        try:
            camera.plugged = False
            assert "/dev/video0" in refuses(rig).what
        finally:
            rig.forget()


class TestV4l2OnBench(CameraOnBench):
    adapter = "firmware.pipeline.source_gst.GstSource"
    bench = "frame_source.v4l2"
    ran_on = "virtual bench (QEMU, Debian's 6.12 kernel): the kernel's vivid, cut off too; no hardware yet"
    capture: Capture = "gstreamer"

    def test_its_driver_says_that_pictures_are_whole(self) -> None:
        assert field_of(self.settings.device) == "whole"


class TestJetsonUtilsOnBench(CameraOnBench):
    adapter = "hw.jetson.capture.JetsonCapture"
    bench = "frame_source.jetson_utils"
    ran_on = "no hardware yet"
    capture: Capture = "jetson-utils"
