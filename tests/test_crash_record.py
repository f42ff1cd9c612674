"""Power cuts at every operation of recording, stopping and recovering: what was promised holds in every state left."""

from __future__ import annotations

import errno
import functools
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from firmware import config
from firmware.durable import files_on
from firmware.errors import DiskFault
from firmware.export.mp4 import export_mp4
from firmware.messages import Fragment, StreamInfo, Verdict
from firmware.vault.recover import recover, recover_all
from firmware.vault.writer import RecordingWriter, recording_path
from hw.disk import OsDisk
from hw.ports import StreamFormat
from hw.sim.crash import states
from hw.sim.files import Said, SimFiles
from tests.crash_helpers import (
    SEED,
    TALLIES,
    Tally,
    Tree,
    crash_everywhere,
    crash_until_done,
    faults_everywhere,
    lay_out,
    places,
    simulated,
    tree_of,
)
from tests.media_helpers import decode_cleanly, encode, records, video_track
from tests.vault_helpers import archive, device, header, keystore, opened, to

ID = "abcdefgh"
NS = 1_000_000_000
FRAGMENTS = 6
ENCODE_S, WRITE_S, SYNC_S = 0.05, 0.001, 0.1


@functools.cache
def film() -> list[StreamInfo | Fragment]:
    """A stream record and real encoded fragments of 0.25 s, as a pipeline sends them."""
    fmt = StreamFormat(64, 48, Fraction(12), True)
    times = [round(Fraction(index, 12) * NS) for index in range(3 * FRAGMENTS)]
    units, codec_config = encode(config.Encode(preset="ultrafast", bitrate_bps=200_000, idr_interval_s=0.5), fmt, times)
    found = records(video_track(fmt, "h264", codec_config), units, NS // 12)
    return [
        Fragment(one.seq, one.pts_ns, one.duration_ns, one.keyframe, one.data,
                 [Verdict(one.pts_ns + at * (NS // 12), "clean") for at in range(3)])
        if isinstance(one, Fragment) else one for one in found
    ]


def fragments() -> list[Fragment]:
    return [one for one in film() if isinstance(one, Fragment)]


def create(disk: SimFiles, folder: Path) -> RecordingWriter:
    path = recording_path(str(folder), ID)
    return RecordingWriter.create(OsDisk(disk), path, header(ID), to(), device(), keystore(folder))


def record(disk: SimFiles, folder: Path) -> None:
    """Create, write, sign, sync and seal, as a session does; tells what it would tell."""
    writer = create(disk, folder)
    disk.say(0)
    writer.append(film()[0])
    for number, fragment in enumerate(fragments(), 1):
        writer.append(fragment)
        if number % 2 == 0:
            writer.sync()
            disk.say(number)
    writer.seal("stopped")
    disk.say("sealed")


def kept_fragments(folder: Path) -> list[Fragment]:
    """What an archive finds in it; the film that it makes of it is decoded, once for each that is different."""
    with opened(recording_path(str(folder), ID)) as recording:
        found = [stored.record for stored in recording.records(archive())]
    kept = [record for record in found if isinstance(record, Fragment)]
    if kept:
        film_of(len(kept))
    return kept


@functools.cache
def film_of(count: int) -> None:
    """The export of the first `count` fragments plays: every frame comes out of the decoder, and no complaint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        assert export_mp4(film()[: count + 1], str(path)).frames == 3 * count
        decode_cleanly(path)


def check_recovered(folder: Path, said: list[object]) -> None:
    """After recovery: nothing promised is gone, all is readable, and a second recovery changes nothing."""
    with simulated(folder):
        recover_all(str(folder), device())
    judge(folder, said)
    assert not list(folder.glob("*.tmp")), "half-written files stay for ever"
    before = tree_of(folder)
    with simulated(folder) as disk:
        outcomes = {recovery.outcome for recovery in recover_all(str(folder), device())}
    assert outcomes <= {"was-closed"}
    assert not disk.log
    assert tree_of(folder) == before


def judge(folder: Path, said: list[object]) -> None:
    """The promises, on a folder that recovery has been through."""
    durable = max([number for number in said if isinstance(number, int)], default=-1)
    path = Path(recording_path(str(folder), ID))
    if not path.exists():
        assert durable < 0, "a recording that had been started is gone"
        return
    assert keystore(folder).has(ID), "the recording's keys are gone"
    with opened(path) as recording:
        report = recording.verify(trusted={device().fingerprint})
    assert report.ok, report
    assert report.state == "sealed" if "sealed" in said else report.state in ("sealed", "interrupted")
    found = kept_fragments(folder)
    assert found == fragments()[: len(found)]
    assert len(found) >= max(durable, 0)
    if report.state == "sealed":
        assert len(found) == FRAGMENTS


def test_recording_and_stopping(tmp_path: Path) -> None:
    tally = crash_everywhere("record and stop", tmp_path, record, check_recovered)
    assert {"kept", "lost", "cut short", "reordered", "torn", "length ahead", "sectors"} <= set(tally.kinds)


def test_recovery_cut_again_and_again_until_it_completes(tmp_path: Path) -> None:
    """Each state after a cut of a recording is recovered with further cuts, each at a random place of the recovery."""
    rng = random.Random(SEED)
    tally = Tally("recover, cut repeatedly")
    crashes = 0

    def keep_cutting(folder: Path, said: list[object]) -> None:
        nonlocal crashes
        if rng.random() < 0.5:
            return
        crashes += crash_until_done(folder, lambda _, root: recover_all(str(root), device()), rng, tally)
        check_recovered(folder, said)

    crash_everywhere("record, for recovery", tmp_path, record, keep_cutting, samples=1)
    assert crashes > 100
    tally.cuts = crashes
    TALLIES.append(tally)
    assert tally.states > 100


def test_at_most_a_second_of_picture_is_lost(tmp_path: Path) -> None:
    """In every state after a cut at any place of a live recording, with the default delay and fragment:

        lost = moment of the cut - end of the last fragment that recovery finds  <=  1.0 s

    A frame taken at t leaves the delay line at t + delay_s; the fragment it is in ends up to fragment_s later and is
    encoded ENCODE_S after that; its write and its sync take WRITE_S and SYNC_S. So the most that can be lost is
    delay_s + fragment_s + ENCODE_S + WRITE_S + SYNC_S, as long as a sync is shorter than a fragment. The moment of a
    cut is taken as late as can be: when the next change is just not done yet.
    """
    delay_s, fragment_s = config.Detect().delay_s, config.Encode().fragment_s
    now_s, at_s = 0.0, [0.0]

    def live(disk: SimFiles, folder: Path) -> None:
        nonlocal now_s

        def pass_time(operation: str) -> None:
            nonlocal now_s
            now_s += {"write": WRITE_S, "sync": SYNC_S, "sync names": SYNC_S}.get(operation, 0.0)
            at_s.extend([now_s] * (len(disk.log) + 2 - len(at_s)))

        disk.on_call = pass_time
        writer = create(disk, folder)
        writer.append(film()[0])
        waiting = [(one.pts_ns / NS + one.duration_ns / NS + delay_s + ENCODE_S, one) for one in fragments()]
        while waiting:
            now_s = max(now_s, waiting[0][0])
            while waiting and waiting[0][0] <= now_s:  # as a session does: all that has come, then one sync
                writer.append(waiting.pop(0)[1])
            writer.sync()

    with simulated(lay_out({}, tmp_path / "live")) as disk:
        live(disk, tmp_path / "live")
    at_s.append(now_s)
    tally, lost = Tally("live recording, seconds lost"), []
    for cut, _ in places(disk):
        tally.cuts += 1
        for state in states(disk, cut, seed=SEED, samples=1):
            tally.count(state)
            folder = lay_out(state.tree, tmp_path / "state")
            with simulated(folder):
                recover_all(str(folder), device())
            found = kept_fragments(folder) if Path(recording_path(str(folder), ID)).exists() else []
            end_s = (found[-1].pts_ns + found[-1].duration_ns) / NS if found else 0.0
            lost.append(at_s[cut + 1] - end_s)
    assert max(lost) <= 1.0
    TALLIES.append(tally)
    most = delay_s + fragment_s + ENCODE_S + SYNC_S
    assert most <= max(lost) <= most + 4 * WRITE_S, f"the longest loss, {max(lost):.3f} s, is not as computed"


def test_a_disk_that_hangs_at_any_call_is_promised_nothing_more(tmp_path: Path) -> None:
    """The power goes while it hangs: what was told before holds, and the error is a named one."""
    call = 0
    while True:
        folder = lay_out({}, tmp_path / "hang")
        disk = SimFiles(str(folder))
        disk.hang(call)
        raised: list[BaseException] = []
        with files_on(disk):
            thread = threading.Thread(target=_record_until_fault, args=(disk, folder, raised))
            thread.start()
            deadline = time.monotonic() + 20
            while thread.is_alive() and not disk.hanging and time.monotonic() < deadline:
                time.sleep(0.0005)
            if not disk.hanging:
                break
            entries = len(disk.log)
            said = [change.what for change in disk.log if isinstance(change, Said)]
            left = list(itertools.islice(states(disk, entries, seed=SEED, samples=0), 4))
            disk.cut_power()
            thread.join(20)
        assert [type(error) for error in raised] == [DiskFault]
        assert not any(isinstance(change, Said) for change in disk.log[entries:])
        for state in left:
            check_recovered(lay_out(state.tree, tmp_path / "state"), said)
        call += 1
    thread.join(20)
    assert call > 20


def _record_until_fault(disk: SimFiles, folder: Path, raised: list[BaseException]) -> None:
    try:
        record(disk, folder)
    except Exception as error:
        raised.append(error)


def torn_states(tmp_path: Path) -> Sequence[tuple[str, Tree]]:
    """Starting points of recovery: a torn end, whole records behind a hole, a header only, nothing at all."""
    with simulated(lay_out({}, tmp_path / "made")) as disk:
        writer = create(disk, tmp_path / "made")
        writer.append(film()[0])
        for fragment in fragments()[:2]:
            writer.append(fragment)
        writer.sync()
        durable = writer.durable_bytes
        for fragment in fragments()[2:5]:
            writer.append(fragment)
        writer.abandon()
    name, made = f"{ID}.scrub", tree_of(tmp_path / "made")
    data = made[name] or b""
    return [
        ("torn end", made | {name: data[:-700]}),
        ("hole", made | {name: data[:durable] + bytes(300) + data[durable + 300 :]}),
        ("unfinished", made | {name: data[:durable]}),
        ("nothing", made | {name: b""}),
        ("torn header", made | {name: data[:100] + bytes(50)}),
    ]


def test_recovery_at_every_place(tmp_path: Path) -> None:
    for name, start in torn_states(tmp_path):
        said: list[object] = [2] if name in ("torn end", "hole", "unfinished") else []

        def check(folder: Path, _: list[object], said: list[object] = said) -> None:
            check_recovered(folder, said)
            assert said or not (folder / f"{ID}.scrub").exists()

        crash_everywhere(f"recover: {name}", tmp_path, lambda _, root: recover_all(str(root), device()), check,
                         start=start)


@pytest.mark.parametrize(("code", "once"), [(errno.ENOSPC, False), (errno.EIO, False), (errno.EIO, True)])
def test_recording_on_a_disk_that_fails_at_any_call(tmp_path: Path, code: int, once: bool) -> None:
    """The error is named, what was durable before it stays, and recovery closes the file once the disk is well."""

    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        assert raised, "a failing disk went unnoticed"
        said = [change.what for change in disk.log if isinstance(change, Said)]
        check_recovered(folder, said)

    assert faults_everywhere(tmp_path, record, check, code, once=once) > 20


@pytest.mark.parametrize(("code", "once"), [(errno.ENOSPC, False), (errno.EIO, False), (errno.EIO, True)])
def test_recovery_on_a_disk_that_fails_at_any_call(tmp_path: Path, code: int, once: bool) -> None:
    for name, start in torn_states(tmp_path)[:3]:

        def check(folder: Path, _disk: SimFiles, raised: bool, name: str = name) -> None:
            assert raised, f"{name}: a failing disk went unnoticed"
            check_recovered(folder, [2])

        def one(_: SimFiles, folder: Path) -> None:
            recover(recording_path(str(folder), ID), device())

        assert faults_everywhere(tmp_path, one, check, code, once=once, start=start) >= 2
