"""`make power-cut`: cuts the power of a disk under a live recording, again and again, and prints what was lost.

Needs root, nbdkit with its Python plugin, nbdfuse, fusermount3 and ext4. docs/reliability.md says what it shows.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.powercut.disk import CutDisk, CutTold
from tests.powercut.judge import judge
from tests.powercut.report import Cut, passed, report
from tests.powercut.unit import CutUnit

FLUSH_S = 0.02
"""How long the disk takes for a flush: a slow solid-state disk."""
RECORD_S, START_S, STOP_S, BOOT_S = 5.0, 2.0, 0.5, 2.0
"""The longest wait before a cut: after a recording runs, after it or its end is asked for, after a start of all."""
OTHER_EVERY, STOPPING, RECOVERING, STARTING = 12, 3, 6, 9
RECORDING = "while recording"
WRITES = 16


class PowerCuts:
    """One disk and one unit through all the cuts."""

    def __init__(self, work: Path, seed: int, *, detectors: bool) -> None:
        self._work, self._rng = work, random.Random(seed)
        self._disk = CutDisk(work, FLUSH_S)
        self._unit = CutUnit(work, self._disk.folder, detectors=detectors)
        self._power_on()

    def end(self) -> None:
        self._unit.kill()
        self._disk.put_away()

    def round(self, number: int) -> list[Cut]:
        """Cut one recording (every so often its start, its stop, or the recovery after it) and judge what is left."""
        self._unit.ready()
        earlier, known = self._unit.told(), self._names()
        turn = number % OTHER_EVERY
        self._unit.ask_start()
        if turn == STARTING:
            self._unit.listen(self._rng.uniform(0, START_S))
        else:
            self._unit.started()
            self._unit.listen(self._rng.uniform(0, RECORD_S))
        if turn == STOPPING:
            self._unit.ask_stop()
            self._unit.listen(self._rng.uniform(0, STOP_S))
        cut, told = self._cut()
        before = self._unit.watch.before(cut)
        cuts = []
        if turn == RECOVERING:
            time.sleep(self._rng.uniform(0, BOOT_S))
            again, _ = self._cut()
            cuts.append(Cut("while starting again", again.mood, again.unflushed_writes, "", 0, None))
        self._unit.ready()
        kinds = {kind for _, kind, _ in told - earlier}
        moment = ("while stopping" if turn == STOPPING else RECORDING if "started" in kinds
                  else "while starting a recording")
        found = judge(self._recording(known), self._unit.keystore, self._unit.key, self._work)
        problem = found.problem
        if not problem and "sealed" in kinds and found.state != "sealed":
            problem = f"it was told to be sealed and is {found.state}"
        lost_s = (cut.at_ns - found.end_ns) / 1e9 if moment == RECORDING and not problem else None
        cuts.append(Cut(moment, cut.mood, cut.unflushed_writes, found.state, found.frames, lost_s, problem,
                        len(told - self._unit.told()), before))
        return cuts

    def _cut(self) -> tuple[CutTold, set[tuple[int, str, str]]]:
        """The power goes, the processes with it, and comes back. Also all events that had been told by then."""
        cut = self._disk.cut(self._rng.randrange(2**32), self._rng.choice((0, self._rng.randint(1, WRITES))))
        told = self._unit.told()
        self._unit.kill()
        self._disk.put_away()
        self._power_on()
        return cut, told

    def _power_on(self) -> None:
        self._disk.power_on()
        self._unit.boot()

    def _names(self) -> set[str]:
        return {path.name for path in self._unit.recordings.iterdir()}

    def _recording(self, known: set[str]) -> Path:
        names = {name.split(".")[0] for name in self._names() - known}
        if len(names) > 1:
            raise RuntimeError(f"one recording was made, these are there: {sorted(names)}")
        return self._unit.recordings / f"{''.join(names) or 'none'}.scrub"


def main() -> int:
    """`--cuts` counts those of a running recording; the others come on top. Exit status 1 when one went wrong."""
    parser = argparse.ArgumentParser(prog="power-cut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--detectors", action="store_true", help="with the detectors; without, nothing is looked for")
    parser.add_argument("--out", type=Path, default=Path("power-cut-out"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the disk is put away
    work = Path(tempfile.mkdtemp(prefix="power-cut-"))
    cuts: list[Cut] = []
    bench = PowerCuts(work, options.seed, detectors=options.detectors)
    try:
        with open(options.out / "cuts.jsonl", "w", encoding="utf-8") as lines:
            for number in itertools.count():
                done = sum(1 for cut in cuts if cut.moment == RECORDING)
                if done >= options.cuts:
                    break
                for cut in bench.round(number):
                    cuts.append(cut)
                    lines.write(json.dumps({"round": number} | dataclasses.asdict(cut)) + "\n")
                    lines.flush()
                    lost = "" if cut.lost_s is None else f", {cut.lost_s:.3f} s lost"
                    print(f"{done + 1}/{options.cuts} {cut.moment}: {cut.state}{lost} {cut.problem}", flush=True)
    finally:
        bench.end()
        for name in ("unit.log", "disk.log"):
            shutil.copy(work / name, options.out / name)
        shutil.rmtree(work)
    text = report(cuts)
    print(text)
    (options.out / "report.txt").write_text(text + "\n", encoding="utf-8")
    return 0 if passed(cuts) else 1


if __name__ == "__main__":
    sys.exit(main())
