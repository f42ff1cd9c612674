"""ISO base media boxes: building bytes, and walking bytes of unknown origin without ever trusting a length. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from firmware.errors import MediaUnreadable

_TYPE = struct.Struct(">I4s")


def box(kind: str, *parts: bytes) -> bytes:
    """One box: size, four-letter type, content."""
    body = b"".join(parts)
    return _TYPE.pack(8 + len(body), kind.encode("ascii")) + body


def full_box(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def unreadable(why: str) -> MediaUnreadable:
    """The error for bytes that are not what our own writer makes."""
    return MediaUnreadable(f"The MP4 data is not readable: {why}")


@dataclass(frozen=True, slots=True)
class View:
    """A stretch of `data` from `start` to `end`: the body of one box, or all of it."""

    data: bytes
    start: int
    end: int

    @classmethod
    def of(cls, data: bytes) -> View:
        return cls(data, 0, len(data))

    def __len__(self) -> int:
        return self.end - self.start

    def take(self, layout: str, at: int = 0) -> tuple[int, ...]:
        """Big-endian integers at offset `at`. Raises MediaUnreadable when they are not all there."""
        form = struct.Struct(">" + layout)
        if at < 0 or at + form.size > len(self):
            raise unreadable("a box is too short")
        return form.unpack_from(self.data, self.start + at)

    def bytes(self, at: int = 0) -> bytes:
        return self.data[self.start + at : self.end]

    def boxes(self, at: int = 0) -> Iterator[tuple[str, View]]:
        """The boxes inside, from offset `at` on. Raises MediaUnreadable when one reaches beyond its parent."""
        here = self.start + at
        while here < self.end:
            if here + 8 > self.end:
                raise unreadable("a box header is cut off")
            size, kind = _TYPE.unpack_from(self.data, here)
            if size < 8 or here + size > self.end:
                raise unreadable("a box reaches beyond what contains it")
            yield kind.decode("latin-1"), View(self.data, here + 8, here + size)
            here += size

    def find(self, *path: str) -> View:
        """The first box down `path`. Raises MediaUnreadable when it is missing."""
        view = self
        for kind in path:
            view = next((inner for name, inner in view.boxes() if name == kind), _NOTHING)
            if view is _NOTHING:
                raise unreadable(f"the box {kind} is missing")
        return view


_NOTHING = View(b"", 0, 0)
