"""The writer's thread over the simulated disk: what is durable, gaps, hangs, full and failing disks, sealing."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from firmware.messages import Consent, Fragment, StreamInfo, Verdict
from firmware.recorder import machine_types as t
from firmware.recorder.session import GapMark, Item, Session
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import Header, new_recording_id
from firmware.vault.keys import PrivateKey, RecipientKey
from firmware.vault.reader import Recording
from firmware.vault.records import Bookmark, Gap
from firmware.vault.recover import recover
from hw.sim.clock import SystemClock
from hw.sim.disk import SimDisk
from tests.recorder_helpers import until

QUARTER = 250_000_000
STREAM = StreamInfo("h264", 64, 48, 64, 48, 15, 1, True, "x264", ["face"], b"init")
KEY = PrivateKey.generate()
DEVICE = DeviceKey.generate()


def fragment(n: int, *, keyframe: bool = True, start_ns: int = 10**12, size: int = 1000) -> Fragment:
    pts = start_ns + n * QUARTER
    return Fragment(n, pts, QUARTER, keyframe, bytes([n % 256]) * size, [Verdict(pts, "clean")])


class Bench:
    """A session and what it reported."""

    def __init__(self, folder: Path, first: Iterable[Item] = (STREAM,), **more: int) -> None:
        self.disk = SimDisk()
        self.reports: queue.Queue[t.MachineEvent] = queue.Queue()
        self.path = folder / "r.scrub"
        header = Header(recording_id=new_recording_id(), device_name="d", created_unix_s=1.0, created_monotonic_ns=1,
                        software="s", consent=Consent(state="given", video=True))
        self.session = Session(
            self.disk, str(self.path), header, [RecipientKey("archive", KEY.public)], DEVICE,
            floor_bytes=more.get("floor_bytes", 0), clock=SystemClock(), report=self.reports.put, first=first,
            queue_bound_bytes=more.get("queue_bound_bytes", 10**7),
        )

    def report(self, kind: type) -> t.MachineEvent:
        while True:
            report = self.reports.get(timeout=20)
            if isinstance(report, kind):
                return report

    def sealed(self) -> list[object]:
        self.session.seal("stopped")
        self.report(t.Sealed)
        with Recording.open(str(self.path)) as recording:
            assert recording.verify().ok
            return [stored.record for stored in recording.records(KEY)]


def test_only_pictures_on_the_disk_count_as_evidence(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.session.put(Bookmark(1, 1.0))
    time.sleep(0.3)
    assert bench.reports.empty(), "a header and a bookmark are no pictures"
    bench.session.put(fragment(0))
    durable = bench.report(t.Durable)
    assert isinstance(durable, t.Durable)
    assert durable.total_bytes == bench.path.stat().st_size
    kept = bench.sealed()
    assert [type(r) for r in kept] == [Consent, Bookmark, StreamInfo, Fragment]


def test_a_file_starts_with_a_keyframe_and_gaps_are_marked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0, keyframe=False), fragment(1), fragment(2, keyframe=False)])
    bench.session.put(STREAM)  # the pipeline came back, the same as before
    bench.session.put(GapMark("pipeline"))
    bench.session.put(fragment(9, keyframe=False))
    bench.session.put(fragment(10))
    bench.session.put(fragment(20))  # no mark, yet pictures are missing
    bench.session.put(fragment(22))  # even a single one
    kept = bench.sealed()
    assert [r.seq for r in kept if isinstance(r, Fragment)] == [1, 2, 10, 20, 22]
    gaps = [r for r in kept if isinstance(r, Gap)]
    assert [(g.reason, g.duration_ns // QUARTER) for g in gaps] == [
        ("pipeline", 7), ("no-picture", 9), ("no-picture", 1),
    ]
    assert gaps[0].pts_ns == fragment(3).pts_ns
    assert sum(isinstance(r, StreamInfo) for r in kept) == 1


def test_a_long_preroll_becomes_durable_step_by_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, *(fragment(n, size=1_000_000) for n in range(20))])
    totals = [bench.report(t.Durable).total_bytes for _ in range(4)]  # type: ignore[union-attr]
    assert totals == sorted(set(totals))
    assert len([r for r in bench.sealed() if isinstance(r, Fragment)]) == 20


def test_a_hanging_disk_is_seen_and_what_waited_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)])
    bench.report(t.Durable)
    bench.disk.hang("sync")
    for n in range(1, 5):
        bench.session.put(fragment(n))
    until(lambda: bench.session.busy_ns(time.monotonic_ns()) > 300_000_000, what="a stall")
    assert bench.reports.empty()
    bench.disk.release()
    bench.report(t.Durable)
    assert bench.session.busy_ns(time.monotonic_ns()) < 300_000_000
    assert len([r for r in bench.sealed() if isinstance(r, Fragment)]) == 5


def test_a_queue_that_overflows_is_a_fault_and_what_fitted_is_sealed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)], queue_bound_bytes=10_000)
    bench.report(t.Durable)
    bench.disk.hang("sync")
    for n in range(1, 40):
        bench.session.put(fragment(n))
    assert "too slow" in bench.report(t.WriterFault).text  # type: ignore[union-attr]
    bench.disk.release()
    kept = [r.seq for r in bench.sealed() if isinstance(r, Fragment)]
    assert kept == list(range(len(kept)))
    assert 1 < len(kept) < 40


@pytest.mark.parametrize("trouble", ["full", "write", "sync"])
def test_a_failing_disk_is_told_and_the_file_recovers(tmp_path: Path, trouble: str) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)])
    bench.report(t.Durable)
    bench.disk.fill(500) if trouble == "full" else bench.disk.fail(trouble)  # type: ignore[arg-type]
    bench.session.put(fragment(1))
    assert bench.report(t.WriterFault).text.startswith("disk: ")  # type: ignore[union-attr]
    bench.session.seal("disk")
    bench.report(t.WriterFault)  # it cannot be sealed here any more
    assert bench.session.join(10)
    bench.disk.recover()
    assert recover(str(bench.path), DEVICE).outcome == "closed"
    with Recording.open(str(bench.path)) as recording:
        assert recording.verify().ok
        assert sum(1 for _ in recording.fragments(KEY)) >= 1


def test_the_floor_is_told_while_sealing_is_still_possible(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)], floor_bytes=1 << 60)
    bench.report(t.DiskLow)
    assert len(bench.sealed()) == 3


def test_an_abandoned_recording_is_left_for_recovery(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)])
    bench.report(t.Durable)
    bench.session.abandon()
    assert bench.session.join(10)
    assert recover(str(bench.path), DEVICE).outcome == "closed"


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "missing", [STREAM, fragment(0)])
    assert bench.report(t.WriterFault).text.startswith("disk: ")  # type: ignore[union-attr]
    bench.session.abandon()
    assert bench.session.join(10)
