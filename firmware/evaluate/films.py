"""Two films side by side: the input and its output, decoded frame by frame, never more than one pair in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from firmware.errors import MediaUnreadable
from hw.ports import U8

_DECODER_THREADS = 1  # clips are judged in parallel


@dataclass(slots=True)
class Pair:
    """Frame `index` of both films as BGR pictures (H, W, 3) of the input's size; both None where it was not asked for.

    An output of another size is brought to the input's; `resized` says so.
    """

    index: int
    before: U8 | None = None
    after: U8 | None = None
    resized: bool = False


def grey(picture: U8) -> U8:
    """(H, W, 3) BGR -> (H, W) brightness."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def pairs(before: Path, after: Path, wanted: set[int], *, to_end: bool = True) -> Iterator[Pair]:
    """Every frame of both films in order; decoded into pictures only for the indexes `wanted`.

    With `to_end` False it stops after the last wanted frame. Raises MediaUnreadable when either cannot be read, or
    when one film ends before the other: frames that are missing cannot be judged.
    """
    last = max(wanted, default=-1)
    with _opened(before) as one, _opened(after) as other:
        index = 0
        while to_end or index <= last:
            more = one.grab(), other.grab()
            if more[0] != more[1]:
                short, longer = (before, after) if more[1] else (after, before)
                raise MediaUnreadable(f"{short} has {index} frames, {longer} has more", meaning="It was not judged",
                                      todo="compare films with the same frames")
            if not more[0]:
                break
            pair = Pair(index)
            if index in wanted:
                pair.before, pair.after = _picture(one, before, index), _picture(other, after, index)
                height, width = pair.before.shape[:2]
                if pair.after.shape != pair.before.shape:
                    scaled = cv2.resize(pair.after, (width, height), interpolation=cv2.INTER_AREA)
                    pair.after, pair.resized = np.asarray(scaled, np.uint8), True
            yield pair
            index += 1
    if index == 0:
        raise MediaUnreadable(f"{before} holds no picture", meaning="It was not judged", todo="look at the file")


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, _DECODER_THREADS])
    try:
        if not film.isOpened():
            raise MediaUnreadable(f"{path} cannot be read as a film", meaning="It was not judged",
                                  todo="look whether the file is there and whole")
        yield film
    finally:
        film.release()


def _picture(film: cv2.VideoCapture, path: Path, index: int) -> U8:
    done, picture = film.retrieve()
    if not done:
        raise MediaUnreadable(f"frame {index} of {path} cannot be decoded", meaning="It was not judged",
                              todo="look at the file")
    return np.asarray(picture, np.uint8)
