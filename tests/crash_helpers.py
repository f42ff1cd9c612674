"""Runs an operation of the product on a simulated disk, cuts the power at every place, and checks every state left."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firmware.durable import files_on
from firmware.errors import ScrubcamError
from hw.sim.crash import State, states
from hw.sim.files import Said, SimFiles

SAMPLES = int(os.environ.get("SCRUBCAM_CRASH_SAMPLES", "2"))
"""Random states for each cut beside the regular ones: 2 in the suite, more in `make crash`."""
SEED = int(os.environ.get("SCRUBCAM_SEED", "1"))

Tree = dict[str, bytes | None]
Operation = Callable[[SimFiles, Path], None]
Check = Callable[[Path, list[object]], None]


@dataclass
class Tally:
    """What was tried for one operation; printed by `make crash`."""

    name: str
    cuts: int = 0
    states: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def count(self, state: State) -> None:
        self.states += 1
        self.kinds.update(state.kinds)


TALLIES: list[Tally] = []


def tree_of(folder: Path) -> Tree:
    """Everything below a folder: path -> content, None for a folder."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def lay_out(tree: Tree, folder: Path) -> Path:
    """An empty folder filled with `tree`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    State(dict(sorted(tree.items())), frozenset()).lay_out(str(folder))
    return folder


@contextlib.contextmanager
def simulated(folder: Path) -> Iterator[SimFiles]:
    """The product's durable writes go to a simulated disk on `folder`; nothing may have gone past it at the end."""
    disk = SimFiles(str(folder))
    with files_on(disk):
        yield disk
    kept = next(states(disk, len(disk.log), seed=0, samples=0))
    assert kept.tree == tree_of(folder), "something was written past the port"


def crash_everywhere(
    name: str, work: Path, operation: Operation, check: Check, *, start: Tree | None = None, samples: int = SAMPLES
) -> Tally:
    """Run `operation(disk, folder)` once; then for each cut, for each state, `check(folder, promises made)`.

    Promises are what the operation told with `disk.say` before the cut. A promise made right after a change of the
    disk holds for the cut right behind that change.
    """
    tally = Tally(name)
    with simulated(lay_out(start or {}, work / "run")) as disk:
        operation(disk, work / "run")
    for cut, said in places(disk):
        tally.cuts += 1
        for state in states(disk, cut, seed=SEED, samples=samples):
            tally.count(state)
            folder = lay_out(state.tree, work / "state")
            try:
                check(folder, said)
            except Exception as error:
                last = [type(change).__name__ for change in disk.log[max(0, cut - 4) : cut]]
                raise AssertionError(f"{name}: cut after entry {cut} of {len(disk.log)} ({last}), state "
                                     f"{sorted(state.kinds)}, promised {said}: {error}") from error
    TALLIES.append(tally)
    return tally


def places(disk: SimFiles) -> Iterator[tuple[int, list[object]]]:
    """(entries of the log before the cut, promises made by then), for each different place."""
    said: list[object] = []
    for cut in range(len(disk.log) + 1):
        if cut and isinstance(disk.log[cut - 1], Said):
            said.append(disk.log[cut - 1].what)  # type: ignore[union-attr]
        if cut == len(disk.log) or not isinstance(disk.log[cut], Said):
            yield cut, list(said)


def crash_until_done(folder: Path, operation: Operation, rng: random.Random, tally: Tally) -> int:
    """Run `operation` on what is in `folder`, cut it at a random place, go on from a random state, until it completes.

    Returns how often it was cut. `folder` is what the last run left.
    """
    for crashes in range(6):
        with simulated(folder) as disk:
            operation(disk, folder)
        if crashes == 5 or not disk.log:
            return crashes
        cut, _ = rng.choice(list(places(disk)))
        state = rng.choice(list(states(disk, cut, seed=rng.randrange(2**32), samples=SAMPLES)))
        tally.count(state)
        lay_out(state.tree, folder)
    return 5


def faults_everywhere(work: Path, operation: Operation, check: Callable[[Path, SimFiles, bool], None],
                      code: int, *, once: bool, start: Tree | None = None) -> int:
    """Run `operation` again and again, each time with another call failing; `check(folder, disk, it raised)`.

    Returns how many calls there were. An error that is no named fault goes through.
    """
    call = 0
    while True:
        folder = lay_out(start or {}, work / "fault")
        disk = SimFiles(str(folder))
        disk.fail(call, code, once=once)
        raised = False
        with files_on(disk):
            try:
                operation(disk, folder)
            except (ScrubcamError, FileExistsError):
                raised = True
        if disk.calls <= call:
            return call
        disk.repair()
        try:
            check(folder, disk, raised)
        except Exception as error:
            raise AssertionError(f"with call {call} failing ({os.strerror(code)}, once: {once}): {error}") from error
        call += 1
