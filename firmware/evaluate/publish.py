"""Writes report.json and report.html, for this user alone; looks at the worst places once more for their pictures."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from firmware.durable import write_durably
from firmware.errors import ConfigError, ScrubcamError
from firmware.evaluate.identity import identify, machine
from firmware.evaluate.page import make_page
from firmware.evaluate.pictures import Films, false_pictures, miss_pictures
from firmware.evaluate.report import Outcome, make_report
from firmware.evaluate.run import ClipResult, OnClip, OnFrames, Plan, run
from firmware.evaluate.worst import worst_false_fills, worst_misses
from firmware.recorder.scrub_once import Stopped

REPORT_JSON, REPORT_PAGE, OUTPUTS = "report.json", "report.html", "outputs"
_MODE = 0o600  # a report shows what was missed


def private_folder(folder: Path, dataset: Path) -> None:
    """Make `folder`, and the one for outputs in it, for this user alone.

    Raises ConfigError when it lies in the data set or cannot be written to.
    """
    if folder.resolve().is_relative_to(dataset.resolve()):
        raise ConfigError(f"{folder} lies in the data set", meaning="Nothing was measured",
                          todo="choose another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / OUTPUTS).mkdir(exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror or error})", meaning="Nothing was measured",
                          todo="choose another folder with --out") from None


def publish(outcome: Outcome, folder: Path, *, pictures: bool, stop: threading.Event) -> dict[str, Any]:
    """Write both files into `folder`, and give back what report.json holds. Raises DiskFault.

    Without pictures when they were not asked for, or when `stop` was set before they were drawn.
    """
    judged = [result for result in outcome.results if result.figures is not None]
    figures = [result.figures for result in judged if result.figures is not None]
    misses, fills = worst_misses(figures), worst_false_fills(figures)
    report = make_report(outcome, misses, fills)
    report["speed"]["machine"] = machine()
    films = {result.clip.name: _films(result) for result in judged}

    def go_on() -> None:
        if stop.is_set() and not outcome.stopped:
            raise Stopped("stopped while the pictures were drawn")

    shown: tuple[list[str], list[str]] = ([], [])
    if pictures:
        try:
            shown = miss_pictures(misses, films, go_on), false_pictures(fills, films, go_on)
        except ScrubcamError as error:  # figures without pictures are better than no report
            report["no_pictures"] = str(error)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    write_durably(str(folder / REPORT_JSON), text, mode=_MODE)
    write_durably(str(folder / REPORT_PAGE), make_page(report, *shown).encode(), mode=_MODE)
    return report


def evaluate(plan: Plan, folder: Path, on_clip: OnClip, on_frames: OnFrames, stop: threading.Event, *,
             pictures: bool) -> dict[str, Any]:
    """Work through the set and publish; what was done until `stop` is published too. Gives back the report."""
    started = time.monotonic()
    results: list[ClipResult] = run(plan, on_clip, on_frames, stop)
    seconds = time.monotonic() - started
    changed = plan.given is None and identify(plan.cfg).key != plan.identity.key
    return publish(Outcome(plan, results, stop.is_set(), seconds, changed), folder, pictures=pictures, stop=stop)


def _films(result: ClipResult) -> Films:
    assert result.output is not None
    return Films(result.clip, result.output.path)
