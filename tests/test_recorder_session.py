"""The writer's thread over the simulated disk: what is durable, gaps, hangs, full and failing disks, sealing."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware.messages import Consent, Fragment, StreamInfo, Verdict
from firmware.recorder import machine_types as t
from firmware.recorder.session import Session
from firmware.recorder.session_items import GapMark, Item, playable_tail
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import Header, new_recording_id
from firmware.vault.keys import PrivateKey, RecipientKey
from firmware.vault.keystore import Keystore
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
        self.keystore = Keystore(f"{folder}-keystore")
        header = Header(recording_id=new_recording_id(), device_name="d", created_unix_s=1.0, created_monotonic_ns=1,
                        software="s", consent=Consent(state="given", video=True))
        self.session = Session(
            self.disk, str(self.path), header, [RecipientKey("archive", KEY.public)], DEVICE, self.keystore,
            floor_bytes=more.get("floor_bytes", 0),
            clock=SystemClock(), report=self.reports.put, first=first,
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
        with Recording.open(str(self.path), self.keystore) as recording:
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
    with Recording.open(str(bench.path), bench.keystore) as recording:
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


# ---- going on on another disk --------------------------------------------------------------------


def goes_on(bench: Bench, folder: Path) -> list[object]:
    """Everything in the file that a recording goes on with on a healthy disk."""
    folder.mkdir()
    second = Bench(folder, bench.session.carry_over())
    bench.session.abandon()
    return second.sealed()


@pytest.mark.parametrize("trouble", ["full", "write", "sync", "hang"])
def test_nothing_is_lost_when_a_recording_goes_on_on_another_disk(tmp_path: Path, trouble: str) -> None:
    frames = [fragment(n, keyframe=n % 4 == 0) for n in range(14)]
    bench = Bench(tmp_path, [STREAM, *frames[:7]])
    bench.report(t.Durable)
    {
        "full": lambda: bench.disk.fill(1500), "write": lambda: bench.disk.fail("write"),
        "sync": lambda: bench.disk.fail("sync"), "hang": lambda: bench.disk.hang("sync"),
    }[trouble]()
    for item in (*frames[7:11], Bookmark(1, 1.0), *frames[11:]):
        bench.session.put(item)
    if trouble == "hang":
        until(lambda: bench.session.busy_ns(time.monotonic_ns()) > 300_000_000, what="a stall")
    else:
        assert " Do: " in bench.report(t.WriterFault).text  # type: ignore[union-attr]
    kept = goes_on(bench, tmp_path / "second")
    bench.disk.recover()
    assert bench.session.join(10)
    assert recover(str(bench.path), DEVICE).outcome == "closed"
    with Recording.open(str(bench.path), bench.keystore) as recording:
        first = [fragment.seq for fragment in recording.fragments(KEY)]
    second = [r.seq for r in kept if isinstance(r, Fragment)]
    assert isinstance(next(r for r in kept if isinstance(r, StreamInfo | Fragment)), StreamInfo)
    assert second[0] in (4, 8), "it begins with the last keyframe that was safe on the first disk"
    assert second == list(range(second[0], 14))
    assert first == list(range(len(first)))
    assert first[-1] + 1 >= second[0], "together they hold every picture"
    assert not [r for r in kept if isinstance(r, Gap)]
    assert sum(isinstance(r, Bookmark) for r in kept) == 1


def test_pictures_lost_before_the_change_of_disks_are_a_gap(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [STREAM, fragment(0)], queue_bound_bytes=10_000)
    bench.report(t.Durable)
    bench.disk.hang("sync")
    for n in range(1, 40):
        bench.session.put(fragment(n))
    carried = bench.session.carry_over()
    (tmp_path / "second").mkdir()
    second = Bench(tmp_path / "second", carried)
    bench.session.abandon()
    bench.disk.release()
    second.session.put(fragment(40, keyframe=False))  # it could not be played
    second.session.put(fragment(41))
    kept = second.sealed()
    numbers = [r.seq for r in kept if isinstance(r, Fragment)]
    assert numbers == [*range(numbers[-2] + 1), 41]
    (gap,) = [r for r in kept if isinstance(r, Gap)]
    assert gap.reason == "disk"
    assert gap.duration_ns == (41 - numbers[-2] - 1) * QUARTER


@given(st.lists(st.sampled_from(["stream", "key", "delta", "mark"]), max_size=30))
def test_the_playable_tail_is_stable_and_begins_with_a_keyframe(kinds: list[str]) -> None:
    items: list[Item] = []
    for number, kind in enumerate(kinds):
        items.append({
            "stream": replace(STREAM, width=number), "mark": GapMark("x"),
        }.get(kind) or fragment(number, keyframe=kind == "key"))
    tail = playable_tail(items)
    assert playable_tail(tail) == tail
    for cut in range(len(items)):
        assert playable_tail([*playable_tail(items[:cut]), *items[cut:]]) == tail, "it can be kept step by step"
    group = [item for item in tail if isinstance(item, Fragment)]
    assert not group or (group[0].keyframe and isinstance(tail[0], StreamInfo))
