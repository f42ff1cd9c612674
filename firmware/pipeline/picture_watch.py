"""Notices a black, frozen or blown-out picture of a live source within two seconds, from what `ingest` counted."""

from __future__ import annotations

from firmware.kernels.types import PictureStats
from firmware.messages import Alert

NOTICE_AFTER_NS = 1_250_000_000
_BLACK_MEAN = 24  # limited range: black is 16
_BLACK_LIT = 0.01
"""Share of samples that may be lit in a black picture: a burned-in clock, noise."""
_CLIPPED = 0.6
"""From this share of samples at nominal white on nothing of the operation can be seen."""


class PictureWatch:
    """Give it the counts of each frame as it is taken in; it returns what a person should know."""

    def __init__(self) -> None:
        self._before: PictureStats | None = None
        self._before_ns = 0
        self._since_ns: dict[str, int] = {}
        self._told: set[str] = set()

    def look(self, stats: PictureStats, pts_ns: int) -> list[Alert]:
        black = stats.mean < _BLACK_MEAN and stats.lit < _BLACK_LIT * stats.samples
        frozen = self._before is not None and stats == self._before
        clipped = stats.clipped > _CLIPPED * stats.samples
        frozen_since_ns = self._before_ns if frozen else pts_ns
        self._before, self._before_ns = stats, pts_ns
        return [
            *self._judge("picture-black", black, pts_ns, pts_ns,
                         "The picture is black: nothing is seen of the operation."),
            *self._judge("picture-frozen", frozen, frozen_since_ns, pts_ns, "The picture does not change any more."),
            *self._judge("picture-blown-out", clipped, pts_ns, pts_ns,
                         "Most of the picture is white: lower the light or the exposure."),
        ]

    def _judge(self, code: str, wrong: bool, since_ns: int, pts_ns: int, text: str) -> list[Alert]:
        if not wrong:
            self._since_ns.pop(code, None)
            if code in self._told:
                self._told.discard(code)
                return [Alert(code, "The picture is back.", True)]
            return []
        since_ns = self._since_ns.setdefault(code, since_ns)
        if code in self._told or pts_ns - since_ns < NOTICE_AFTER_NS:
            return []
        self._told.add(code)
        return [Alert(code, text)]
