"""Presses, noise and every wiring fault through the unmodified Jetson.GPIO: how many were made, how many were seen.

    python -m tests.gpio_figures [--strokes 100] [--rounds 2] [--json]

The recorder's own adapter, debounce, gestures and alerts, polled in real time over the emulated header; runs itself
under umockdev-wrapper. Exit status 1 when a press or fault was lost or invented.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from firmware.config import Controls
from firmware.recorder import machine_types as t
from firmware.recorder.pedal_desk import PedalDesk

DEFINITIONS = ("agx-orin-one-wire", "orin-nx-two-wire")
LINES = ("pedal", "privacy")
POLL_S = 0.003
SHORTEST_S = 0.1
LEAST_POLLS = 15
NOTICED_S = 10.0
FAULTS = {
    "agx-orin-one-wire": {"unplug": "", "stick": "-stuck"},
    "orin-nx-two-wire": {"unplug": "", "stick": "-stuck", "cut": "-cut", "crush": "-crushed"},
}
"""What is done to a line -> what is behind its name in the alert's code. One wire shows no cut and no crush."""


@dataclass
class Figures:
    """What was done to one board, and what the recorder made of it; by line, and by alert code."""

    board: str
    presses_made: Counter[str] = field(default_factory=Counter)
    presses_seen: Counter[str] = field(default_factory=Counter)
    bursts_made: int = 0
    faults_made: Counter[str] = field(default_factory=Counter)
    faults_named: Counter[str] = field(default_factory=Counter)
    faults_healed: Counter[str] = field(default_factory=Counter)
    named_after_s: dict[str, float] = field(default_factory=dict)
    polls: int = 0
    longest_gap_ms: float = 0.0

    @property
    def right(self) -> bool:
        """None lost, none invented."""
        return (self.presses_made == self.presses_seen
                and self.faults_made == self.faults_named == self.faults_healed)


class _Run:
    """One board over the emulated header, polled as the recorder polls it."""

    def __init__(self, definition: str, seed: int) -> None:
        from hw.board_definition import read_definition
        from hw.header40 import CARRIERS
        from hw.jetson.pins import JetsonPins
        from hw.sim.gpiochip import SimGpioChips
        from hw.sim.header import SimHeader

        board = read_definition(definition)
        self.figures, self.rng = Figures(definition), random.Random(seed)
        self.hand = SimHeader(board, seed=seed)
        self._chips = SimGpioChips(self.hand, CARRIERS[board.board.carrier])
        self._desk = PedalDesk(Controls(hold_stop_s=3.0, stuck_s=4.0), JetsonPins(board))
        self._last_ns = time.monotonic_ns()

    def poll_for(self, seconds: float) -> None:
        """So long, and LEAST_POLLS polls: on a busy machine a press lasts as many polls as on an idle one."""
        end, polls = time.monotonic() + seconds, self.figures.polls + LEAST_POLLS
        while time.monotonic() < end or self.figures.polls < polls:
            self._poll()

    def poll_until(self, code: str, counted: Counter[str], wanted: int) -> None:
        """Until the alert was told so often; gives up after NOTICED_S, and then the figures show it."""
        end = time.monotonic() + NOTICED_S
        while counted[code] < wanted and time.monotonic() < end:
            self._poll()

    def _poll(self) -> None:
        time.sleep(POLL_S)
        now_ns, figures = time.monotonic_ns(), self.figures
        figures.polls += 1
        figures.longest_gap_ms = max(figures.longest_gap_ms, (now_ns - self._last_ns) / 1e6)
        self._last_ns = now_ns
        for told in self._desk.read(now_ns, ""):
            if isinstance(told, t.Alerted):
                (figures.faults_healed if told.cleared else figures.faults_named)[told.code] += 1
            elif told.gesture.kind == "press":
                figures.presses_seen[told.gesture.line] += 1

    def stroke(self, lines: tuple[str, ...]) -> None:
        """A foot on each of `lines` at once, noise on a line that is at rest."""
        for line in lines:
            self.hand.press(line)
            self.figures.presses_made[line] += 1
        self.poll_for(self.rng.uniform(SHORTEST_S, 0.25))
        for line in lines:
            self.hand.release(line)
        self.poll_for(SHORTEST_S)
        self.hand.burst(self.rng.choice(LINES), self.rng.uniform(0.001, 0.015))
        self.figures.bursts_made += 1
        self.poll_for(self.rng.uniform(0.05, 0.15))

    def fault(self, done: str, line: str, code: str) -> None:
        """Break one line, press the other meanwhile, mend it."""
        other, figures = LINES[1 - LINES.index(line)], self.figures
        if done == "stick":  # stuck under a foot: that press is none, for it does not end
            self.hand.press(line)
            self.poll_for(SHORTEST_S)
            if figures.presses_seen[line] > figures.presses_made[line]:
                figures.presses_made[line] += 1  # a line whose presses count as they begin
        broken = time.monotonic()
        getattr(self.hand, done)(line)
        self.hand.release(line)
        figures.faults_made[code] += 1
        self.poll_until(code, figures.faults_named, figures.faults_made[code])
        longest = max(time.monotonic() - broken, figures.named_after_s.get(code, 0.0))
        figures.named_after_s[code] = round(longest, 3)
        self.stroke((other,))
        self.hand.mend(line)
        self.poll_until(code, figures.faults_healed, figures.faults_made[code])
        self.poll_for(SHORTEST_S)


def measure(definition: str, strokes: int, rounds: int, seed: int = 1) -> Figures:
    """In this process, which has to be under umockdev-wrapper."""
    run = _Run(definition, seed)
    run.poll_for(0.2)
    for _ in range(strokes):
        run.stroke(run.rng.choice((("pedal",), ("privacy",), LINES)))
    for number in range(rounds):
        for line in LINES:
            for done, behind in FAULTS[definition].items():
                run.fault(done, line, line + behind)
            run.stroke(LINES if number % 2 else (line,))
    run.poll_for(0.3)
    return run.figures


def told(figures: Figures) -> str:
    """One board's figures in words."""
    made, seen = figures.presses_made.total(), figures.presses_seen.total()
    polled = f"{figures.polls} polls, longest gap {figures.longest_gap_ms:.0f} ms"
    lines = [f"{figures.board}: {made} presses made, {seen} seen; {figures.bursts_made} bursts of noise; {polled}"]
    for code, count in figures.faults_made.items():
        named, healed = figures.faults_named[code], figures.faults_healed[code]
        lines.append(f"  {code:16} {count} made, {named} named (within {figures.named_after_s[code]:.2f} s),"
                     f" {healed} healed")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--strokes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--board", choices=DEFINITIONS, action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    boards = options.board or DEFINITIONS
    if "libumockdev-preload" not in os.environ.get("LD_PRELOAD", ""):
        if shutil.which("umockdev-wrapper") is None:
            print("umockdev is not installed: apt install umockdev gir1.2-umockdev-1.0", file=sys.stderr)
            return 2
        given = [argument for argument in sys.argv[1:] if argument not in ("--board", *DEFINITIONS)]
        status = 0
        for board in boards:  # one simulated header in a process
            command = ["umockdev-wrapper", sys.executable, "-m", "tests.gpio_figures", *given, "--board", board]
            status = max(status, os.spawnvp(os.P_WAIT, command[0], command))
        return status
    figures = measure(boards[0], options.strokes, options.rounds)
    print(json.dumps(vars(figures)) if options.json else told(figures), flush=True)
    return 0 if figures.right else 1


if __name__ == "__main__":
    sys.exit(main())
