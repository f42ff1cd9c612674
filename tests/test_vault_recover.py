"""Power cuts, full, hanging and failing disks: what a sync covered is never lost, and every file can be closed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.durable import cut_and_append
from firmware.errors import DiskFault, KeyFault
from firmware.messages import Fragment
from firmware.vault.format import RecordType
from firmware.vault.keys import DeviceKey, PrivateKey
from firmware.vault.recover import recover, recover_all
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from hw.sim.disk import SimDisk
from tests.vault_helpers import (
    archive,
    device,
    fragment,
    header,
    header_end,
    keystore,
    names,
    opened,
    read,
    seal,
    spans,
    to,
    write,
)


def writer_on(disk: SimDisk | OsDisk, folder: Path | str, others: int = 0) -> RecordingWriter:
    path = os.path.join(str(folder), "r.scrub")
    recipients = to(archive(), *(PrivateKey.generate() for _ in range(others)))
    return RecordingWriter.create(disk, path, header("r"), recipients, device(), keystore(folder))


def fragments_of(path: str) -> list[Fragment]:
    with opened(path) as recording:
        return list(recording.fragments(archive()))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), fragments=st.integers(0, 20), sync_every=st.integers(1, 6), size=st.integers(0, 9000)
)
def test_a_power_cut_at_any_moment_keeps_all_that_was_synced(
    seed: int, fragments: int, sync_every: int, size: int
) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        disk = SimDisk()
        writer = writer_on(disk, folder)
        written, durable = [], 0
        for number in range(fragments):
            written.append(fragment(number, rng.randbytes(size)))
            writer.append(written[-1])
            if (number + 1) % sync_every == 0:
                writer.sync()
                durable = len(written)
        covered = writer.durable_bytes
        disk.cut_power(rng)
        with pytest.raises(DiskFault):
            writer.append(fragment(99))
        before = read(writer.path)
        assert len(before) >= covered
        recovery = recover(writer.path, device())
        assert recovery.outcome == "closed"
        with opened(writer.path) as recording:
            report = recording.verify(trusted={device().fingerprint})
            assert report.ok
            assert report.state == "interrupted"
        kept = fragments_of(writer.path)
        assert kept == written[: len(kept)]
        assert len(kept) >= durable
        assert read(writer.path).startswith(before[:covered])
        if recovery.set_aside:
            assert before.endswith(read(recovery.set_aside))
        closed = read(writer.path)
        again = recover(writer.path, device())
        assert (again.outcome, again.records) == ("was-closed", recovery.records)
        assert read(writer.path) == closed


@pytest.mark.parametrize("seed", range(16))
def test_a_power_cut_while_the_recording_is_created(tmp_path: Path, seed: int) -> None:
    disk = SimDisk()
    disk.hang("sync")
    failed: list[BaseException] = []

    def start() -> None:
        try:
            writer_on(disk, tmp_path, others=4)  # a header of several pages, each with a fate of its own
        except DiskFault as error:
            failed.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    path = tmp_path / "r.scrub"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (path.exists() and path.stat().st_size):
        time.sleep(0.005)
    time.sleep(0.02)
    disk.cut_power(random.Random(seed))
    thread.join(10)
    assert failed
    outcome = recover(str(path), device()).outcome
    assert outcome in ("unstarted", "closed")
    left = names(tmp_path)
    assert left == (["r.scrub"] if outcome == "closed" else ["r.scrub.unstarted"])


def test_a_sync_that_hangs_blocks_only_itself_and_durable_bytes_stand_still(tmp_path: Path) -> None:
    disk = SimDisk()
    writer = writer_on(disk, tmp_path)
    writer.append(fragment(0))
    before = writer.sync()
    disk.hang("sync")
    writer.append(fragment(1))
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(writer.sync()))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    writer.append(fragment(2))
    assert writer.durable_bytes == before < writer.written_bytes
    written = writer.written_bytes
    disk.release()
    thread.join(10)
    assert not thread.is_alive()
    assert before < answers[0] < written, "the fragment appended during the sync is not covered by it"
    assert writer.seal("stopped") == os.path.getsize(writer.path)
    assert fragments_of(writer.path) == [fragment(0), fragment(1), fragment(2)]


def test_a_recording_abandoned_in_a_hanging_sync_is_let_go_when_the_sync_returns(tmp_path: Path) -> None:
    disk = SimDisk()
    writer = writer_on(disk, tmp_path)
    writer.append(fragment(0))
    disk.hang("sync")
    thread = threading.Thread(target=writer.sync)
    thread.start()
    thread.join(0.2)
    writer.abandon()
    assert thread.is_alive()
    assert recover(writer.path, device()).outcome == "in-use"
    disk.release()
    thread.join(10)
    assert recover(writer.path, device()).outcome == "closed"
    assert fragments_of(writer.path) == [fragment(0)]


def test_a_write_that_hangs_does_not_hide_the_durable_bytes(tmp_path: Path) -> None:
    disk = SimDisk()
    writer = writer_on(disk, tmp_path)
    before = writer.durable_bytes
    disk.hang("write")
    thread = threading.Thread(target=lambda: writer.append(fragment(0)))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert writer.durable_bytes == before
    disk.release()
    thread.join(10)
    writer.seal("stopped")
    assert fragments_of(writer.path) == [fragment(0)]


@pytest.mark.parametrize("left", [0, 1, 30, 200, 400, 700, 1100])
def test_a_disk_that_fills_up_keeps_every_whole_record(tmp_path: Path, left: int) -> None:
    disk = SimDisk()
    writer = writer_on(disk, tmp_path)
    disk.fill(left)
    numbers = iter(range(100))
    done: list[int] = []

    def go_on() -> None:
        for number in numbers:
            writer.append(fragment(number))
            done.append(number)

    with pytest.raises(DiskFault, match="full"):
        go_on()
    assert writer.closed
    assert not any(writer._content_key)
    with pytest.raises(DiskFault, match="takes no more"):
        writer.append(fragment(99))
    disk.recover()
    assert recover(writer.path, device()).outcome == "closed"
    assert fragments_of(writer.path) == [fragment(number) for number in done]


def test_a_failed_sync_is_never_believed_later(tmp_path: Path) -> None:
    disk = SimDisk()
    writer = writer_on(disk, tmp_path)
    before = writer.durable_bytes
    writer.append(fragment(0))
    disk.fail("sync")
    with pytest.raises(DiskFault, match="input/output"):
        writer.sync()
    disk.recover()
    for ask in (writer.sync, lambda: writer.append(fragment(1)), lambda: writer.seal("stopped")):
        with pytest.raises(DiskFault, match="takes no more"):
            ask()
    assert writer.durable_bytes == before


def test_a_read_only_disk_refuses_the_start_by_name(tmp_path: Path) -> None:
    disk = SimDisk()
    disk.read_only()
    with pytest.raises(DiskFault, match="read-only"):
        writer_on(disk, tmp_path)
    assert names(tmp_path) == []


def test_the_disk_is_driven_from_another_process_by_its_control_file(tmp_path: Path) -> None:
    control = tmp_path / "disk"
    writer = writer_on(SimDisk(str(control)), tmp_path)
    control.write_text("hang-sync")
    writer.append(fragment(0))
    thread = threading.Thread(target=writer.sync)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    control.unlink()
    thread.join(10)
    assert not thread.is_alive()
    control.write_text("full")
    with pytest.raises(DiskFault, match="full"):
        writer.append(fragment(1))


def test_recovery_killed_at_any_byte_is_finished_by_the_next(tmp_path: Path) -> None:
    path = seal(str(tmp_path), [fragment(0), fragment(1)], end=False)
    whole = read(path)
    torn = whole + whole[-150:-20]
    write(path, torn)
    recover(path, device(), unix_s=lambda: 5.0)
    closed = read(path)
    assert closed.startswith(whole)
    for size in range(len(whole), len(closed)):
        write(path, closed[:size])
        assert recover(path, device(), unix_s=lambda: 5.0).outcome == "closed"
        with opened(path) as recording:
            assert recording.verify().state == "interrupted"
        assert fragments_of(path) == [fragment(0), fragment(1)]


def test_damage_in_bytes_that_were_safe_is_left_exactly_as_it_is(tmp_path: Path) -> None:
    path = seal(str(tmp_path), [fragment(n) for n in range(6)], end=False, sync_every=1)
    data = bytearray(read(path))
    _, start, end = [span for span in spans(bytes(data)) if span[0] == RecordType.FRAGMENT][1]
    data[(start + end) // 2] ^= 1
    write(path, bytes(data))
    recovery = recover(path, device())
    assert recovery.outcome == "damaged"
    assert read(path) == bytes(data)
    assert names(tmp_path) == ["abcdefgh.scrub"]


def test_whole_records_behind_a_torn_place_are_kept_aside(tmp_path: Path) -> None:
    """Pages reach the disk in any order: a hole before whole records, none of it ever confirmed as synced."""
    writer = writer_on(OsDisk(), tmp_path)
    writer.append(fragment(0))
    writer.sync()
    for number in range(1, 5):
        writer.append(fragment(number))
    writer.abandon()
    path = writer.path
    data = bytearray(read(path))
    _, start, end = [span for span in spans(bytes(data)) if span[0] == RecordType.FRAGMENT][2]
    data[start:end] = bytes(end - start)
    write(path, bytes(data))
    recovery = recover(path, device())
    assert recovery.outcome == "closed"
    assert fragments_of(path) == [fragment(0), fragment(1)]
    assert read(recovery.set_aside) == bytes(data[start:])
    assert recovery.cut_bytes == len(data) - start


def test_records_signed_only_by_recovery_are_counted(tmp_path: Path) -> None:
    writer = writer_on(OsDisk(), tmp_path)
    writer.append(fragment(0))
    writer.sync()
    writer.append(fragment(1))
    writer.append(fragment(2))
    writer.abandon()
    recover(writer.path, device())
    with opened(writer.path) as recording:
        report = recording.verify()
    assert report.ok
    assert report.late_signed_records == 2
    assert report.end_reason == "recovered-after-crash"


def test_recovery_does_not_touch_a_recording_that_is_being_written(tmp_path: Path) -> None:
    writer = writer_on(OsDisk(), tmp_path)
    writer.append(fragment(0))
    before = read(writer.path)
    assert recover(writer.path, device()).outcome == "in-use"
    assert read(writer.path) == before
    writer.seal("stopped")
    assert recover(writer.path, device()).outcome == "was-closed"


def test_kill_9_of_the_writing_process_loses_nothing_it_wrote(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom tests.test_vault_recover import *\n"
        "writer = writer_on(OsDisk(), sys.argv[1])\n"
        "for number in range(10**6):\n"
        "    writer.append(fragment(number)); writer.sync(); print(number, flush=True); time.sleep(0.01)\n"
    )
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=root, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(5):
        said = int(process.stdout.readline())
    path = str(tmp_path / "r.scrub")
    assert recover(path, DeviceKey.generate()).outcome == "in-use"
    process.kill()
    process.wait(10)
    process.stdout.close()
    with opened(path) as recording:
        report = recording.verify()
        assert report.fragments > said
        assert report.intact
    with pytest.raises(KeyFault):
        recover(path, device())


def test_another_device_cannot_close_it(tmp_path: Path) -> None:
    path = seal(str(tmp_path), end=False)
    before = read(path)
    with pytest.raises(KeyFault, match=device().fingerprint):
        recover(path, DeviceKey.generate())
    assert read(path) == before


def test_recover_all_does_each_and_one_bad_file_stops_nothing(tmp_path: Path) -> None:
    seal(str(tmp_path), recording_id="a")
    seal(str(tmp_path), recording_id="b", end=False)
    seal(str(tmp_path), recording_id="c", end=False, by=DeviceKey.generate())
    write(str(tmp_path / "d.scrub"), b"")
    seal(str(tmp_path), recording_id="e", end=False)
    (tmp_path / "notes.txt").write_text("not ours")
    outcomes = [(os.path.basename(r.path), r.outcome) for r in recover_all(str(tmp_path), device())]
    assert outcomes == [("a.scrub", "was-closed"), ("b.scrub", "closed"), ("c.scrub", "failed"),
                        ("d.scrub", "unstarted"), ("e.scrub", "closed")]
    again = [r.outcome for r in recover_all(str(tmp_path), device())]
    assert again == ["was-closed", "was-closed", "failed", "was-closed"]
    with pytest.raises(DiskFault, match="does not exist"):
        recover_all(str(tmp_path / "absent"), device())


def test_a_start_reads_only_the_end_of_a_closed_recording(tmp_path: Path) -> None:
    path = seal(str(tmp_path))
    data = bytearray(read(path))
    data[len(data) // 2] ^= 1
    write(path, bytes(data))
    assert recover(path, device()).outcome == "damaged"
    (seen,) = recover_all(str(tmp_path), device())
    assert (seen.outcome, seen.recording_id) == ("was-closed", "abcdefgh")
    assert seen.records > seen.fragments > 0
    assert read(path) == bytes(data)


def test_an_end_record_that_outlived_the_index_before_it_does_not_count_as_closed(tmp_path: Path) -> None:
    """Both are written with one sync; sectors reach the disk in any order."""
    path = seal(str(tmp_path))
    data = bytearray(read(path))
    (_, start, _) = next(span for span in spans(bytes(data)) if span[0] == RecordType.INDEX)
    data[start : start + 100] = bytes(100)
    write(path, bytes(data))
    (seen,) = recover_all(str(tmp_path), device())
    assert seen.outcome == "closed"
    with opened(path) as recording:
        assert recording.verify().state == "interrupted"
        assert recording.verify().fragments == 6


def test_an_end_record_that_is_not_the_devices_own_does_not_count_as_closed(tmp_path: Path) -> None:
    path = seal(str(tmp_path))
    data = bytearray(read(path))
    data[-33] ^= 1  # the last byte of the end's signature
    write(path, bytes(data))
    (seen,) = recover_all(str(tmp_path), device())
    assert seen.outcome != "was-closed"


def test_cut_and_append_leaves_nothing_old_behind_the_new(tmp_path: Path) -> None:
    path = write(str(tmp_path / "f"), b"0123456789")
    handle = os.open(path, os.O_RDWR)
    try:
        cut_and_append(handle, 4, b"ab")
    finally:
        os.close(handle)
    assert read(path) == b"0123ab"


def test_a_header_alone_is_closed_too(tmp_path: Path) -> None:
    data = read(seal(str(tmp_path)))
    path = write(str(tmp_path / "only.scrub"), data[: header_end(data)])
    assert recover(path, device()).records == 1
    with opened(path) as recording:
        assert recording.verify().ok
