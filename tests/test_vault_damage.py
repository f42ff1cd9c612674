"""Whatever is done to a sealed file, verify says so, names the record, and what is before it stays readable."""

from __future__ import annotations

import hashlib
import random
import re
import struct
import threading
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from firmware.errors import DamagedRecording
from firmware.messages import Fragment
from firmware.vault.format import FRAME, Flag, RecordType, chain_next, frame_head, signed_bytes
from firmware.vault.keys import DeviceKey
from firmware.vault.read_ahead import LARGE_BYTES
from firmware.vault.records import Bookmark, EndMeta, Record
from firmware.vault.recover import recover
from firmware.vault.report import VerifyReport
from tests.vault_helpers import (
    archive,
    device,
    fragment,
    header_end,
    opened,
    read,
    seal,
    some_records,
    spans,
    write,
)


def check(path: str) -> VerifyReport | DamagedRecording:
    try:
        with opened(path) as recording:
            return recording.verify()
    except DamagedRecording as error:
        return error


def ok(path: str) -> bool:
    result = check(path)
    return isinstance(result, VerifyReport) and result.ok


def small(folder: Path, *, end: bool = True) -> bytes:
    return read(seal(str(folder), [fragment(0, b"ab"), fragment(1, b"cd")], end=end))


def opened_before_damage(path: str) -> list[Fragment]:
    """Fragments up to the damage; the error after them must name a record and a byte."""
    found: list[Fragment] = []
    said = ""
    with opened(path) as recording:
        damaged = recording.verify().state == "damaged"
        try:
            for one in recording.fragments(archive(), tolerant=True):
                found.append(one)
        except DamagedRecording as error:
            said = str(error)
    assert bool(re.search(r"record \d+ at byte \d+", said)) is damaged
    return found


def test_a_flipped_byte_is_named_by_its_record_and_the_rest_stays_exportable(tmp_path: Path) -> None:
    data = small(tmp_path)
    path = str(tmp_path / "flipped.scrub")
    rng = random.Random(2)
    for number, (_, start, end) in enumerate(spans(data)):
        changed = bytearray(data)
        changed[rng.randrange(start + FRAME.size, end)] ^= 0x40
        result = check(write(path, bytes(changed)))
        assert isinstance(result, VerifyReport)
        assert result.state == "damaged"
        assert result.first_problem is not None
        assert (result.first_problem.place, result.first_problem.offset) == (f"record {number}", start)
        whole = [kind for kind, _, stop in spans(data) if stop <= start]
        assert len(opened_before_damage(path)) == whole.count(RecordType.FRAGMENT)
        with opened(path) as recording, pytest.raises(DamagedRecording):
            next(recording.records(archive()))


def test_flips_in_a_large_file(tmp_path: Path) -> None:
    """Records that are read ahead on threads, among small ones: the first wrong one is named, no thread is left."""
    records: list[Record] = []
    for number in range(12):
        records += [fragment(number, random.Random(number).randbytes(LARGE_BYTES * 2)), Bookmark(number, 1.0)]
    data = read(seal(str(tmp_path), records))
    path = str(tmp_path / "flipped.scrub")
    places = [(f"record {number}", range(start, end)) for number, (_, start, end) in enumerate(spans(data))]
    rng = random.Random(3)
    for _ in range(25):
        changed = bytearray(data)
        first, second = sorted(rng.randrange(header_end(data), len(data)) for _ in range(2))
        changed[first] ^= 1 << rng.randrange(8)
        changed[second] ^= 1 << rng.randrange(8)
        result = check(write(path, bytes(changed)))
        assert isinstance(result, VerifyReport)
        assert result.first_problem is not None
        assert first in dict(places)[result.first_problem.place]
        with opened(path) as recording:
            before = [start for kind, start, _ in spans(data) if start < result.first_problem.offset and kind < 256]
            opens = recording.checked_records(archive())
            assert [stored.offset for stored in islice(opens, len(before))] == before
            with pytest.raises(DamagedRecording, match=re.escape(f"{result.first_problem.place} at")):
                next(opens)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
    with opened(write(path, data)) as recording:
        assert [stored.record for stored in recording.checked_records(archive())][1:] == records


