"""A second of encoding for the self-test: does the configured encoder start, and is a hardware one really hardware?"""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from firmware import config
from firmware.pipeline.encode import make_encoder
from hw.jetson import nvenc
from hw.ports import StreamFormat

_FMT = StreamFormat(1280, 720, Fraction(30), live=False)
_FRAMES = 30
_PERIOD_NS = 33_333_333
_FINISH_S = 20.0
_REST_S = 0.2


def try_encoder(cfg: config.Encode, devices: Path = nvenc.DEVICES) -> str:
    """Encode a second of grey steps; returns what did it. `devices`: where the kernel shows its engines.

    Raises PartMissing (not installed, or not in hardware), ConfigError, PipelineDied.
    """
    encoder = make_encoder(cfg)
    before = nvenc.active_ms(devices)
    try:
        encoder.open(_FMT)
        for number in range(_FRAMES):
            frame = np.full(_FMT.frame_bytes, 64 + 4 * number, np.uint8)
            encoder.push(frame, number * _PERIOD_NS, release=lambda: None)
        units = encoder.finish(_FINISH_S)
    finally:
        encoder.close()
    told = f"{encoder.name}, {len(units)} frames"
    if cfg.encoder != "nvv4l2":
        return told
    time.sleep(_REST_S)  # the kernel adds up when the engine goes to sleep
    return f"{told}, in hardware: {nvenc.proof(before, nvenc.active_ms(devices))}"
