"""python -m tests.soak [--frames N] [--seed N]: the long soak, with a table of what went in and came out."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.soak.judge import Leak
from tests.soak.life import Tally, live_one

LONGEST = 4000
"""Frames of one life."""


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    asked.add_argument("--frames", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=int(time.time()))
    options = asked.parse_args()
    console = Console()
    console.print(f"seed {options.seed}, {options.frames:,} frames")
    tally = Tally()
    started = time.process_time()
    try:
        with Progress(console=console) as bar:
            task = bar.add_task("frames", total=options.frames)
            while tally.frames < options.frames:
                live_one(options.seed + tally.lives, tally, min(LONGEST, options.frames - tally.frames))
                bar.update(task, completed=tally.frames)
    except Leak as leak:
        console.print(f"[bold red]BROKEN[/] {leak}")
        return 1
    report(console, tally, time.process_time() - started)
    return 0


def report(console: Console, tally: Tally, cpu_s: float) -> None:
    """The table."""
    table = Table("injected", "times", "came out", "frames", title=f"{tally.frames:,} frames in {tally.lives:,} lives")
    left = [(name, f"{count:,}") for name, count in sorted(tally.injected.items()) if count]
    right = [(name, f"{count:,}") for name, count in tally.came_out.most_common()]
    right += [("lost with a pipeline that died", f"{tally.lost_with_pipeline:,}")]
    right += [("", ""), *((f"life ended: {name}", f"{count:,}") for name, count in tally.ended.most_common())]
    right += [("", ""), *((f"alert {name}", f"{count:,}") for name, count in tally.alerts.most_common())]
    for at in range(max(len(left), len(right))):
        table.add_row(*(left[at] if at < len(left) else ("", "")), *(right[at] if at < len(right) else ("", "")))
    console.print(table)
    console.print(
        f"None left without a verdict, none clear without evidence on both sides, each once and in order; at most "
        f"{tally.most_held} questions or answers held in one place. {tally.simulated_s / 3600:.1f} h simulated, "
        f"{cpu_s:.0f} s of CPU."
    )


if __name__ == "__main__":
    sys.exit(main())
