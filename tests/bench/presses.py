"""`make bench`, the pedal: from the foot on the simulated wire to the light, and to the first sealed byte on the disk;
how many of ten thousand presses are lost, and of ten thousand bursts of noise taken for one.

A whole recorder runs, with its pipeline and a real file system. A foot closes the simulated contact over the board's
socket; what the lights showed, and when, is the board's own log; when bytes were on the disk is the recorder's journal.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from firmware.config import Controls
from tests.contact_trains import Counted, bursts, presses
from tests.recorder_helpers import CONSENT, Listener, Unit, until

MS = 1_000_000
LIGHT_BOUND_MS, DISK_BOUND_MS = 150.0, 1000.0
DEBOUNCE_NS = round(Controls().debounce_s * 1e9)
TRAINS = 10_000
BARS = 12
WIDTH = 46
console = Console(highlight=False, width=120)


@dataclass
class Waits:
    """In ms from the moment at which the foot closed the contact."""

    light: list[float] = field(default_factory=list)
    """Until a light changed: the visible confirmation."""
    disk: list[float] = field(default_factory=list)
    """Of presses that started a recording: until its first sealed bytes were on the disk."""
    lit: list[float] = field(default_factory=list)
    """Until the record light said so."""
    held: list[float] = field(default_factory=list)
    """How long the contact was closed in such a press."""
    unanswered: int = 0


def run(unit: Unit, listener: Listener, starts: int, rng: random.Random, consent_s: tuple[float, float]) -> Waits:
    """So many recordings: each a press that starts, a bookmark, a pause, its end, and a hold that stops.

    The press comes `consent_s` after the consent: nothing from before that may be in the pre-roll.
    """
    waits, seen_ns = Waits(), time.monotonic_ns()
    for _ in range(starts):
        assert listener.ask("consent", consent=CONSENT).ok
        time.sleep(rng.uniform(*consent_s))  # no rhythm with anything in the recorder
        tap(unit, "pedal", rng)
        unit.light("record", "on", 30.0)
        tap(unit, "pedal", rng)
        tap(unit, "privacy", rng)
        tap(unit, "privacy", rng)
        tap(unit, "pedal", rng, (0.9, 1.2))
        _sealed(listener, listener.kinds().count("started"))
        log: list[dict[str, Any]] = unit.board("log")["log"]  # type: ignore[assignment]
        seen_ns = collect(waits, [entry for entry in log if entry["monotonic_ns"] > seen_ns], listener)
    return waits


def tap(unit: Unit, line: str, rng: random.Random, how_long_s: tuple[float, float] = (0.08, 0.35)) -> None:
    """A foot for so long, and a moment of rest."""
    held_s = rng.uniform(*how_long_s)
    unit.board(f"tap {line} {held_s:.3f}")
    time.sleep(held_s + rng.uniform(0.2, 0.5))


def collect(waits: Waits, log: Sequence[dict[str, Any]], listener: Listener) -> int:
    """Add what happened in one case; returns the time of the newest entry."""
    for index, entry in enumerate(log):
        if entry["kind"] == "press":
            soonest_ns = entry["monotonic_ns"] + DEBOUNCE_NS  # a light that changes before that answers something else
            answer = next((one for one in log[index + 1:]
                           if one["kind"] == "light" and one["monotonic_ns"] >= soonest_ns), None)
            if answer is None:
                waits.unanswered += 1
            else:
                waits.light.append((answer["monotonic_ns"] - entry["monotonic_ns"]) / MS)
    foot, *_ = [entry["monotonic_ns"] for entry in log if entry["kind"] == "press"]
    up, *_ = [entry["monotonic_ns"] for entry in log if entry["kind"] == "release"]
    lit, *_ = [entry["monotonic_ns"] for entry in log if (entry["name"], entry["value"]) == ("record", "on")]
    *_, durable_ns = [int(event.fields["durable_ns"]) for event in listener.events if event.kind == "started"]
    waits.disk.append((durable_ns - foot) / MS)
    waits.lit.append((lit - foot) / MS)
    waits.held.append((up - foot) / MS)
    return int(log[-1]["monotonic_ns"])


def _sealed(listener: Listener, count: int) -> None:
    until(lambda: (listener.read(), [e.kind for e in listener.events].count("sealed") >= count)[1], 60.0, "a seal")
    listener.state("READY", 30.0)


def histogram(title: str, waits_ms: Sequence[float], bound_ms: float) -> Table:
    """How the waits are spread, one bar for each part of the way from 0 to the longest."""
    step = max(max(waits_ms), 1.0) / BARS
    table = Table(title=title, title_justify="left")
    for column in ("ms", "presses", ""):
        table.add_column(column, justify="left" if not column else "right")
    counts = [sum(1 for wait in waits_ms if min(int(wait / step), BARS - 1) == bar) for bar in range(BARS)]
    for bar, count in enumerate(counts):
        if count or any(counts[:bar]):
            table.add_row(f"{bar * step:.0f}-{(bar + 1) * step:.0f}", str(count),
                          "█" * -(-count * WIDTH // max(counts)))
    over = sum(1 for wait in waits_ms if wait > bound_ms)
    table.caption = f"bound {bound_ms:g} ms: {over} of {len(waits_ms)} over it"
    return table


def report(waits: Waits, hasty: Waits, trains: Sequence[tuple[str, Counted]]) -> None:
    """All figures, as they go into docs/benchmarks.md. `hasty` presses came right after the consent."""
    table = Table(title="The pedal, through the simulated wire of a whole recorder (ms)")
    for column in ("from the foot on the contact to", "presses", "median", "95 %", "99 %", "longest", "bound"):
        table.add_column(column, justify="left" if column.startswith("from") else "right")
    for name, values, bound in (
        ("the ready light answers", waits.light, f"{LIGHT_BOUND_MS:g}"),
        ("first sealed bytes on the disk", waits.disk, f"{DISK_BOUND_MS:g}"),
        ("the same, from when the foot came up", [a - b for a, b in zip(waits.disk, waits.held, strict=True)], ""),
        ("the record light says so", waits.lit, ""),
        ("first sealed bytes, pressed right after consent", hasty.disk, f"{DISK_BOUND_MS:g}"),
    ):
        spread = statistics.quantiles(values, n=100, method="inclusive")
        table.add_row(name, str(len(values)), f"{statistics.median(values):.0f}", f"{spread[94]:.0f}",
                      f"{spread[98]:.0f}", f"{max(values):.0f}", bound)
    console.print(table)
    console.print(histogram("foot to light", waits.light, LIGHT_BOUND_MS))
    console.print(histogram("foot to first sealed bytes", waits.disk, DISK_BOUND_MS))
    console.print(histogram("foot to first sealed bytes, pressed right after consent", hasty.disk, DISK_BOUND_MS))
    console.print(f"presses that no light answered: {waits.unanswered + hasty.unanswered}")
    for name, found in trains:
        made = ", ".join(f"{count} x {what}" for what, count in found.made.items()) or "no gesture"
        console.print(f"{found.trains} {name}: {made}; {found.polls} polls, {found.simulated_s / 3600:.1f} h simulated,"
                      f" longest gap between polls {found.longest_gap_ms:.0f} ms")


def measure(starts: int, seed: int = 1, uri: str = "") -> None:
    """Run everything and print it."""
    with tempfile.TemporaryDirectory(prefix="presses-") as folder:
        unit = Unit(Path(folder), **({"uri": uri} if uri else {}))
        try:
            listener, rng = unit.start(), random.Random(seed)
            listener.state("READY", 60.0)
            until(lambda: (listener.read(), [h for h in listener.healths if h.frames_out])[1], 60.0, "pictures")
            waits = run(unit, listener, starts, rng, (1.5, 3.0))
            hasty = run(unit, listener, max(2, starts // 5), rng, (0.0, 0.2))
            load = os.getloadavg()
        finally:
            if unit.process is not None:
                unit.stop()
    trains = [("presses with bounce", presses(TRAINS, seed)), ("bursts of noise, 1 to 15 ms", bursts(TRAINS, seed))]
    report(waits, hasty, trains)
    console.print(f"load at the end: {load[0]:.1f} over 1 min, {load[1]:.1f} over 5 min, on {os.cpu_count()} cores")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=100, help="Recordings; each has five presses.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--uri", default="", help="Another source than the small scene.")
    asked = parser.parse_args()
    measure(asked.starts, asked.seed, asked.uri)


if __name__ == "__main__":
    main()
