"""From the log of a simulated disk to the states that a real one may be in after a power cut at a given place. Pure.

The model is harsher than any one file system: nothing is durable before its sync, not even in order; a name is not
durable before its folder's sync; of an unsynced write each 512-byte sector may or may not be there; a length may be
ahead of the content, with zeros or old noise in between. One change of names (a rename) is whole or not at all.
"""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hw.sim.files import ROOT, Change, Names, SimFiles, Sync, SyncNames, Truncate, Write

SECTOR = 512
ALL_SUBSETS_OF = 4
"""Up to so many unsynced changes every combination is made; of more, those in order and a sample."""
ALL_PAIRINGS = 128
"""Up to so many combinations of files and names all are made."""


@dataclass
class _File:
    durable: bytes = b""
    pending: list[Write | Truncate] = field(default_factory=list)
    doubtful: bool = False
    """A sync has failed: nothing of this file is sure any more, whatever later syncs say."""


@dataclass
class DiskAt:
    """What is durable and what is pending at one place of the log."""

    folders: set[int]
    files: dict[int, _File]
    names: dict[int, dict[str, int]]
    pending: list[Names]

    @classmethod
    def after(cls, disk: SimFiles, cut: int) -> DiskAt:
        """After the first `cut` entries of the log."""
        at = cls(disk.folders, {number: _File(data) for number, data in disk.start_contents.items()},
                 {folder: dict(names) for folder, names in disk.start_names.items()}, [])
        for change in disk.log[:cut]:
            at._apply(change)
        return at

    def _apply(self, change: Change) -> None:
        if isinstance(change, Write | Truncate):
            self.files.setdefault(change.file, _File()).pending.append(change)
        elif isinstance(change, Sync):
            file = self.files.setdefault(change.file, _File())
            file.doubtful = file.doubtful or change.failed
            if not file.doubtful:
                file.durable, file.pending = contents(file.durable, file.pending), []
        elif isinstance(change, Names):
            self.pending.append(change)
        elif isinstance(change, SyncNames):
            done = [names for names in self.pending if any(folder == change.folder for folder, _, _ in names.changes)]
            rename(self.names, done)
            self.pending = [names for names in self.pending if names not in done]


