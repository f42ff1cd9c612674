"""Small recordings to seal, damage and recover in the vault's tests."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator, Sequence

from firmware.messages import Consent, Fragment, StreamInfo, Verdict
from firmware.vault.format import FRAME, PREAMBLE, SIGNATURE_BYTES, ClockInfo, Header
from firmware.vault.keys import DeviceKey, PrivateKey, RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.records import Bookmark, Gap, Note, Record, StateChange
from firmware.vault.writer import RecordingWriter, recording_path
from hw.disk import OsDisk
from hw.ports import Disk

QUARTER_NS = 250_000_000
CONSENT = Consent(
    state="given", video=True, audio=True, by="Dr. Secretperson", evidence="form 77", purpose="teaching",
    purpose_class="education", audience="students in lecture hall 2", destination="archive of the clinic",
    retention_days=3650, medical_record="yes", patient_ref="case-4711-0815",
)


@functools.cache
def device() -> DeviceKey:
    return DeviceKey.generate()


@functools.cache
def archive() -> PrivateKey:
    return PrivateKey.generate()


def to(*keys: PrivateKey) -> list[RecipientKey]:
    """Recipients for the writer; the usual archive when none is given."""
    return [RecipientKey("archive", key.public) for key in keys or (archive(),)]


def keystore(folder: str | os.PathLike[str]) -> Keystore:
    """The keystore of the recordings in `folder`."""
    return Keystore(os.path.join(str(folder), "keystore"))


def opened(path: str | os.PathLike[str]) -> Recording:
    """A recording that `seal` made, or a changed copy of it in the same folder."""
    return Recording.open(str(path), keystore(os.path.dirname(str(path))))


def names(folder: str | os.PathLike[str]) -> list[str]:
    """What is in a folder beside its keystore."""
    return sorted(name for name in os.listdir(folder) if name != "keystore")


def header(recording_id: str = "abcdefgh") -> Header:
    return Header(
        recording_id=recording_id, device_name="or-1", created_unix_s=1_790_000_000.5, created_monotonic_ns=7,
        software="scrubcam 0.1", consent=CONSENT,
        clock=ClockInfo("ntp", True, 3600), settings={"codec": "h264", "bitrate_bps": 12_000_000},
    )


def stream() -> StreamInfo:
    return StreamInfo("h264", 1919, 1079, 1920, 1080, 30, 1, True, "x264", ["centerface", "ppocr"], b"\0init" * 9,
                      "opus", 48000, 2)


def fragment(number: int, data: bytes = b"encoded picture") -> Fragment:
    start = number * QUARTER_NS
    verdicts = [
        Verdict(start, "clean"), Verdict(start + 1, "masked", 2), Verdict(start + 2, "blanked", 0, "bad-detection"),
    ]
    return Fragment(number, start, QUARTER_NS, number % 4 == 0, data, verdicts)


def some_records(fragments: int = 6) -> list[Record]:
    records: list[Record] = [stream()]
    for number in range(fragments):
        records.append(fragment(number, bytes([number]) * (50 + number)))
    records += [Bookmark(9, 1.5, "pedal", "the moment"), StateChange(10, 2.5, "PAUSED", "privacy"),
                Gap(11, 3_000_000_000, "pipeline-died"), Note(12, 3.5, "a word")]
    return records


def seal(
    folder: str, records: Sequence[Record] | None = None, *, recording_id: str = "abcdefgh", disk: Disk | None = None,
    sync_every: int = 2, end: bool = True, by: DeviceKey | None = None,
) -> str:
    """Write a whole recording (or leave it open, synced) and return its path."""
    path = recording_path(folder, recording_id)
    if not os.path.lexists(path):
        keystore(folder).destroy(recording_id)
    writer = RecordingWriter.create(
        disk or OsDisk(), path, header(recording_id), to(), by or device(), keystore(folder)
    )
    for count, record in enumerate(some_records() if records is None else records, 1):
        writer.append(record)
        if count % sync_every == 0:
            writer.sync()
    if end:
        writer.seal("stopped")
    else:
        writer.sync()
        writer.abandon()
    return path


def header_end(data: bytes) -> int:
    """Where record 0 begins, taken from the specification's words, not from the reader."""
    (length,) = struct.unpack(">I", data[12:16])
    assert PREAMBLE.size == 16
    return 16 + int(length) + SIGNATURE_BYTES


def spans(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(type, start, end) of each whole frame, by lengths alone."""
    at = header_end(data)
    while at + FRAME.size <= len(data):
        _, kind, _, _, meta, payload = FRAME.unpack_from(data, at)
        end = at + FRAME.size + meta + payload + 32
        if end > len(data):
            return
        yield kind, at, end
        at = end


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, data: bytes) -> str:
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o600)
    return path
