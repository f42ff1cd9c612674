"""The code detector in its seat: through the real pipeline process no reader reads what was filled; replays stay as
they were recorded."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from firmware import config
from firmware.messages import Configure, Finished
from firmware.pipeline.detect.types import Detections, DetectorKind
from firmware.pipeline.replay import DetectionLog
from firmware.pipeline.seats import take_seats
from hw.ports import U8, StreamFormat
from tests.pipeline_helpers import run_pipeline
from tests.test_detect_codes import HEIGHT, WIDTH, read_by_any, shown

REAL_CODES = """
from firmware.pipeline import seats
from firmware.pipeline.detect.worker import DetectorWorker
class Nothing:
    def __init__(self, kind): self.kind = kind
    def prepare(self, y, uv): return None
    def detect(self, prepared): return ()
real = seats._real
def planted(kind, cfg, fmt):
    if kind == "code":
        return real(kind, cfg, fmt)
    it = Nothing(kind)
    return it.prepare, DetectorWorker(it, width=fmt.coded_width, height=fmt.coded_height, queue_bound=3)
seats._real = planted
"""


def film(path: Path, kind: str, frames: int = 20) -> Path:
    """A label that wanders and turns, at 10 frames a second."""
    pictures = [
        shown(kind, 3.0, 10 + 2 * n, at=(380 + 8 * n, 250 + 2 * n))[0] for n in range(frames)
    ]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", "10",
         "-i", "-", "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", str(path)],
        input=b"".join(picture.tobytes() for picture in pictures), check=True, capture_output=True, timeout=60,
    )
    return path


def luma(path: Path) -> U8:
    """Every frame, (N, H, W)."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                          check=True, capture_output=True, timeout=60)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH)


@pytest.mark.parametrize("kind", ["QRCode", "Code128"])
def test_a_moving_code_is_in_no_frame_that_was_encoded(kind: str, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", kind)
    if kind == "QRCode":  # turned bars are read by nobody before they are turned upright
        assert all(read_by_any(picture) for picture in luma(source)[::5])
    configure = Configure(config.Source(uri=str(source)), config.Encode(preset="ultrafast", quality=12),
                          config.Sound(), config.Detect(), "")
    heard = run_pipeline(configure, REAL_CODES).heard
    assert heard.last == Finished(20)
    assert heard.info is not None
    assert heard.info.covers == ["face", "text", "code"]
    assert heard.info.detectors[2] == "code structure and ZXing-C++"
    assert {verdict.kind for verdict in heard.verdicts} == {"masked"}
    out = tmp_path / "out.mp4"
    out.write_bytes(heard.info.init_segment + b"".join(fragment.data for fragment in heard.fragments))
    for picture in luma(out):
        assert read_by_any(picture) == []


@pytest.mark.parametrize("recorded", [("face", "text"), ("face", "text", "code")])
def test_a_replay_has_a_seat_for_codes_when_codes_were_recorded(
    recorded: tuple[DetectorKind, ...], tmp_path: Path
) -> None:
    path = str(tmp_path / "seen.jsonl")
    log = DetectionLog(path)
    for kind in recorded:
        log.write(Detections(kind, 0, ()))
    log.close()
    configure = Configure(config.Source(), config.Encode(), config.Sound(), config.Detect(), "",
                          replay_detections=path)
    seats = take_seats(configure, StreamFormat(64, 64, Fraction(10), live=False))
    assert tuple(seat.kind for seat in seats) == recorded
