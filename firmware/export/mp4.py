"""A plain MP4 from a recording's records. A half export never bears the export's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firmware.durable import new_file
from firmware.errors import DiskFault
from firmware.media.progressive import ProgressiveWriter
from firmware.messages import Fragment, StreamInfo
from firmware.statement import statement


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written; `statement` also stands in the file's metadata, as its comment."""

    frames: int
    fragments: int
    size_bytes: int
    statement: str


def export_mp4(
    items: Iterable[object], out_path: str, *, force: bool = False,
    progress: Callable[[Fragment], None] | None = None, part_of: Iterable[StreamInfo] = (),
) -> ExportResult:
    """Write the StreamInfo and Fragment records among `items` (in order) as one plain MP4 at `out_path`.

    What the recording may be called (statement.py) is its comment, so that the film says so itself.
    Written under a temporary name in the same folder, synced, then named; on any failure the temporary file is
    removed. An existing file stays unless `force`. `progress` is called after each fragment. `part_of`: of a part of a
    recording, the streams of the whole, which have a say in what it may be called; it then begins at time zero.
    Raises DiskFault (full, read-only, name taken), MediaUnreadable, FormatChanged, and whatever `items` raises.
    """
    if os.path.lexists(out_path) and not force:
        raise _taken(out_path)
    fragments = 0
    told_by = list(part_of)
    keeps_start = not told_by
    try:
        with new_file(out_path, exclusive=not force) as file:
            writer = ProgressiveWriter(file)
            for item in items:
                if isinstance(item, StreamInfo):
                    told_by.append(item)
                    writer.begin(item.init_segment)
                    # a live time is the device's clock, a file's is its own
                    writer.keep_start = keeps_start and not item.live
                elif isinstance(item, Fragment):
                    writer.add(item.data)
                    fragments += 1
                    if progress is not None:
                        progress(item)
            told = statement(told_by)
            size = writer.finish(comment=f"Scrubcam: {told}")
    except FileExistsError as error:
        raise _taken(out_path) from error
    return ExportResult(writer.frames, fragments, size, told)


def _taken(path: str) -> DiskFault:
    return DiskFault(
        f"{path} exists already", meaning="It was left as it is", todo="choose another name, or say --force"
    )
