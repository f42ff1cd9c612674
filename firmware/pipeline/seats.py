"""Which detectors sit in the frame path, as the configuration says: real ones, or a replay that is named as one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from firmware.config import Detect
from firmware.messages import Configure
from firmware.pipeline.detect.types import Detector, DetectorKind
from firmware.pipeline.detect.worker import DetectorWorker
from firmware.pipeline.lookout import Seat, Worker
from firmware.pipeline.replay import ReplayWorker, load_detections
from hw.ports import U8, StreamFormat

FILE_QUEUE = 3
LIVE_QUEUE = 1
_NS = 1_000_000_000

Start = Callable[[], tuple[Callable[..., Any], Worker]]


def take_seats(cfg: Configure, fmt: StreamFormat) -> list[Seat]:
    """A seat for each configured detector. Raises PartMissing when a model is not there or not the right one."""
    wanted: list[tuple[DetectorKind, float]] = []
    if cfg.detect.faces:
        wanted.append(("face", cfg.detect.face_interval_s))
    if cfg.detect.text:
        wanted.append(("text", cfg.detect.text_interval_s))
    if cfg.detect.codes:
        wanted.append(("code", cfg.detect.code_interval_s))
    if cfg.replay_detections:
        recorded = load_detections(cfg.replay_detections)
        return [
            Seat(kind, f"replay of recorded {kind} detections", round(interval_s * _NS),
                 partial(_replay, kind, recorded))
            for kind, interval_s in wanted
            # Recorded before there was a detector for codes: StreamInfo.covers tells that nobody looked for them.
            if kind != "code" or any(kind == "code" for kind, _ in recorded)
        ]
    return [
        Seat(kind, _NAMES[kind], round(interval_s * _NS), partial(_real, kind, cfg, fmt))
        for kind, interval_s in wanted
    ]


_NAMES: dict[DetectorKind, str] = {
    "face": "CenterFace", "text": "PP-OCR detection", "code": "code structure and ZXing-C++",
}


def _replay(kind: DetectorKind, recorded: Any) -> tuple[Callable[..., Any], Worker]:
    worker = ReplayWorker(kind, recorded)
    return worker.prepare, worker


def _real(kind: DetectorKind, cfg: Configure, fmt: StreamFormat) -> tuple[Callable[..., Any], Worker]:
    # Imported here: a replay needs neither the models nor ONNX Runtime.
    from firmware.pipeline.detect.codes import CodeDetector
    from firmware.pipeline.detect.text import open_text

    detector: Detector
    if kind == "face":
        detector = face_detector(cfg.models_dir, cfg.detect)
    elif kind == "text":
        detector = open_text(cfg.models_dir, cfg.detect)
    else:
        detector = CodeDetector(cfg.detect)
    if fmt.live:
        _warm_up(detector, fmt)
    worker = DetectorWorker(
        detector, width=fmt.coded_width, height=fmt.coded_height, queue_bound=LIVE_QUEUE if fmt.live else FILE_QUEUE
    )
    return detector.prepare, worker


def face_detector(models_dir: str, settings: Detect) -> Detector:
    """The detector of faces, which answers with as much of each person as `settings.cover` says."""
    from firmware.pipeline.detect.faces import open_faces
    from firmware.pipeline.detect.people import HeadAndShoulders

    heads = open_faces(models_dir, settings)
    return HeadAndShoulders(heads) if settings.cover == "head-and-shoulders" else heads


def _warm_up(detector: Detector, fmt: StreamFormat) -> None:
    """The first look takes several times as long as the next ones: let it be at a grey picture, before any frame."""
    y: U8 = np.full((fmt.coded_height, fmt.coded_width), 126, np.uint8)
    uv: U8 = np.full((fmt.coded_height // 2, fmt.coded_width // 2, 2), 128, np.uint8)
    detector.detect(detector.prepare(y, uv))
