"""`scrubcam privacy-eval`: how much is still to be seen in what the product makes of labelled footage."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from firmware.cli.console import err, out
from firmware.cli.record_commands import CONFIG_HELP, Profile, scrub_settings, stop_on_signal
from firmware.errors import ConfigError, ScrubcamError

_TELL_EVERY_S = 10.0


class ClipsFailed(ScrubcamError):
    """The report is there, but some clips could not be judged."""

    code, exit_code = "clips-failed", 17


class Unfinished(ScrubcamError):
    """Stopped by Ctrl-C; the report tells of what was done."""

    code, exit_code = "stopped", 130


def register(app: typer.Typer) -> None:
    app.command("privacy-eval")(privacy_eval)


def privacy_eval(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder: ground_truth.json, CATEGORY/CLIP.mp4.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for report and outputs.")] = Path("privacy-eval-out"),
    profile: Annotated[Profile, typer.Option(help="How closely the detectors look.")] = "thorough",
    config: Annotated[Path | None, typer.Option(help=CONFIG_HELP)] = None,
    jobs: Annotated[int, typer.Option(help="Clips at the same time; 0: one for each core.", min=0, max=64)] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Only this category; repeat, or separate by commas.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many clips of each category; 0: all.", min=0)] = 0,
    outputs: Annotated[
        Path | None, typer.Option(help="Judge the films in this folder instead of making them.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show the worst places in the report.")
    ] = True,
) -> None:
    """Measure what is still to be seen: labelled footage through the product, judged, in one report.

    Leaves report.html, report.json and the outputs in the folder, for your eyes only: the report shows whom and what
    was missed. Run it again after a stop: outputs of the same clip, software and settings are taken as they are.
    """
    from firmware.evaluate.dataset import load_dataset
    from firmware.evaluate.identity import identify
    from firmware.evaluate.publish import OUTPUTS, REPORT_PAGE, evaluate, private_folder
    from firmware.evaluate.run import Plan

    wanted = [name for words in only or [] for name in words.split(",") if name]
    labelled = load_dataset(dataset, wanted, limit)
    private_folder(out_dir, dataset)
    if outputs is not None and not outputs.is_dir():
        raise ConfigError(f"{outputs} is no folder", meaning="Nothing was measured", todo="correct --outputs")
    settings = scrub_settings(config, None, None, profile, keep_sound=False)
    jobs = jobs or len(os.sched_getaffinity(0))
    plan = Plan(labelled, settings, identify(settings), out_dir / OUTPUTS, jobs, outputs)
    with stop_on_signal() as stop, _Bar(len(labelled.clips)) as bar:
        report = evaluate(plan, out_dir, bar.clip, bar.frames, stop, pictures=pictures)
    _tell(report)
    page = escape(str(out_dir / REPORT_PAGE))
    shows = "  It shows what was missed: keep it as safe as the data set." if pictures else ""
    out.print(f"[bold green]Report[/] {page}{shows}")
    counts = report["counts"]
    if report["partial"]:
        raise Unfinished(f"stopped: {counts['not_reached']} of {counts['clips']} clips were not reached",
                         meaning=f"{out_dir / REPORT_PAGE} tells of the others", todo="run it again to go on")
    if counts["failed"]:
        raise ClipsFailed(f"{counts['failed']} of {counts['clips']} clips could not be judged",
                          meaning="They are in no average; the report names them", todo="look at the report")


def _tell(report: dict[str, Any]) -> None:
    """The figures of each category and the verdicts, as lines."""
    for row in report["categories"]:
        recall = row["recall"]
        covered = "no boxes"
        if recall["boxes"]:
            exposure = f"longest exposure {row['longest_exposure']:3d}"
            covered = f"recall {recall['value']:8.2%} of {recall['boxes']:6d} boxes, {exposure}"
        false = f"false area {row['false_area']:6.2%}, false frames {row['false_frames']:7.2%}" if row["clips"] else ""
        failed = f", [red]{row['failed']} failed[/]" if row["failed"] else ""
        out.print(f"{escape(row['category']):14s} {row['clips']:4d} clips{failed}  {covered}  {false}")
    for goal in report["goals"]:
        if goal["verdict"] != "not measured":
            colour = {"met": "green", "missed": "red"}.get(goal["verdict"], "yellow")
            out.print(f"  [{colour}]{goal['verdict']:10s}[/] {escape(goal['name'])}")


class _Bar:
    """How far it is: a bar on a terminal, else a line every 10 s."""

    def __init__(self, clips: int) -> None:
        self._clips, self._done, self._boxes, self._leaks, self._failed = clips, 0, 0, 0, 0
        self._told_s = time.monotonic()
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"),
                TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[found]}"), console=err,
                transient=True,
            )
            self._task = self._bar.add_task("measuring", total=clips, found="")

    def __enter__(self) -> _Bar:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def clip(self, result: Any) -> None:
        """One clip is done."""
        with self._lock:
            if result.state == "not reached":
                return
            self._done += 1
            if result.figures is not None:
                self._boxes += len(result.figures.boxes)
                self._leaks += result.figures.leaks
            self._failed += result.state == "failed"
            self._show("")

    def frames(self, name: str, done: int, total: int) -> None:
        """Some frames of one clip have left the pipeline."""
        with self._lock:
            self._show(f"  {name} {done}{f'/{total}' if total else ''}")

    def _show(self, now: str) -> None:
        found = f"{self._leaks} of {self._boxes} boxes leak" + (f", {self._failed} failed" if self._failed else "")
        if self._bar:
            self._bar.update(self._task, completed=self._done, found=escape(found + now))
        elif time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._told_s = time.monotonic()
            err.print(escape(f"measuring  {self._done}/{self._clips} clips  {found}{now}"))
