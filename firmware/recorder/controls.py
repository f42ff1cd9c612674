"""From debounced lines to gestures: press, hold, double, stuck. Pure; what a gesture means is machine.py's business."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from hw.debounce import DebouncedLine, step

GestureKind = Literal["press", "hold", "double", "stuck", "unstuck"]
UNSEEN = DebouncedLine()


@dataclass(frozen=True, slots=True)
class Gesture:
    """`line` is the input's role ("pedal", "privacy"), `at_ns` when it was made."""

    line: str
    kind: GestureKind
    at_ns: int


@dataclass(frozen=True, slots=True)
class Timing:
    """How presses are read. `double_ns` 0: no double presses, so that a press counts at once on release."""

    settle_ns: int = 20_000_000
    hold_ns: int = 800_000_000
    stuck_ns: int = 10_000_000_000
    double_ns: int = 0


@dataclass(frozen=True, slots=True)
class LineState:
    """One line's debouncer and what is known of the press under way."""

    line: DebouncedLine = UNSEEN
    closed_at_ns: int = 0
    held: bool = False
    stuck: bool = False
    pending_press_ns: int = 0


@dataclass(frozen=True, slots=True)
class ControlsState:
    """All lines by role."""

    lines: dict[str, LineState] = field(default_factory=dict)


def poll(
    state: ControlsState, levels: dict[str, bool], now_ns: int, timing: Timing
) -> tuple[ControlsState, list[Gesture]]:
    """Take one reading of all lines (True: closed). A line that is closed when first seen must open before it counts.

    A press is reported on release, a hold while still held, once; a contact held longer than `stuck_ns` is stuck,
    reported once, and again as "unstuck" when it opens.
    """
    lines, gestures = dict(state.lines), []
    for name, closed in levels.items():
        lines[name], made = _poll_line(name, lines.get(name, LineState()), closed, now_ns, timing)
        gestures += made
    return ControlsState(lines), gestures


def lost(state: ControlsState) -> ControlsState:
    """The lines could not be trusted: forget presses under way, so that plugging in again makes no gesture."""
    return ControlsState({name: LineState(stuck=line.stuck) for name, line in state.lines.items()})


def _poll_line(
    name: str, was: LineState, closed: bool, now_ns: int, timing: Timing
) -> tuple[LineState, list[Gesture]]:
    line, edge = step(was.line, closed, now_ns, timing.settle_ns)
    now, made = replace(was, line=line), []
    if line.known and not was.line.known and line.closed:
        now = replace(now, closed_at_ns=line.raw_since_ns, held=True)  # closed at boot: only its release counts
    elif edge is not None and edge.closed:
        now = replace(now, closed_at_ns=edge.at_ns, held=False)
    elif edge is not None or (line.known and not line.closed and was.stuck):
        if was.stuck:
            made.append(Gesture(name, "unstuck", now_ns))
        if edge is not None and not was.held:
            now, pressed = _pressed(name, now, edge.at_ns, timing)
            made += pressed
        now = replace(now, closed_at_ns=0, held=False, stuck=False)
    if line.known and line.closed and now.closed_at_ns:
        held_ns = now_ns - now.closed_at_ns
        if not now.held and closed and held_ns >= timing.hold_ns:
            made += _late_press(name, now)
            made.append(Gesture(name, "hold", now_ns))
            now = replace(now, held=True, pending_press_ns=0)
        if not now.stuck and closed and held_ns >= timing.stuck_ns:
            made.append(Gesture(name, "stuck", now_ns))
            now = replace(now, stuck=True)
    if now.pending_press_ns and not line.closed and now_ns - now.pending_press_ns >= timing.double_ns:
        made += _late_press(name, now)
        now = replace(now, pending_press_ns=0)
    return now, made


def _pressed(name: str, now: LineState, at_ns: int, timing: Timing) -> tuple[LineState, list[Gesture]]:
    """A release after a short closing: a press now, or kept back until a second one can no longer make it double."""
    if at_ns - now.closed_at_ns >= timing.hold_ns:
        return now, [*_late_press(name, now), Gesture(name, "hold", at_ns)]  # polls came too late to see it held
    if timing.double_ns == 0:
        return now, [Gesture(name, "press", at_ns)]
    if now.pending_press_ns and at_ns - now.pending_press_ns < timing.double_ns:
        return replace(now, pending_press_ns=0), [Gesture(name, "double", at_ns)]
    return replace(now, pending_press_ns=at_ns), _late_press(name, now)


def _late_press(name: str, now: LineState) -> list[Gesture]:
    return [Gesture(name, "press", now.pending_press_ns)] if now.pending_press_ns else []
