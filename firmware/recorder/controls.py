"""From debounced lines to gestures: press, hold, double, stuck. Pure; what one means is mapping.py's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hw.debounce import DebouncedLine, step

GestureKind = Literal["press", "hold", "double", "stuck", "unstuck"]
UNSEEN = DebouncedLine()
SEEN_NS = 800_000_000
"""A closed contact is answered by the ready light for at most so long."""


@dataclass(frozen=True, slots=True)
class Gesture:
    """`line` is the input's role ("pedal", "privacy"), `at_ns` when the gesture was complete, `closed_ns` when its
    contact closed."""

    line: str
    kind: GestureKind
    at_ns: int
    closed_ns: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """How the presses of one line are read. `hold_ns` 0: no holds; `double_ns` 0: no double presses.

    With neither, a press counts as soon as the contact is closed; with holds only, when it opens.
    """

    settle_ns: int = 20_000_000
    hold_ns: int = 800_000_000
    stuck_ns: int = 10_000_000_000
    double_ns: int = 0

    @property
    def at_once(self) -> bool:
        return not self.hold_ns and not self.double_ns


@dataclass(frozen=True, slots=True)
class LineState:
    """One line's debouncer and what is known of the press under way.

    `counts`: the present closing began while the line was watched; `spent`: it has been reported; `pending`: an earlier
    press that waits for a second one.
    """

    line: DebouncedLine = UNSEEN
    closed_at_ns: int = 0
    counts: bool = False
    spent: bool = False
    stuck: bool = False
    pending: Gesture | None = None


@dataclass(frozen=True, slots=True)
class ControlsState:
    """All lines by role."""

    lines: dict[str, LineState] = field(default_factory=dict)


def poll(
    state: ControlsState, levels: Mapping[str, bool], now_ns: int, timing: Mapping[str, Timing]
) -> tuple[ControlsState, list[Gesture]]:
    """Take one reading of the lines (True: closed); those without timing are nobody's controls.

    A line that is closed when first seen must open before it counts. A hold is reported while still held, once; a
    contact held longer than `stuck_ns` is stuck, reported once, and again as "unstuck" when it opens.
    """
    lines, gestures = dict(state.lines), []
    for name, closed in levels.items():
        if name in timing:
            lines[name], made = _poll_line(name, lines.get(name, LineState()), closed, now_ns, timing[name])
            gestures += made
    return ControlsState(lines), gestures


def lost(state: ControlsState, names: frozenset[str] | None = None) -> ControlsState:
    """These lines (None: all) could not be trusted: forget presses under way, so that plugging in makes no gesture."""
    return ControlsState({
        name: LineState(stuck=line.stuck) if names is None or name in names else line
        for name, line in state.lines.items()
    })


def touched(state: ControlsState, now_ns: int) -> bool:
    """Is a contact closed whose press counts? The lights answer that, before it is known which gesture it becomes."""
    return any(line.line.closed and line.counts and now_ns - line.closed_at_ns < SEEN_NS
               for line in state.lines.values())


def at_rest(state: ControlsState) -> bool:
    """Is no gesture under way? Only then may the timing change."""
    return not any(line.pending or (line.line.closed and line.counts and not line.spent)
                   for line in state.lines.values())


def _poll_line(
    name: str, was: LineState, closed: bool, now_ns: int, timing: Timing
) -> tuple[LineState, list[Gesture]]:
    line, edge = step(was.line, closed, now_ns, timing.settle_ns)
    now, made = replace(was, line=line), []
    if line.known and not was.line.known and line.closed:
        now = replace(now, closed_at_ns=line.raw_since_ns, counts=False, spent=True)
    elif edge is not None and edge.closed:
        now = replace(now, closed_at_ns=edge.at_ns, counts=True, spent=timing.at_once)
        if timing.at_once:
            made.append(Gesture(name, "press", now_ns, edge.at_ns))
    elif edge is not None or (line.known and not line.closed and was.stuck):
        if was.stuck:
            made.append(Gesture(name, "unstuck", now_ns))
        if edge is not None and not was.spent and not was.stuck:
            now, pressed = _opened(name, now, edge.at_ns, now_ns, timing)
            made += pressed
        now = replace(now, closed_at_ns=0, counts=False, spent=False, stuck=False)
    if line.known and line.closed and closed and now.closed_at_ns:
        now, held = _held(name, now, now_ns, timing)
        made += held
    if now.pending and not line.closed and now_ns - now.pending.at_ns >= timing.double_ns:
        made.append(now.pending)
        now = replace(now, pending=None)
    return now, made


def _held(name: str, now: LineState, now_ns: int, timing: Timing) -> tuple[LineState, list[Gesture]]:
    """A contact that is still closed."""
    made: list[Gesture] = []
    held_ns = now_ns - now.closed_at_ns
    if timing.hold_ns and not now.spent and held_ns >= timing.hold_ns:
        made += [*_late(now), Gesture(name, "hold", now_ns, now.closed_at_ns)]
        now = replace(now, spent=True, pending=None)
    if not now.stuck and held_ns >= timing.stuck_ns:
        made += [*_late(now), Gesture(name, "stuck", now_ns, now.closed_at_ns)]
        now = replace(now, stuck=True, pending=None)
    return now, made


def _opened(
    name: str, now: LineState, opened_ns: int, now_ns: int, timing: Timing
) -> tuple[LineState, list[Gesture]]:
    """The end of a closing: a press now, or kept back until a second one can no longer make it double."""
    press = Gesture(name, "press", now_ns, now.closed_at_ns)
    if timing.hold_ns and opened_ns - now.closed_at_ns >= timing.hold_ns:  # polls came too late to see it held
        return replace(now, pending=None), [*_late(now), replace(press, kind="hold")]
    if timing.double_ns == 0:
        return now, [press]
    if now.pending and opened_ns - now.pending.at_ns < timing.double_ns:
        return replace(now, pending=None), [replace(press, kind="double")]
    return replace(now, pending=press), _late(now)


def _late(now: LineState) -> list[Gesture]:
    return [now.pending] if now.pending else []
