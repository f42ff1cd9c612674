"""`scrubcam scrub`: footage that exists already through the same pipeline, into a plain MP4 and a report."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from firmware import __version__
from firmware.config import Config
from firmware.durable import write_durably
from firmware.errors import ConfigError, ScrubcamError
from firmware.export.mp4 import export_mp4
from firmware.messages import Configure, Fragment, Progress, StreamInfo, Verdict
from firmware.recorder.pipeline_run import pictures
from firmware.statement import statement


class Stopped(ScrubcamError):
    """The operator ended it before the source's end."""

    code, exit_code = "stopped", 130


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """What was written. `seconds` is the footage's own time, `statement` what the film may be called."""

    path: str
    frames: int
    clean: int
    masked: int
    blanked: int
    regions: int
    size_bytes: int
    seconds: float
    statement: str = ""


def scrub(
    cfg: Config,
    in_path: str | Path,
    out_mp4: str | Path,
    report_path: str | Path | None,
    keep_audio: bool,
    on_progress: Callable[[Progress, int], None],
    stop_event: threading.Event,
    *,
    force: bool = False,
) -> ScrubResult:
    """Write `in_path`, scrubbed, as a plain MP4 of the same size, frame count and timing; and a verdict per frame.

    Nothing bears the name `out_mp4` before it is whole. Raises Stopped, DiskFault (also: the name is taken, without
    `force`), ConfigError (output over input) and the pipeline's own errors.
    """
    for written in (out_mp4, report_path):
        if written is not None and _same(in_path, written):
            raise ConfigError(f"{written} is the input itself", meaning="The footage was left as it is",
                              todo="choose another name for the output")
    if report_path is not None and os.path.abspath(report_path) == os.path.abspath(out_mp4):
        raise ConfigError(f"{report_path} cannot be both the film and its report", meaning="Nothing was written",
                          todo="choose another name for the report")
    configure = Configure(
        source=replace(cfg.source, uri=str(in_path)), encode=cfg.encode, sound=replace(cfg.sound, enabled=keep_audio),
        detect=cfg.detect, models_dir=cfg.paths.models_dir, sound_allowed=keep_audio,
        zones=cfg.zones, kernels=cfg.kernels, fill=cfg.fill,
    )
    run = _Run(on_progress, stop_event)
    items = pictures(configure, lambda: False, run.progress)
    with contextlib.closing(items):
        result = export_mp4(run.watched(items), str(out_mp4), force=force)
    if report_path is not None:
        text = msgspec.json.format(msgspec.json.encode(run.report(cfg, str(in_path))), indent=1)
        write_durably(str(report_path), text, mode=0o644)
    return run.result(str(out_mp4), result.size_bytes)


def _same(one: str | Path, other: str | Path) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


class _Run:
    """Counts what passes through."""

    def __init__(self, on_progress: Callable[[Progress, int], None], stop: threading.Event) -> None:
        self._on_progress, self._stop = on_progress, stop
        self._verdicts: list[Verdict] = []
        self._stream: StreamInfo | None = None
        self._first_ns, self._end_ns = -1, 0
        self._bytes = 0

    def progress(self, progress: Progress) -> None:
        """Pass it on, and look whether to stop. Raises Stopped: half a film is not left under the film's name."""
        if self._stop.is_set():
            raise Stopped("stopped before the end", meaning="No MP4 was written")
        self._on_progress(progress, self._bytes)

    def watched(self, items: Iterator[StreamInfo | Fragment]) -> Iterator[object]:
        """`items`, counted."""
        for item in items:
            if isinstance(item, StreamInfo):
                self._stream = item
            else:
                if self._first_ns < 0:
                    self._first_ns = item.pts_ns
                self._end_ns = item.pts_ns + item.duration_ns
                self._verdicts += item.verdicts
                self._bytes += len(item.data)
            yield item

    @property
    def statement(self) -> str:
        return statement([self._stream] if self._stream else [])

    def result(self, path: str, size_bytes: int) -> ScrubResult:
        kinds = [verdict.kind for verdict in self._verdicts]
        return ScrubResult(
            path=path, frames=len(kinds), clean=kinds.count("clean"), masked=kinds.count("masked"),
            blanked=kinds.count("blanked"), regions=sum(verdict.regions for verdict in self._verdicts),
            size_bytes=size_bytes, seconds=(self._end_ns - self._first_ns) / 1e9, statement=self.statement,
        )

    def report(self, cfg: Config, source: str) -> dict[str, Any]:
        """The JSON report: how it was made, a summary, and a verdict for each frame in order."""
        summary, stream = self.result("", 0), self._stream
        return {
            "software": f"scrubcam {__version__}",
            "source": os.path.basename(source),
            "statement": summary.statement,
            "profile": cfg.detect.profile,
            "detectors": stream.detectors if stream else [],
            "covers": stream.covers if stream else [],
            "site_zones": stream.site_zones if stream else [],
            "specialty": stream.profile if stream else "",
            "field_zones": stream.field_zones if stream else [],
            "encoder": stream.encoder if stream else "",
            "width": stream.width if stream else 0,
            "height": stream.height if stream else 0,
            "summary": {
                "frames": summary.frames, "clean": summary.clean, "masked": summary.masked,
                "blanked": summary.blanked, "regions": summary.regions, "seconds": round(summary.seconds, 6),
            },
            "verdicts": [
                {"frame": index, "pts_ns": v.pts_ns, "verdict": v.kind, "regions": v.regions, "reason": v.reason}
                for index, v in enumerate(self._verdicts)
            ],
        }