@dataclass(frozen=True, slots=True)
class State:
    """One state of the disk: path below the root -> content, None for a folder. `kinds` say what happened to it."""

    tree: dict[str, bytes | None]
    kinds: frozenset[str]

    def lay_out(self, folder: str) -> None:
        """Make it real in an empty folder."""
        for path, data in self.tree.items():
            where = os.path.join(folder, path)
            if data is None:
                os.mkdir(where, 0o700)
            else:
                with open(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(data)


def states(disk: SimFiles, cut: int, *, seed: int, samples: int) -> Iterator[State]:
    """Each different state after a cut behind the first `cut` entries of the log.

    All combinations of few unsynced changes; of many, all of the regular ones and `samples` random ones.
    """
    at = DiskAt.after(disk, cut)
    rng = random.Random(seed * 1_000_003 + cut)
    seen: set[frozenset[tuple[str, bytes | None]]] = set()
    for state in _pairings(at, rng, samples):
        key = frozenset(state.tree.items())
        if key not in seen:
            seen.add(key)
            yield state


def contents(durable: bytes, changes: Sequence[Write | Truncate], hole: Callable[[int], bytes] = bytes) -> bytes:
    """`durable` with `changes` made in order; `hole(n)` fills what a write leaves between the end and itself."""
    data = bytearray(durable)
    for change in changes:
        if isinstance(change, Truncate):
            data[change.size :] = hole(max(0, change.size - len(data)))
        else:
            data += hole(max(0, change.offset - len(data)))
            data[change.offset : change.offset + len(change.data)] = change.data
    return bytes(data)


def rename(names: dict[int, dict[str, int]], changes: Sequence[Names]) -> None:
    """Make changes of names, in order, in place."""
    for change in changes:
        for folder, name, number in change.changes:
            names.setdefault(folder, {})
            if number is None:
                names[folder].pop(name, None)
            else:
                names[folder][name] = number


def _pairings(at: DiskAt, rng: random.Random, samples: int) -> Iterator[State]:
    """All kept first, if all combinations are few; else with each kept or lost, one thing in all its ways."""
    names = _names(at, rng, samples)
    dirty = {number: list(_contents(file, rng, samples)) for number, file in at.files.items() if file.pending}
    if len(names) * math.prod(map(len, dirty.values())) <= ALL_PAIRINGS:
        for kind, entries in names:
            for chosen in itertools.product(*dirty.values()):
                yield _state(at, kind, entries, dict(zip(dirty, chosen, strict=True)))
        return
    for kind, entries in names:
        for usual in (0, 1):
            rest = {number: ways[min(usual, len(ways) - 1)] for number, ways in dirty.items()}
            yield _state(at, kind, entries, rest)
            for number, ways in dirty.items():
                for way in ways[2:]:
                    yield _state(at, kind, entries, rest | {number: way})
    for _ in range(samples):
        kind, entries = rng.choice(names)
        yield _state(at, kind, entries, {number: rng.choice(ways) for number, ways in dirty.items()})


def _state(at: DiskAt, kind: str, names: dict[int, dict[str, int]], dirty: dict[int, tuple[str, bytes]]) -> State:
    """The tree that these names make of these contents; a file that no name leads to is gone."""
    tree: dict[str, bytes | None] = {}
    kinds = {kind}
    below = [(ROOT, "")]
    while below:
        folder, above = below.pop()
        for name, number in sorted(names.get(folder, {}).items()):
            path = os.path.join(above, name)
            if number in at.folders:
                tree[path] = None
                below.append((number, path))
            elif number in dirty:
                kinds.add(dirty[number][0])
                tree[path] = dirty[number][1]
            else:
                tree[path] = at.files.get(number, _File()).durable
    return State(tree, frozenset(kinds - {""}) or frozenset({"nothing pending"}))


def _names(at: DiskAt, rng: random.Random, samples: int) -> list[tuple[str, dict[int, dict[str, int]]]]:
    """(kind, names) for the ways the pending changes of names can end."""
    found = []
    for chosen in _subsets(len(at.pending), rng, samples):
        names = {folder: dict(entries) for folder, entries in at.names.items()}
        rename(names, [at.pending[index] for index in chosen])
        kind = "" if not at.pending else "names kept" if len(chosen) == len(at.pending) else "names lost"
        if chosen and kind == "names lost":
            kind = "names in part"
        found.append((kind, names))
    return found


def _subsets(count: int, rng: random.Random, samples: int) -> list[tuple[int, ...]]:
    """All, none, then the others: every one of few, else those in order and a sample."""
    if count <= ALL_SUBSETS_OF:
        found = [tuple(i for i in range(count) if mask >> i & 1) for mask in range(1 << count)]
        return sorted(found, key=lambda chosen: (len(chosen) not in (0, count), -len(chosen)))
    found = [tuple(range(count)), ()] + [tuple(range(reached)) for reached in range(1, count)]
    return found + [tuple(i for i in range(count) if rng.random() < 0.5) for _ in range(samples)]


def _contents(file: _File, rng: random.Random, samples: int) -> Iterator[tuple[str, bytes]]:
    """(kind, content) for the ways a file's pending changes can end; all kept comes first, all lost second."""
    count = len(file.pending)
    whole = contents(file.durable, file.pending)
    seen: set[bytes] = set()

    def new(kind: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        if data not in seen:
            seen.add(data)
            yield kind, data

    def noise(size: int) -> bytes:
        return random.Random(size).randbytes(size)

    for chosen in _subsets(count, rng, samples):
        changes = [file.pending[index] for index in chosen]
        in_order = chosen == tuple(range(len(chosen)))
        kind = "lost" if not chosen else "kept" if len(chosen) == count else "cut short" if in_order else "reordered"
        yield from new(kind, contents(file.durable, changes))
        if not in_order:
            yield from new("reordered", contents(file.durable, changes, noise))
    for reached in range(count):
        last = file.pending[reached]
        if isinstance(last, Write):
            before = contents(file.durable, file.pending[:reached])
            for at in _tears(last, rng):
                part = Write(last.file, last.offset, last.data[: at - last.offset])
                yield from new("torn", contents(before, [part]))
                for fill in (bytes, noise):
                    longer = contents(before, [part]) + fill(last.offset + len(last.data) - at)
                    yield from new("torn", longer)
    if len(whole) > len(file.durable):
        for fill in (bytes, noise):
            yield from new("length ahead", file.durable + fill(len(whole) - len(file.durable)))
    for _ in range(samples):
        yield from new("sectors", _sectors(file, whole, rng))


def _tears(write: Write, rng: random.Random) -> list[int]:
    """Sector borders inside a write: all of few, else the first, the last and two more."""
    first = (write.offset // SECTOR + 1) * SECTOR
    borders = list(range(first, write.offset + len(write.data), SECTOR))
    if len(borders) <= ALL_SUBSETS_OF:
        return borders
    return sorted({borders[0], borders[-1], *rng.sample(borders, 2)})


def _sectors(file: _File, whole: bytes, rng: random.Random) -> bytes:
    """Each sector on its own: as it was, as it should be, or zeros or noise where nothing durable was."""
    lengths = sorted((len(file.durable), len(whole)))
    size = rng.choice([*lengths, rng.randint(*lengths)])
    data = bytearray()
    for at in range(0, size, SECTOR):
        end = min(at + SECTOR, size)
        old, new = file.durable[at:end], whole[at:end]
        filled = old + rng.choice((bytes, rng.randbytes))(end - at - len(old))
        data += rng.choice((new.ljust(end - at, b"\0"), filled)) if old != new else old
    return bytes(data)
