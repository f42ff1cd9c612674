"""Every single bit of small recordings is flipped, one at a time: `verify` finds each, and names the part it is in."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc3161_client as tsp

from firmware.errors import DamagedRecording
from firmware.messages import StreamInfo
from firmware.vault.attachments import AttachmentType, Timestamp, pack, pack_timestamp
from firmware.vault.format import RecordType
from firmware.vault.keys import PrivateKey
from firmware.vault.reader import Recording
from firmware.vault.records import Bookmark
from firmware.vault.recover import recover
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from tests.reader_desk import Judged, ReaderDesk
from tests.timestamp_helpers import Signer
from tests.vault_helpers import device, fragment, header, header_end, keystore, read, spans, to


def made(folder: Path, kind: str) -> bytes:
    """The smallest recording with each kind of record; a copy also with its keys and a timestamp attached."""
    path = str(folder / "tiny.scrub")
    stream = StreamInfo("h264", 2, 2, 2, 2, 30, 1, True, "x264", ["d"], b"i")
    recipients = to(PrivateKey.generate("P256"))
    writer = RecordingWriter.create(OsDisk(), path, header(), recipients, device(), keystore(folder))
    for record in (stream, fragment(0, b"f"), Bookmark(1, 0.5)):
        writer.append(record)
    if kind == "a sealed copy":
        writer.seal("stopped")
        return read(path) + attached(folder, read(path))
    writer.sync()
    writer.abandon()
    if kind == "closed after a crash":
        recover(path, device())
    return read(path)


def attached(folder: Path, data: bytes) -> bytes:
    """The key envelope and a timestamp over the end record; its token is a small one, without certificates."""
    number, end = list(enumerate(spans(data)))[-1]
    chain = data[end[2] - 32 :]
    query = (tsp.TimestampRequestBuilder().data(chain).hash_algorithm(tsp.HashAlgorithm.SHA256).nonce(nonce=True)
             .cert_request(cert_request=False).build().as_bytes())
    token = tsp.decode_timestamp_response(Signer(folder / "tsa").answer(query)).time_stamp_token()
    return (pack(AttachmentType.KEY_ENVELOPE, keystore(folder).get("abcdefgh"))
            + pack_timestamp(Timestamp("end", number, token)))


def parts(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of the header, of each record, of each attachment, by the specification's lengths alone."""
    yield "header", 0, header_end(data)
    at = header_end(data)
    for number, (_, start, at) in enumerate(spans(data)):
        yield f"record {number}", start, at
    number = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at + 8)
        yield f"attachment {number}", at, at + length + 52
        number, at = number + 1, at + length + 52


def judged(path: str) -> tuple[str, int, str]:
    """(place, byte offset, state) of what `verify` finds first; an empty place when it finds nothing."""
    try:
        with Recording.open(path) as recording:
            report = recording.verify()
    except DamagedRecording:
        return "header", 0, "damaged"
    problem = report.first_problem
    return (problem.place, problem.offset, report.state) if problem else ("", -1, report.state)


@pytest.mark.parametrize(("kind", "whole", "last_parts"), [
    ("a sealed copy", "sealed", 99), ("closed after a crash", "interrupted", 2), ("unfinished", "unfinished", 1),
])
def test_every_flipped_bit_is_found_and_named_by_its_record(
    kind: str, whole: str, last_parts: int, tmp_path: Path
) -> None:
    """The place is the header, record or attachment that holds the bit, and where that begins, whatever the bit does.

    Of the copy all bits; the others are like it but for their last records.
    """
    data = made(tmp_path, kind)
    all_parts = list(parts(data))
    looked_at = all_parts[-last_parts:]
    wrong = []
    handle = os.memfd_create("flipped")
    path = f"/proc/self/fd/{handle}"
    os.write(handle, data)
    not_closed = (f"record {len(all_parts) - 1}", len(data), whole)
    assert judged(path) == (("", -1, whole) if whole != "unfinished" else not_closed)
    for place, start, end in looked_at:
        for at in range(start, end):
            for bit in range(8):
                os.pwrite(handle, bytes([data[at] ^ 1 << bit]), at)
                found = judged(path)
                if found[:2] != (place, start) or found[2] in ("sealed", "interrupted"):
                    wrong.append(f"bit {bit} of byte {at - start} of {place}: {found}")
            os.pwrite(handle, data[at : at + 1], at)
    os.close(handle)
    assert not wrong, "\n".join(wrong)
    if kind == "a sealed copy":
        assert looked_at == all_parts
        kinds = {kind for kind, _, _ in spans(data)}
        assert kinds == {RecordType.CONSENT, RecordType.STREAM, RecordType.FRAGMENT, RecordType.BOOKMARK,
                         RecordType.SIGNATURE, RecordType.INDEX, RecordType.END}
        assert [place for place, _, _ in all_parts][-2:] == ["attachment 0", "attachment 1"]


IN_THE_PAGE = """(async (bytes, to) => {
  const told = [];
  for (let at = to[0]; at < to[1]; at++) {
    bytes[at] ^= 1 << (at & 7);
    const findings = newFindings();
    await verifyRecording(new Blob([bytes]), findings, {});
    bytes[at] ^= 1 << (at & 7);
    told.push(findings);
  }
  return told.map(({state, problem}) => [state, problem?.part ?? "", problem?.number ?? null]);
})(Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0)), [%d, %d])"""


def test_the_reader_page_finds_a_flip_in_each_byte_in_the_same_part(tmp_path: Path) -> None:
    """The second reader, not sharing a line with the first: one bit of each byte of the copy."""
    data = made(tmp_path, "a sealed copy")
    desk = ReaderDesk(tmp_path)
    try:
        desk.browser.open(desk.page)
        for place, start, end in parts(data):
            told = desk.browser.do(IN_THE_PAGE % (base64.b64encode(data).decode(), start, end), timeout_s=60)
            expected = Judged("damaged", place.split()[0], int(place.split()[1]) if " " in place else None, False, "")
            for step, (state, part, number) in enumerate(told):
                judged = Judged(state, part, number, False, "")
                assert judged.place == expected.place, f"byte {step} of {place}: {judged}"
                assert state in ("damaged", "unsupported")
            assert len(told) == end - start
    finally:
        desk.close()
