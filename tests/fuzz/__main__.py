"""python -m tests.fuzz [--executions N] [--only NAME]: every parser, fuzzed guided by coverage (atheris); a table."""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

FINDS = Path("fuzz-out")
LONGEST_BYTES = 1 << 16
HANG_S = 20
TIMEOUT_S = 6 * 3600


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--executions", type=int, default=1_000_000, help="for each target")
    asked.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    asked.add_argument("--run", choices=list(TARGETS), help=argparse.SUPPRESS)
    asked.add_argument("--corpus", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.run:
        _fuzz(options.run, options.corpus, options.executions)
    return _all(options.only, options.executions)


def _all(names: list[str], executions: int) -> int:
    console = Console()
    FINDS.mkdir(exist_ok=True)
    table = Table("parser", "executions", "executions/s", "places reached", "found", title="Fuzzing")
    broken = 0
    with Progress(console=console) as bar, tempfile.TemporaryDirectory(prefix="scrubcam-fuzz-") as folder:
        task = bar.add_task("targets", total=len(names))
        for name in names:
            bar.update(task, description=name)
            log = _one(name, executions, Path(folder, name))
            done, rate, reached, problem = read_log(log)
            broken += bool(problem)
            table.add_row(name, f"{done:,}", f"{rate:,}", f"{reached:,}", problem or "nothing")
            bar.advance(task)
    console.print(table)
    if broken:
        console.print(f"[bold red]{broken} parser(s) broke.[/] The inputs lie in {FINDS}/.")
    return 1 if broken else 0


def _one(name: str, executions: int, corpus: Path) -> str:
    """Fuzz one target in a process of its own; returns what libFuzzer said."""
    corpus.mkdir()
    for number, data in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz", "--run", name, "--corpus", str(corpus),
               "--executions", str(executions)]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
    (FINDS / f"{name}.log").write_text(run.stdout + run.stderr)
    return run.stdout + run.stderr if run.returncode == 0 else run.stdout + run.stderr + "\nBROKEN\n"


def read_log(log: str) -> tuple[int, int, int, str]:
    """(executions, executions a second, edges covered, what broke or "") from libFuzzer's words."""
    done = re.findall(r"Done (\d+) (?:runs )?in (\d+) second", log)
    numbers = re.findall(r"^#(\d+)\s+\w+\s+cov: (\d+)", log, re.MULTILINE)
    executions = int(done[-1][0]) if done else max((int(count) for count, _ in numbers), default=0)
    seconds = max(1, int(done[-1][1])) if done else 1
    reached = max((int(edges) for _, edges in numbers), default=0)
    if "BROKEN" not in log:
        return executions, executions // seconds, reached, ""
    found = re.findall(r"=== Uncaught Python exception: ===\s*\n(.*)", log) or re.findall(r"ERROR: (.*)", log)
    return executions, executions // seconds, reached, (found[0] if found else "ended with an error")[:100]


def _fuzz(name: str, corpus: str, executions: int) -> None:
    """Never returns. The parsers are imported anew under atheris, which then sees which branches an input takes."""
    import atheris
    import structlog

    # A file that is damaged is told in the log, and here every file is damaged.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ours = ("firmware", "hil", "hw", "tests", "tomllib")
    for module in [module for module in sys.modules if module.split(".")[0] in ours]:
        if module != "tests.fuzz.__main__":
            del sys.modules[module]
    with atheris.instrument_imports(include=["firmware", "hil", "hw", "tomllib", "tomli"]):
        from tests.fuzz.targets import TARGETS as instrumented
    arguments = [sys.argv[0], f"-runs={executions}", f"-max_len={LONGEST_BYTES}", f"-timeout={HANG_S}",
                 f"-artifact_prefix={FINDS}/{name}-", "-print_final_stats=0", "-rss_limit_mb=4096", corpus]
    atheris.Setup(arguments, instrumented[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
