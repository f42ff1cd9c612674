"""The short form of `make soak`: 20 000 frames through the real frame path under the same random faults."""

from __future__ import annotations

import pytest

from tests.soak.life import Tally, live_one
from tests.soak.workers import FAULTS
from tests.soak.world import PATTERNS

FRAMES = 20_000
LONGEST = 500


@pytest.fixture(scope="module")
def tally() -> Tally:
    """The soak itself raises Leak, with the seed of the life, when a promise breaks."""
    tally = Tally()
    while tally.frames < FRAMES:
        live_one(tally.lives, tally, min(LONGEST, FRAMES - tally.frames))
    return tally


def test_none_left_without_a_verdict_and_none_clear_without_evidence(tally: Tally) -> None:
    assert tally.frames == FRAMES
    assert sum(tally.came_out.values()) + tally.lost_with_pipeline == tally.frames, "each frame left exactly once"
    assert tally.came_out["clean"] == 0, "every picture of the soak shows something to cover"


def test_it_was_a_fair_trial(tally: Tally) -> None:
    """Most frames had their evidence, and every fault and every reason came up."""
    assert tally.came_out["masked"] > tally.frames // 3
    assert {name for name in FAULTS if not tally.injected[name]} == set()
    assert {"no-evidence-before", "no-evidence-after", "detector-failed", "bad-detection"} <= set(tally.came_out)
    assert sum(tally.injected[f"times {pattern}"] > 0 for pattern in PATTERNS) == len(PATTERNS)
    assert tally.injected["restart"] > 0
    assert tally.alerts["detector-failed:face"] + tally.alerts["detector-failed:text"] > 0
