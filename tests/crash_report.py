"""`make crash`: the enumerated crash tests with many more random states, and the table of what was tried."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.crash_helpers import Tally


def main() -> int:
    """Run tests/test_crash_*.py in this process and print a row for each operation. Returns pytest's exit status."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--samples", type=int, default=40, help="random states for each cut, beside the regular ones")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["SCRUBCAM_CRASH_SAMPLES"] = str(options.samples)
    os.environ["SCRUBCAM_SEED"] = str(options.seed)
    here = Path(__file__).parent
    status = pytest.main(["-q", "-o", "timeout=3600", *map(str, sorted(here.glob("test_crash_*.py")))])
    from tests.crash_helpers import TALLIES  # after the environment is set, and as the tests filled it

    print(table(sorted(TALLIES, key=lambda tally: tally.name)))
    return int(status)


def table(tallies: list[Tally]) -> str:
    """A row for each operation, a column for each kind of state; a state may be of two (names and content)."""
    kinds = sorted({kind for tally in tallies for kind in tally.kinds})
    rows = [["operation", "cuts", "states", *kinds], ["---"] * (3 + len(kinds))]
    rows += [[tally.name, *map(str, (tally.cuts, tally.states, *(tally.kinds[kind] for kind in kinds)))]
             for tally in tallies]
    rows.append(["all", str(sum(t.cuts for t in tallies)), str(sum(t.states for t in tallies)),
                 *(str(sum(t.kinds[kind] for t in tallies)) for kind in kinds)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
