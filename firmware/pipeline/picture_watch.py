"""Notices a black or frozen picture of a live source within two seconds. Looks at few pixels, a few times a second."""

from __future__ import annotations

import numpy as np

from firmware.messages import Alert
from hw.ports import U8

LOOK_EVERY_NS = 250_000_000
NOTICE_AFTER_NS = 1_250_000_000
_STEP = 8
_BLACK_MEAN, _BLACK_PEAK = 24, 40  # limited range: black is 16


class PictureWatch:
    """Give it each frame before it is painted; it returns what a person should know."""

    def __init__(self) -> None:
        self._looked_ns = -1
        self._before: U8 | None = None
        self._since_ns: dict[str, int] = {}
        self._told: set[str] = set()

    def look(self, y: U8, pts_ns: int) -> list[Alert]:
        if self._looked_ns >= 0 and pts_ns - self._looked_ns < LOOK_EVERY_NS:
            return []
        self._looked_ns = pts_ns
        few = np.ascontiguousarray(y[::_STEP, ::_STEP])
        black = bool(few.mean() < _BLACK_MEAN and np.percentile(few, 99) < _BLACK_PEAK)
        frozen = self._before is not None and bool(np.array_equal(few, self._before))
        self._before = few
        return [
            *self._judge("picture-black", black, pts_ns, "The picture is black: nothing is seen of the operation."),
            *self._judge("picture-frozen", frozen, pts_ns, "The picture does not change any more."),
        ]

    def _judge(self, code: str, wrong: bool, pts_ns: int, text: str) -> list[Alert]:
        if not wrong:
            self._since_ns.pop(code, None)
            if code in self._told:
                self._told.discard(code)
                return [Alert(code, "The picture is back.", True)]
            return []
        # A frozen pair was already equal at the look before.
        since = self._since_ns.setdefault(code, pts_ns - (LOOK_EVERY_NS if code == "picture-frozen" else 0))
        if code not in self._told and pts_ns - since >= NOTICE_AFTER_NS:
            self._told.add(code)
            return [Alert(code, text)]
        return []
