"""What goes into a sealed recording comes out again, in order, and nothing readable lies in between."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.errors import DiskFault, KeyFault
from firmware.messages import Fragment, StreamInfo, Verdict
from firmware.vault.format import MAX_PAYLOAD_BYTES, Recipient, RecordType, is_recording_id, new_recording_id, wrap_info
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.records import Bookmark, Gap, Note, Record, StateChange
from firmware.vault.writer import SIGN_EVERY_RECORDS, RecordingWriter
from hw.disk import OsDisk
from tests.vault_helpers import (
    archive,
    device,
    fragment,
    header,
    header_end,
    keystore,
    opened,
    read,
    seal,
    some_records,
    spans,
    to,
)

TIMES = st.integers(0, 2**63 - 1)
WORDS = st.text(max_size=30)
UNIX = st.floats(0, 1e11)
VERDICTS = st.builds(Verdict, TIMES, st.sampled_from(["clean", "masked", "blanked"]), st.integers(0, 99),
                     st.sampled_from(["", "no-evidence-after", "privacy-pause"]))
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(Fragment, st.integers(0, 2**40), TIMES, st.integers(0, 10**9), st.booleans(), st.binary(max_size=3000),
              st.lists(VERDICTS, max_size=15)),
    st.builds(StreamInfo, WORDS, *[st.integers(0, 4096)] * 6, st.booleans(), WORDS, st.lists(WORDS, max_size=3),
              st.binary(max_size=900), WORDS, st.integers(0, 96000), st.integers(0, 8)),
    st.builds(Bookmark, TIMES, UNIX, WORDS, WORDS),
    st.builds(StateChange, TIMES, UNIX, WORDS, WORDS),
    st.builds(Gap, TIMES, TIMES, WORDS),
    st.builds(Note, TIMES, UNIX, WORDS),
)


@settings(max_examples=40, deadline=None)
@given(records=st.lists(RECORDS, max_size=12), sync_every=st.integers(1, 5))
def test_everything_comes_back_in_order(records: list[Record], sync_every: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = seal(folder, records, sync_every=sync_every)
        with opened(path) as recording:
            report = recording.verify()
            assert report.ok
            assert report.complete
            assert report.first_problem is None
            assert report.fragments == sum(isinstance(r, Fragment) for r in records)
            assert report.signed_records == report.records
            kept = [stored.record for stored in recording.records(archive())]
            assert kept == [header().consent, *records]
            assert list(recording.fragments(archive())) == [r for r in records if isinstance(r, Fragment)]


def test_info_tells_without_a_key_what_is_in_it(tmp_path: Path) -> None:
    path = seal(str(tmp_path))
    with opened(path) as recording:
        info = recording.info()
    assert (info.state, info.fragments, info.frames) == ("sealed", 6, 18)
    assert (info.clean, info.masked, info.blanked, info.regions) == (6, 6, 6, 12)
    assert info.duration_ns == 6 * 250_000_000
    assert info.media_bytes == sum(50 + n for n in range(6))
    assert info.bookmarks_ns == [9]
    assert [gap.duration_ns for gap in info.gaps] == [3_000_000_000]
    assert [(s.codec, s.width, s.height) for s in info.streams] == [("h264", 1919, 1079)]
    assert info.end is not None
    assert info.end.reason == "stopped"
    assert info.header.settings["bitrate_bps"] == 12_000_000
    assert info.header.recipients[0].key_id == archive().public.key_id


def test_no_content_and_no_name_lies_in_clear(tmp_path: Path) -> None:
    marker = b"PLANTED-PICTURE-MARKER"
    path = seal(str(tmp_path), [*some_records(2), fragment(2, marker * 500)])
    data = read(path)
    for secret in (marker, b"Secretperson", b"form 77", b"teaching", b"the moment", b"a word", b"privacy", b"init",
                   b"lecture hall", b"of the clinic", b"4711"):
        assert secret not in data


def test_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    path = seal(str(tmp_path))
    before = read(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(KeyFault, match="holds or held keys"):
        seal(str(tmp_path))
    other = Keystore(str(tmp_path / "other"))
    with pytest.raises(DiskFault, match="exists already"):
        RecordingWriter.create(OsDisk(), path, header(), to(), device(), other)
    assert other.ids() == [], "keys that open nothing are not kept"
    assert read(path) == before


def test_two_recordings_of_the_same_thing_share_no_ciphertext(tmp_path: Path) -> None:
    one = read(seal(str(tmp_path), recording_id="one"))
    two = read(seal(str(tmp_path), recording_id="two"))
    for (kind, start, end), (_, start2, end2) in zip(spans(one), spans(two), strict=False):
        if kind == RecordType.FRAGMENT:
            assert one[end - 80 : end - 32] != two[end2 - 80 : end2 - 32]
            assert one[start : start + 4] == two[start2 : start2 + 4] == b"SREC"


def test_every_recipient_opens_it_and_nobody_else(tmp_path: Path) -> None:
    first, second, stranger = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
    path = str(tmp_path / "r.scrub")
    writer = RecordingWriter.create(OsDisk(), path, header(), to(first, second, first), device(), keystore(tmp_path))
    writer.append(fragment(0))
    writer.seal("stopped")
    with opened(path) as recording:
        assert len(recording.header.recipients) == 2
        assert list(recording.fragments(first)) == list(recording.fragments(second)) == [fragment(0)]
        with pytest.raises(KeyFault) as caught:
            recording.records(stranger)
    assert stranger.public.key_id in str(caught.value)
    assert first.public.key_id in str(caught.value)


def test_no_recipient_no_recording(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match="nobody could open"):
        RecordingWriter.create(OsDisk(), str(tmp_path / "r.scrub"), header(), [], device(), keystore(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_records_and_time_between_signatures_are_bounded_without_any_sync(tmp_path: Path) -> None:
    path = str(tmp_path / "r.scrub")
    writer = RecordingWriter.create(OsDisk(), path, header(), to(), device(), keystore(tmp_path))
    for number in range(40):
        writer.append(fragment(number))
    for moment in range(100):
        writer.append(Bookmark(moment, 0.0))
    writer.abandon()
    unsigned = media_ns = 0
    for kind, _, _ in spans(read(path)):
        unsigned = 0 if kind == RecordType.SIGNATURE else unsigned + 1
        media_ns = 0 if kind == RecordType.SIGNATURE else media_ns + (250_000_000 if kind == RecordType.FRAGMENT else 0)
        assert unsigned <= SIGN_EVERY_RECORDS
        assert media_ns <= 2_000_000_000


def test_a_sealed_writer_takes_nothing_and_has_no_key(tmp_path: Path) -> None:
    writer = RecordingWriter.create(OsDisk(), str(tmp_path / "r.scrub"), header(), to(), device(), keystore(tmp_path))
    writer.append(fragment(0))
    durable = writer.seal("stopped")
    assert durable == writer.durable_bytes == os.path.getsize(writer.path)
    assert not any(writer._content_key)
    assert writer._cipher is None
    asks: list[Callable[[], int]] = [lambda: writer.append(fragment(1)), writer.sync, lambda: writer.seal("again")]
    for ask in asks:
        with pytest.raises(DiskFault, match="takes no more records"):
            ask()
    assert os.path.getsize(writer.path) == durable


def test_a_fragment_larger_than_the_format_allows_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    writer = RecordingWriter.create(OsDisk(), str(tmp_path / "r.scrub"), header(), to(), device(), keystore(tmp_path))
    with pytest.raises(ValueError, match="larger than the format"):
        writer.append(fragment(0, bytes(MAX_PAYLOAD_BYTES)))
    writer.append(fragment(1))
    writer.seal("stopped")
    with opened(writer.path) as recording:
        assert list(recording.fragments(archive())) == [fragment(1)]


def test_openssl_accepts_the_header_and_end_signatures(tmp_path: Path) -> None:
    """By the words of docs/recording-format.md, with none of our reading code."""
    data = read(seal(str(tmp_path)))
    end_of_header = header_end(data)
    body, signature = data[: end_of_header - 64], data[end_of_header - 64 : end_of_header]
    _check_with_openssl(tmp_path, b"scrubcam header v2\0" + body, signature)
    kind, start, end = list(spans(data))[-1]
    assert kind == RecordType.END
    assert end == len(data)
    chain, head, signature = data[start - 32 : start], data[start : end - 96], data[end - 96 : end - 32]
    _check_with_openssl(tmp_path, b"scrubcam signature v2\0" + chain + head, signature)


def _check_with_openssl(folder: Path, message: bytes, signature: bytes) -> None:
    for name, content in (("pub.pem", device().public_pem()), ("message", message), ("signature", signature)):
        (folder / name).write_bytes(content)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "message",
               "-sigfile", "signature"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "message").write_bytes(message[:-1] + b"?")
    assert subprocess.run(command, cwd=folder, capture_output=True, timeout=20, check=False).returncode != 0


def test_a_stranger_can_read_it_from_the_specification_alone(tmp_path: Path) -> None:
    """An independent reader, written from docs/recording-format.md with hashlib, json and a cipher."""
    data = read(seal(str(tmp_path)))
    at = header_end(data)
    head = json.loads(data[16 : at - 64])
    envelope = (tmp_path / "keystore" / "abcdefgh.keys").read_bytes()
    assert hashlib.sha256(envelope).hexdigest() == head["key_envelope_sha256"]
    wrapped = [Recipient(one["kem"], one["key_id"], base64.b64decode(one["wrapped"]))
               for one in json.loads(envelope)["recipients"]]
    key = archive().unwrap(wrapped, wrap_info(head["recording_id"], device().public))
    chain = hashlib.sha256(b"scrubcam chain v2\0" + data[:at]).digest()
    pictures = []
    number = 0
    while at < len(data):
        marker, kind, flags, seq, meta_size, size = struct.unpack_from(">4sHHQII", data, at)
        assert (marker, seq) == (b"SREC", number)
        front = data[at : at + 24 + meta_size]
        payload = data[at + 24 + meta_size : at + 24 + meta_size + size]
        if flags & 1:
            plain = AESGCM(key).decrypt(bytes(4) + struct.pack(">Q", seq), payload, chain + front)
            (length,) = struct.unpack_from(">I", plain)
            if kind == 3:
                pictures.append((json.loads(plain[4 : 4 + length])["seq"], plain[4 + length :]))
        chain = hashlib.sha256(chain + front + payload).digest()
        at += 24 + meta_size + size + 32
        assert data[at - 32 : at] == chain
        number += 1
    assert pictures == [(n, bytes([n]) * (50 + n)) for n in range(6)]


def test_recording_ids_are_opaque_and_safe_as_file_names() -> None:
    ids = {new_recording_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(is_recording_id(text) and text.isalnum() for text in ids)
    for bad in ("", "../x", "a/b", ".hidden", "x" * 65, "a b", "ä", "a\n"):
        assert not is_recording_id(bad)
