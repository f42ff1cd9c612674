"""The table and the histogram that `make power-cut` prints. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.powercut.watch import Before

BIN_S = 0.05
LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut. `lost_s` is None when it did not cut a recording that was shown as running."""

    moment: str
    mood: str
    unflushed_writes: int
    state: str
    frames: int
    lost_s: float | None
    problem: str = ""
    events_lost: int = 0
    before: Before | None = None


def report(cuts: Sequence[Cut]) -> str:
    """Counts by moment and by what the disk did, then the seconds lost."""
    lost = sorted(cut.lost_s for cut in cuts if cut.lost_s is not None)
    lines = ["| the cut came | cuts | amid unflushed writes | interrupted | sealed | held nothing | unreadable |",
             "|---|---|---|---|---|---|---|"]
    for moment in sorted({cut.moment for cut in cuts}):
        group = [cut for cut in cuts if cut.moment == moment]
        states = Counter(cut.state for cut in group if not cut.problem)
        row = (moment, len(group), sum(1 for cut in group if cut.unflushed_writes), states["interrupted"],
               states["sealed"], states["unstarted"] + states["absent"], sum(1 for cut in group if cut.problem))
        lines.append("| " + " | ".join(map(str, row)) + " |")
    moods = Counter(cut.mood for cut in cuts if cut.unflushed_writes)
    lines.append("\nUnflushed writes were: " + ", ".join(f"{mood} {count}" for mood, count in sorted(moods.items())))
    lines.append(f"\ncuts {len(cuts)}, unreadable files {sum(1 for cut in cuts if cut.problem)}, "
                 f"events told and then gone {sum(cut.events_lost for cut in cuts)}")
    if lost:
        lines.append(f"\nseconds lost in {len(lost)} cuts: least {lost[0]:.3f}, median {lost[len(lost) // 2]:.3f}, "
                     f"95 of 100 {lost[int(len(lost) * 0.95)]:.3f}, most {lost[-1]:.3f} (limit {LIMIT_S:.1f})\n")
        bins = Counter(int(value / BIN_S) for value in lost)
        for number in range(min(bins), max(bins) + 1):
            lines.append(f"    {number * BIN_S:.2f} s  {bins[number]:4d}  {'#' * bins[number]}")
    return "\n".join(lines)


def passed(cuts: Sequence[Cut]) -> bool:
    """Nothing unreadable, no event gone, nothing lost beyond the limit."""
    return not any(c.problem or c.events_lost or (c.lost_s is not None and c.lost_s > LIMIT_S) for c in cuts)
