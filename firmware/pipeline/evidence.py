"""The privacy gate: may a frame leave with only its found regions covered, or must it be filled whole?

Pure: no clock, no threads. It knows which frames each required detector was asked about and which it answered.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from firmware.messages import BlankReason


class _Track:
    """What one detector was asked and what it answered, as sorted times."""

    def __init__(self) -> None:
        self.asked: set[int] = set()
        self.done: list[int] = []
        self.failed: dict[int, BlankReason] = {}


class EvidenceGate:
    """Evidence stands when *every* required detector answered for a frame at or before, and for one at or after,
    both within `bound_ns`. Only answers to questions that were asked count; without a detector nothing passes.
    """

    def __init__(self, kinds: Iterable[str], bound_ns: int) -> None:
        self._tracks = {kind: _Track() for kind in kinds}
        self._bound_ns = bound_ns
        self._hung: set[str] = set()

    def asked(self, kind: str, pts_ns: int) -> None:
        """A detector was given the frame at `pts_ns`."""
        self._tracks[kind].asked.add(pts_ns)

    def answered(self, kind: str, pts_ns: int) -> bool:
        """A detector finished the frame at `pts_ns`. False, and no evidence, when that was never asked."""
        track = self._tracks.get(kind)
        if track is None or pts_ns not in track.asked:
            return False
        track.asked.discard(pts_ns)
        track.failed.pop(pts_ns, None)
        insort(track.done, pts_ns)
        return True

    def failed(self, kind: str, pts_ns: int, reason: BlankReason) -> None:
        """A detector gave no usable answer for the frame at `pts_ns`."""
        track = self._tracks.get(kind)
        if track is not None and pts_ns in track.asked:
            track.asked.discard(pts_ns)
            track.failed[pts_ns] = reason

    def hung(self, kind: str, is_hung: bool) -> None:
        """While a detector hangs, missing evidence is its fault by name."""
        if is_hung:
            self._hung.add(kind)
        else:
            self._hung.discard(kind)

    def any_outstanding(self, up_to_ns: int) -> bool:
        """Whether an answer about some frame at or before `up_to_ns` is still to come."""
        return any(pts <= up_to_ns for track in self._tracks.values() for pts in track.asked)

    def verdict(self, pts_ns: int) -> BlankReason:
        """ "" when evidence stands for the frame at `pts_ns`, else why the whole frame must be filled."""
        if not self._tracks:
            return "no-evidence-before"
        for kind, track in self._tracks.items():
            at = bisect_right(track.done, pts_ns) - 1
            if at < 0 or pts_ns - track.done[at] > self._bound_ns:
                return self._why(kind, track, pts_ns, "no-evidence-before")
            at = bisect_left(track.done, pts_ns)
            if at == len(track.done) or track.done[at] - pts_ns > self._bound_ns:
                return self._why(kind, track, pts_ns, "no-evidence-after")
        return ""

    def forget_before(self, pts_ns: int) -> None:
        """Frames before `pts_ns` have left. What can still be evidence for later ones is kept: of all that lies
        before it, the newest is enough (a file whose times stand still would pile up the rest)."""
        for track in self._tracks.values():
            keep_from = max(bisect_left(track.done, pts_ns - self._bound_ns), bisect_right(track.done, pts_ns) - 1)
            del track.done[:keep_from]
            newest = max((p for p in track.failed if p <= pts_ns), default=pts_ns)
            track.failed = {p: r for p, r in track.failed.items() if p >= max(newest, pts_ns - self._bound_ns)}
            track.asked = {p for p in track.asked if p >= pts_ns - 2 * self._bound_ns}

    def _why(self, kind: str, track: _Track, pts_ns: int, otherwise: BlankReason) -> BlankReason:
        if kind in self._hung:
            return "detector-hung"
        near = [p for p in track.failed if abs(p - pts_ns) <= self._bound_ns]
        return track.failed[max(near)] if near else otherwise