def test_cut_at_every_byte_nothing_whole_is_lost_and_recovery_closes_it(tmp_path: Path) -> None:
    data = small(tmp_path)
    path = str(tmp_path / "cut.scrub")
    begin = header_end(data)
    frames = list(spans(data))
    for size in range(len(data)):
        result = check(write(path, data[:size]))
        if size < begin:
            assert isinstance(result, DamagedRecording)
            continue
        whole = [kind for kind, _, end in frames if end <= size]
        assert isinstance(result, VerifyReport)
        assert not result.ok
        assert result.state == "unfinished"
        assert result.records == len(whole)
        assert opened_before_damage(path) == [fragment(0, b"ab"), fragment(1, b"cd")][: whole.count(3)]
        index = RecordType.FRAGMENT in whole and RecordType.INDEX not in whole
        recovery = recover(path, device())
        assert (recovery.outcome, recovery.records) == ("closed", len(whole) + 1 + index)
        after = check(path)
        assert isinstance(after, VerifyReport)
        assert after.ok
        assert after.state == "interrupted"
        assert after.records == recovery.records
        assert read(path)[: frames[len(whole) - 1][2] if whole else begin] == data[
            : frames[len(whole) - 1][2] if whole else begin]


def test_cut_inside_the_header_is_set_aside_not_deleted(tmp_path: Path) -> None:
    data = small(tmp_path)
    begin = header_end(data)
    for count, size in enumerate([0, 1, 8, 15, 16, 17, begin // 2, begin - 1]):
        path = write(str(tmp_path / f"torn{count}.scrub"), data[:size])
        recovery = recover(path, device())
        assert recovery.outcome == "unstarted"
        assert read(recovery.set_aside) == data[:size]
        assert not Path(path).exists()


def joined(data: bytes, order: list[int]) -> bytes:
    parts = [data[start:end] for _, start, end in spans(data)]
    return data[: header_end(data)] + b"".join(parts[n] for n in order)


def test_swapped_removed_repeated_and_appended_records_are_found(tmp_path: Path) -> None:
    data = small(tmp_path)
    count = len(list(spans(data)))
    usual = list(range(count))
    path = str(tmp_path / "changed.scrub")
    assert ok(write(path, joined(data, usual)))
    for a in range(count):
        assert not ok(write(path, joined(data, usual[:a] + usual[a + 1 :]))), "removed"
        assert not ok(write(path, joined(data, usual[: a + 1] + usual[a:]))), "replayed"
        for b in range(a):
            order = usual.copy()
            order[a], order[b] = order[b], order[a]
            assert not ok(write(path, joined(data, order))), "swapped"
    for tail in (b"\0", b"SREC", data[-200:], data, joined(data, usual)[header_end(data) :]):
        result = check(write(path, data + tail))
        assert isinstance(result, VerifyReport)
        assert result.state == "damaged", "something after the end"
        assert recover(path, device()).outcome == "damaged"
        assert read(path) == data + tail


def test_records_spliced_from_another_recording_are_found(tmp_path: Path) -> None:
    one = read(seal(str(tmp_path), [fragment(n) for n in range(4)], recording_id="one"))
    two = read(seal(str(tmp_path), [fragment(n) for n in range(4)], recording_id="two"))
    path = str(tmp_path / "spliced.scrub")
    frames_one, frames_two = list(spans(one)), list(spans(two))
    for (_, start, end), (_, start2, end2) in zip(frames_one, frames_two, strict=True):
        assert not ok(write(path, one[:start] + two[start2:end2] + one[end:])), "one record"
        assert not ok(write(path, one[:start] + two[start2:])), "all from here on"


def rechained(data: bytes, change: int, new_payload: bytes) -> bytes:
    """Replace one payload and make the whole chain fit again, as someone without the device key can."""
    with_chain = data[: header_end(data)]
    chain = hashlib.sha256(b"scrubcam chain v2\0" + with_chain).digest()
    for number, (_, start, end) in enumerate(spans(data)):
        meta = FRAME.unpack_from(data, start)[4]
        head, payload = data[start : start + 24 + meta], data[start + 24 + meta : end - 32]
        payload = new_payload if number == change else payload
        chain = chain_next(chain, head, payload)
        with_chain += head + payload + chain
    return with_chain


def test_a_forger_without_the_device_key_is_found(tmp_path: Path) -> None:
    data = small(tmp_path)
    path = str(tmp_path / "forged.scrub")
    for number, (kind, start, end) in enumerate(spans(data)):
        meta = FRAME.unpack_from(data, start)[4]
        payload = bytearray(data[start + 24 + meta : end - 32])
        if not payload:
            continue  # an index has none
        payload[0] ^= 1
        result = check(write(path, rechained(data, number, bytes(payload))))
        assert isinstance(result, VerifyReport)
        assert result.state == "damaged"
        assert result.first_problem is not None
        assert "signature" in result.first_problem.text
        if kind == RecordType.FRAGMENT:
            with opened(path) as recording, pytest.raises(DamagedRecording, match="does not open"):
                list(recording.records(archive(), tolerant=True))


def test_another_devices_signature_does_not_count(tmp_path: Path) -> None:
    data = small(tmp_path, end=False)
    stranger = DeviceKey.generate()
    path = write(str(tmp_path / "forged.scrub"), data)
    chain = data[-32:]
    number = len(list(spans(data)))
    meta = msgspec.json.encode(EndMeta("sealed", "", 0.0, 0, number + 1, 2, 6, number + 1))
    head = frame_head(RecordType.END, Flag.CRITICAL, number, meta, 64)
    for signer, good in ((stranger, False), (device(), True)):
        signature = signer.sign(signed_bytes(chain, head))
        write(path, data + head + signature + chain_next(chain, head, signature))
        assert ok(path) is good


def test_a_whole_recording_by_an_unknown_device_is_not_trusted(tmp_path: Path) -> None:
    other = DeviceKey.generate()
    path = seal(str(tmp_path), by=other)
    with opened(path) as recording:
        assert recording.verify().trusted is None
        report = recording.verify(trusted={device().fingerprint})
        assert (report.ok, report.trusted, report.device_fingerprint) == (False, False, other.fingerprint)
        report = recording.verify(trusted={device().fingerprint, other.fingerprint})
        assert (report.ok, report.trusted) == (True, True)


def with_extra(data: bytes, kind: int, flags: int, skip: int = 0) -> bytes:
    """The unfinished file `data` with one more record and a right signature after it."""
    chain, number = data[-32:], len(list(spans(data))) + skip
    payload = b"from a future version"
    head = frame_head(kind, flags, number, b'{"pts_ns":1}', len(payload))
    chain2 = chain_next(chain, head, payload)
    meta = b'{"durable_bytes":0,"unix_s":0}'
    head2 = frame_head(RecordType.SIGNATURE, Flag.CRITICAL, number + 1, meta, 64)
    signature = device().sign(signed_bytes(chain2, head2))
    return data + head + payload + chain2 + head2 + signature + chain_next(chain2, head2, signature)


def test_an_unknown_record_type_is_checked_and_skipped(tmp_path: Path) -> None:
    path = write(str(tmp_path / "new.scrub"), with_extra(small(tmp_path, end=False), 999, 0))
    result = check(path)
    assert isinstance(result, VerifyReport)
    assert (result.state, result.torn_bytes) == ("unfinished", 0)
    assert recover(path, device()).outcome == "closed"
    assert ok(path)
    with opened(path) as recording:
        assert len(list(recording.fragments(archive()))) == 2


def test_a_critical_unknown_type_and_unknown_flags_are_refused(tmp_path: Path) -> None:
    for kind, flags, words in ((999, 2, "newer"), (999, 4, "flags"), (RecordType.NOTE, 0, "not encrypted"),
                                (RecordType.FRAGMENT, 1, "public data")):
        path = write(str(tmp_path / "new.scrub"), with_extra(small(tmp_path, end=False), kind, flags))
        result = check(path)
        assert isinstance(result, VerifyReport)
        assert result.first_problem is not None
        assert re.search(words, result.first_problem.text)
        newer = words in ("newer", "flags")
        assert (result.state, result.intact) == ("unsupported" if newer else "damaged", False)
        before = read(path)
        assert recover(path, device()).outcome == "damaged" or not newer
        assert read(path) == before or not newer
        (tmp_path / "abcdefgh.scrub").unlink()


def test_a_number_left_out_is_found_even_when_it_is_signed(tmp_path: Path) -> None:
    path = write(str(tmp_path / "skip.scrub"), with_extra(small(tmp_path, end=False), 999, 0, skip=1))
    result = check(path)
    assert isinstance(result, VerifyReport)
    assert result.first_problem is not None
    assert "stands where record" in result.first_problem.text


def test_end_counts_that_do_not_fit_are_found_even_when_they_are_signed(tmp_path: Path) -> None:
    data = small(tmp_path, end=False)
    chain, number = data[-32:], len(list(spans(data)))
    for fragments, state in ((2, "sealed"), (3, "damaged")):
        meta = msgspec.json.encode(EndMeta("sealed", "", 0.0, 0, number + 1, fragments, 6, number + 1))
        head = frame_head(RecordType.END, Flag.CRITICAL, number, meta, 64)
        signature = device().sign(signed_bytes(chain, head))
        path = write(str(tmp_path / "counts.scrub"), data + head + signature + chain_next(chain, head, signature))
        result = check(path)
        assert isinstance(result, VerifyReport)
        assert (result.state, result.ok) == (state, state == "sealed")


def test_an_altered_header_is_named_before_anything_is_opened(tmp_path: Path) -> None:
    data = small(tmp_path)
    for old, new in ((b'"video":true', b'"video":null'), (b'"audio":true', b'"audio":fals'), (b"or-1", b"or-2")):
        path = write(str(tmp_path / "header.scrub"), data.replace(old, new, 1))
        with pytest.raises(DamagedRecording, match="header"):
            opened(path)


def test_a_wrong_length_inside_the_file_is_not_taken_for_a_torn_end(tmp_path: Path) -> None:
    data = small(tmp_path)
    path = str(tmp_path / "length.scrub")
    frames = list(spans(data))
    for number, (kind, start, _) in enumerate(frames[:-1]):
        for at in (start + 17, start + 21):
            changed = bytearray(data)
            changed[at] |= 0x04
            result = check(write(path, bytes(changed)))
            assert isinstance(result, VerifyReport)
            assert (result.state, result.records_after) == ("damaged", len(frames) - number - 1)
            if kind == RecordType.INDEX:
                continue  # only the end record stands behind it, and no sync had confirmed these two
            assert recover(path, device()).outcome == "damaged"
            assert read(path) == bytes(changed)


def test_an_unknown_version_says_so_and_recovery_leaves_it_alone(tmp_path: Path) -> None:
    data = bytearray(small(tmp_path))
    data[8:10] = struct.pack(">H", 3)
    for size in (len(data), header_end(bytes(data)), 40):
        path = write(str(tmp_path / "v3.scrub"), bytes(data[:size]))
        with pytest.raises(DamagedRecording, match=r"version 3\.0.*reads version 2"):
            opened(path)
        assert recover(path, device()).outcome == "damaged"
        assert read(path) == bytes(data[:size])


def test_what_is_not_a_recording_says_so(tmp_path: Path) -> None:
    for content in (b"", b"\0" * 100, b"an MP4, perhaps" * 10, b"\x89SCRUB\r\n", b"\x89SCRUB\r\n" + b"\xff" * 9000):
        with pytest.raises(DamagedRecording):
            opened(write(str(tmp_path / "x.scrub"), content))


def test_verify_reports_progress_to_the_last_byte(tmp_path: Path) -> None:
    path = seal(str(tmp_path), some_records(10))
    seen: list[tuple[int, int]] = []
    with opened(path) as recording:
        recording.verify(lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(read(path)), len(read(path)))
