"""The audit chain: each line of the journal bound to all lines before it and signed by the device. Pure.

    chain(0) = SHA-256(DOMAIN)        chain(n) = SHA-256(chain(n-1) ‖ line(n))
    signature(n) = Ed25519 by the device over DOMAIN ‖ chain(n)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from firmware.messages import Event

DOMAIN = b"scrubcam audit v1\0"
START = hashlib.sha256(DOMAIN).digest()
MAX_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One stored line: its number, its exact bytes, its chain value (32 bytes) and signature (64, empty: none)."""

    seq: int
    line: bytes
    chain: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A line that somebody outside the device knows of, such as the last one the fleet was told."""

    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and at which line."""

    seq: int
    what: str


@dataclass(slots=True)
class Verdict:
    """What a check found; the log is whole when `findings` is empty. At most MAX_FINDINGS are kept."""

    lines: int = 0
    last: Head = field(default_factory=lambda: Head(0, START))
    findings: list[Finding] = field(default_factory=list)

    def add(self, seq: int, what: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(seq, what))


def line_of(event: Event) -> bytes:
    """The bytes of an event that are chained: JSON of everything but the chain value itself."""
    told = msgspec.structs.asdict(event)
    del told["chain"]
    return msgspec.json.encode(told)


def event_of(line: bytes, chain: bytes = b"") -> Event:
    """The event in a line. Raises ValueError (msgspec.DecodeError), RecursionError."""
    told = msgspec.json.decode(line, type=dict[str, object])
    return msgspec.convert({"type": "Event", **told, "chain": chain.hex()}, Event)


def told(row: Row) -> Event:
    """A row as an event. One that somebody made unreadable is told as that: it must not hold up those behind it."""
    try:
        return msgspec.structs.replace(event_of(row.line, row.chain), seq=row.seq)
    except (ValueError, RecursionError):
        return Event(row.seq, f"unreadable-{row.chain.hex()[:32]}", "unreadable-line", 0.0, chain=row.chain.hex())


def link(previous: bytes, line: bytes) -> bytes:
    """chain(n) from chain(n-1) and line n."""
    return hashlib.sha256(previous + line).digest()


def signed_text(chain: bytes) -> bytes:
    """What a line's signature is over."""
    return DOMAIN + chain


def verify(
    rows: Iterable[Row], signed: Callable[[bytes, bytes], bool], heads: Iterable[Head] = ()
) -> Verdict:
    """Check rows in the order they are stored in; `signed(signature, data)` says whether it is the device's.

    Each edit, removal, swap or addition is named with its line. A tail that was cut off leaves a whole, shorter log:
    only `heads` from outside the device show it.
    """
    verdict, known = Verdict(), {head.seq: head.chain for head in heads}
    expected, previous = 1, START
    linked = True  # whether the value of the line before is at hand
    for row in rows:
        verdict.lines += 1
        if row.seq < expected:
            verdict.add(row.seq, f"line {row.seq} comes again or too late")
            continue
        if row.seq > expected:
            verdict.add(expected, f"{_lines(expected, row.seq - 1)} missing")
            linked = False
        _check(row, previous if linked else None, signed, verdict)
        if known.pop(row.seq, row.chain) != row.chain:
            verdict.add(row.seq, f"line {row.seq} is not the one that was told outside the device")
        expected, previous, linked = row.seq + 1, row.chain, True
        verdict.last = Head(row.seq, row.chain)
    if known and max(known) >= expected:
        verdict.add(expected, f"{_lines(expected, max(known))} missing at the end")
    return verdict


def _check(row: Row, previous: bytes | None, signed: Callable[[bytes, bytes], bool], verdict: Verdict) -> None:
    try:
        inside = event_of(row.line).seq
    except (ValueError, RecursionError):
        verdict.add(row.seq, f"line {row.seq} is not a line of this log")
    else:
        if inside != row.seq:
            verdict.add(row.seq, f"line {inside} stands in the place of line {row.seq}")
    if previous is not None and link(previous, row.line) != row.chain:
        verdict.add(row.seq, f"line {row.seq} was altered, or does not follow the line before it")
    if not row.signature:
        verdict.add(row.seq, f"line {row.seq} is not signed")
    elif not signed(row.signature, signed_text(row.chain)):
        verdict.add(row.seq, f"line {row.seq} is not signed by this device")


def _lines(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
