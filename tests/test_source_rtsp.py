"""A network camera as a source: live times, the latest frames, and a lost signal told in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from firmware import config
from firmware.errors import SourceLost, SourceMissing
from firmware.pipeline.source import open_source
from hw.ports import U8, FrameSource
from tests.fill_helpers import KERNELS
from tests.rtsp_camera import RtspCamera

S = 1_000_000_000


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    made = RtspCamera()
    yield made
    made.close()


def read_on(source: FrameSource, into: U8) -> None:
    for _ in range(100):
        source.read(into, 0.1)


def test_a_network_camera_is_live_and_its_loss_is_noticed(camera: RtspCamera) -> None:
    source = open_source(config.Source(uri=camera.uri, lost_after_s=1.0), sound=False, kernels=KERNELS)
    try:
        fmt = source.open()
        assert (fmt.width, fmt.height, fmt.live) == (320, 180, True)
        into = np.empty(fmt.frame_bytes, np.uint8)
        times: list[int] = []
        deadline = time.monotonic() + 20
        while len(times) < 20 and time.monotonic() < deadline:
            taken = source.read(into, 0.2)
            if taken is not None:
                times.append(taken.pts_ns)
        assert len(times) == 20
        assert all(after > before for before, after in pairwise(times))
        assert abs(times[-1] - time.monotonic_ns()) < 5 * S, "on CLOCK_MONOTONIC"
        assert 0.5 * S < times[-1] - times[0] < 3 * S
        camera.cut()
        with pytest.raises(SourceLost):
            read_on(source, into)
    finally:
        source.close()


def test_a_network_camera_that_is_not_there() -> None:
    source = open_source(config.Source(uri="rtsp://doctor:secret@127.0.0.1:9/x"), sound=False, kernels=KERNELS)
    try:
        with pytest.raises(SourceMissing) as told:
            source.open()
        assert "secret" not in str(told.value)
    finally:
        source.close()
