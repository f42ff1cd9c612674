"""Is a wireless pedal in reach? From what its receiver tells: a key that is held, or a heartbeat. Pure: no clock.

The receiver is a USB device that stays while the pedal is away, so a pedal out of reach looks like one at rest. While
the link is lost, and shortly after it came back, no level of the pedal is trusted: what the receiver makes up then (a
release, a press that is still held) must not become a gesture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

LinkSign = Literal["device", "key-held", "key-lost", "heartbeat"]
"""How a lost link shows: the device goes away (Bluetooth); a key is held while linked, or while lost; a key stops."""

SETTLE_NS = 500_000_000
"""A link that is back must last so long before the pedal is trusted again."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is known. `heard_ns`: last sign of life; `back_ns`: since when the link is there; None: it is not."""

    levels: Mapping[str, bool] | None = None
    heard_ns: int | None = None
    back_ns: int | None = None

    def trusted(self, now_ns: int) -> bool:
        return self.back_ns is not None and now_ns - self.back_ns >= SETTLE_NS


def step(link: Link, levels: Mapping[str, bool], now_ns: int, sign: LinkSign, silence_ns: int) -> Link:
    """Take one reading of all keys; "link" is the role of the key that tells. `silence_ns`: the longest silence.

    A heartbeat is any change of its key, and any press of another: a receiver makes up releases, but no presses. The
    first reading has nothing to settle: there was no loss before it.
    """
    if link.levels is None:
        link = Link(levels, now_ns, now_ns - SETTLE_NS)
    before = link.levels or {}
    alive = any(level != before.get(role, False) and (level or role == "link") for role, level in levels.items())
    heard_ns = now_ns if alive else link.heard_ns
    if sign == "heartbeat":
        there = heard_ns is not None and now_ns - heard_ns <= silence_ns
    elif sign == "device":
        there = True
    else:
        there = levels["link"] == (sign == "key-held")
    back_ns = None if not there else now_ns if link.back_ns is None else link.back_ns
    return replace(link, levels=dict(levels), heard_ns=heard_ns, back_ns=back_ns)
