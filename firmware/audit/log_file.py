"""The exported audit log: for each line one line of text, `number chain signature json`. Read without a device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from firmware.audit.chain import Row
from firmware.errors import DamagedRecording, DiskFault

FIRST_LINE = b"scrubcam audit v1\n"


def export_text(rows: Iterable[Row]) -> Iterator[bytes]:
    """The file's lines; chain and signature in hex (`-`: no signature), the JSON byte for byte as it was chained."""
    yield FIRST_LINE
    for row in rows:
        yield b"%d %s %s %s\n" % (row.seq, row.chain.hex().encode(), row.signature.hex().encode() or b"-", row.line)


def read_export(path: Path) -> Iterator[Row]:
    """The rows of an exported log. Raises DiskFault, and DamagedRecording where a line cannot be read."""
    try:
        with path.open("rb") as file:
            if file.readline() != FIRST_LINE:
                raise _unreadable(path, 1)
            for number, text in enumerate(file, 2):
                yield _row(path, number, text)
    except OSError as error:
        raise DiskFault(f"{path} cannot be read ({error.strerror})", todo="check the path") from error


def _row(path: Path, number: int, text: bytes) -> Row:
    parts = text.rstrip(b"\n").split(b" ", 3)
    if len(parts) != 4:
        raise _unreadable(path, number)
    seq, value, signature, line = parts
    try:
        signed = b"" if signature == b"-" else bytes.fromhex(signature.decode("ascii"))
        return Row(int(seq), line, bytes.fromhex(value.decode("ascii")), signed)
    except ValueError:
        raise _unreadable(path, number) from None


def _unreadable(path: Path, number: int) -> DamagedRecording:
    return DamagedRecording(f"line {number} of the file {path} is not one of an exported audit log",
                            meaning="It was altered, or is another file")
