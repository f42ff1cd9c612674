"""Which frames a detector is asked about, and how long it may take to answer. Pure."""

from __future__ import annotations

from firmware.config import Detect

HD_PIXELS = 1280 * 720
THOROUGH_PATIENCE = 6
_SLACK_NS = 1_000_000  # times rounded to whole nanoseconds or milliseconds must not shift the choice


def due_in_file(interval_ns: int, bound_ns: int, last_asked_ns: int | None, before_ns: int | None,
                now_ns: int) -> tuple[bool, bool]:
    """Whether to ask about the frame before (`before_ns`), and about the frame at `now_ns`.

    At a constant rate that is every ceil(rate * interval) frames, the same ones in every run. Before a gap in a
    variable rate, or one that is longer than evidence reaches (`bound_ns`), the last frame is asked about too, so
    that no frame is left without evidence after it.
    """
    if last_asked_ns is None:
        return False, True
    away_ns = now_ns - last_asked_ns
    gap = 2 * away_ns > 3 * interval_ns or away_ns > bound_ns
    ask_before = before_ns is not None and before_ns > last_asked_ns and gap
    since = before_ns if ask_before and before_ns is not None else last_asked_ns
    return ask_before, now_ns - since >= interval_ns - _SLACK_NS


def live_interval_ns(interval_ns: int, delay_ns: int, answer_ns: int, period_ns: int) -> int:
    """How long a live detector may rest between two questions.

    A frame just after an asked one waits for the next answer: rest + answer time + one frame must fit into the delay
    line, with half an answer time to spare. A slow detector therefore rests less than `interval_ns`, down to nothing.
    """
    return max(0, min(interval_ns, delay_ns - 3 * answer_ns // 2 - 2 * period_ns))


def hang_timeout_ns(detect: Detect, width: int, height: int) -> int:
    """After how long without an answer a detector counts as hung.

    A thorough look is many passes at full size: on a machine with much else to do one at 3840x2160 can take a minute,
    and that is no hang. Nothing is late in a file, so it is given time.
    """
    longer = THOROUGH_PATIENCE * max(1.0, width * height / HD_PIXELS) if detect.profile == "thorough" else 1.0
    return round(detect.hang_timeout_s * longer * 1e9)
