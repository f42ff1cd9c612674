"""Power cuts at every step of handing over and deleting: nothing is deleted that no verified copy replaces."""

from __future__ import annotations

import contextlib
import errno
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from firmware.config import Retention
from firmware.durable import files_on
from firmware.errors import DiskFault, ScrubcamError
from firmware.export.handover import hand_over, to_hand_over
from firmware.messages import Hold, TimestampWanted
from firmware.recorder.holds import Holds
from firmware.vault.certificate import checked
from firmware.vault.deletion import Deletion, Tell
from firmware.vault.ledger import HandOver, Ledger
from firmware.vault.reader import Recording
from firmware.vault.retention import due
from firmware.vault.survey import survey
from firmware.vault.timestamp_store import TimestampStore
from hw.sim.files import SimFiles
from tests.crash_helpers import (
    SAMPLES,
    SEED,
    TALLIES,
    Tally,
    Tree,
    crash_everywhere,
    crash_until_done,
    faults_everywhere,
    lay_out,
    simulated,
    tree_of,
)
from tests.test_vault_erasure import ORDER, unit
from tests.vault_helpers import archive, keystore, seal, some_records

LATER = 1_900_000_000.0
IDS = ("first", "second", "third")
RULES = Retention(education_days=1, own_days="ignore", after_handover_days=0)


def device_with_recordings(tmp_path: Path, ids: Sequence[str] = IDS) -> Tree:
    """Sealed recordings with their keys, and an empty target."""
    folder = tmp_path / "made"
    (folder / "rec").mkdir(parents=True)
    (folder / "usb").mkdir()
    for recording_id in ids:
        seal(str(folder / "rec"), some_records(2), recording_id=recording_id)
        timestamps(folder).want(TimestampWanted(recording_id, "start", 3, bytes(32)))
    (folder / "rec" / "keystore").rename(folder / "keystore")
    return tree_of(folder)


def handed_over(tree: Tree, tmp_path: Path) -> Tree:
    """The same after the first two were handed over; of the third only an unverified copy is known."""
    folder = lay_out(tree, tmp_path / "handed")
    ledger = Ledger(str(folder / "ledger"))
    for one in survey([str(folder / "rec")], ledger):
        verified = one.recording_id != "third"
        ledger.add_handover(one.recording_id, HandOver("usb", one.chain, 1, 1_790_000_000.0, verified))
    return tree_of(folder)


def timestamps(folder: Path) -> TimestampStore:
    return TimestampStore(str(folder / "timestamps"))


def hand_all_over(disk: SimFiles, folder: Path) -> None:
    ledger = Ledger(str(folder / "ledger"))
    found = to_hand_over(survey([str(folder / "rec")], ledger))
    result = hand_over(found, keystore(folder), ledger, str(folder / "usb"), "usb", lambda: LATER, lambda *_: None,
                     timestamps(folder).of)
    for fault in result.failed.values():
        raise fault
    disk.say("handed over")


def copies_hold(folder: Path) -> None:
    """Whatever the ledger calls handed over is there, whole, and opens with the archive's key alone."""
    for one in survey([str(folder / "rec")], Ledger(str(folder / "ledger"))):
        for handover in one.handovers:
            with Recording.open(str(folder / "usb" / f"{one.recording_id}.scrub")) as copy:
                assert copy.verify().ok
                assert len(list(copy.fragments(archive()))) == 2
            assert handover.chain == one.chain


def test_a_hand_over_is_written_down_only_when_the_copy_is_on_the_target(tmp_path: Path) -> None:
    def check(folder: Path, said: list[object]) -> None:
        copies_hold(folder)
        with simulated(folder) as disk:
            hand_all_over(disk, folder)  # what was cut short is done again; a copy without its line counts
        (one,) = survey([str(folder / "rec")], Ledger(str(folder / "ledger")))
        assert len(one.handovers) == 1
        assert [path.name for path in (folder / "usb").iterdir()] == ["first.scrub"], "a part of a copy stays"
        copies_hold(folder)

    crash_everywhere("hand over", tmp_path, hand_all_over, check, start=device_with_recordings(tmp_path, IDS[:1]))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_any_step_of_a_hand_over_leaves_recording_and_key_and_no_false_line(
    tmp_path: Path, code: int
) -> None:
    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        copies_hold(folder)
        assert sorted(path.name for path in (folder / "rec").iterdir()) == ["first.scrub"]
        assert keystore(folder).ids() == ["first"]
        assert not [path for path in (folder / "usb").iterdir() if path.name != "first.scrub"], "a part of a copy stays"
        with simulated(folder) as again:
            hand_all_over(again, folder)
        (one,) = survey([str(folder / "rec")], Ledger(str(folder / "ledger")))
        assert len(one.handovers) == 1
        copies_hold(folder)

    start = device_with_recordings(tmp_path, IDS[:1])
    assert faults_everywhere(tmp_path, hand_all_over, check, code, once=True, start=start) > 10


@pytest.mark.parametrize(("code", "todo"), [(errno.ENOSPC, "more room"), (errno.EFBIG, "exFAT")])
def test_a_target_that_takes_no_more_is_told_with_what_to_do(tmp_path: Path, code: int, todo: str) -> None:
    folder = lay_out(device_with_recordings(tmp_path, IDS[:1]), tmp_path / "run")
    disk = SimFiles(str(folder))
    disk.fail(4, code, once=True)  # ledger: folder, its name; then the copy: open, write
    with files_on(disk), pytest.raises(DiskFault, match=todo) as told:
        hand_all_over(disk, folder)
    assert "usb" in told.value.what
    assert list((folder / "usb").iterdir()) == []


def holds_on(disk: SimFiles, folder: Path) -> Holds:
    return Holds([str(folder / "rec")], Ledger(str(folder / "ledger")),
                 lambda kind, recording_id, fields: disk.say((kind, recording_id)), lambda: LATER)


def test_a_hold_that_was_promised_stands_and_a_release_is_told_before_it_takes_effect(tmp_path: Path) -> None:
    def hold_and_release(disk: SimFiles, folder: Path) -> None:
        holds = holds_on(disk, folder)
        for recording_id in ("first", "second"):
            assert holds.ask(Hold("1", recording_id, "inquiry"), "kim") == ""
        assert holds.ask(Hold("2", "second", release=True), "kim") == ""

    def check(folder: Path, said: list[object]) -> None:
        for recording_id in ("first", "second"):
            held = Ledger(str(folder / "ledger")).marked(recording_id, "hold") is not None
            assert held or ("held", recording_id) not in said or ("released", recording_id) in said
            with simulated(folder) as disk:
                retention(disk, folder)
            assert (folder / "rec" / f"{recording_id}.scrub").exists() >= held, "a held recording was deleted"
            assert keystore(folder).has(recording_id) >= held

    start = handed_over(device_with_recordings(tmp_path), tmp_path)
    crash_everywhere("hold, release", tmp_path, hold_and_release, check, start=start)


class Between(SimFiles):
    """Calls `then` once, in front of the operation of this number."""

    def __init__(self, root: str, place: int, then: Callable[[], None]) -> None:
        super().__init__(root)
        self._place, self._then = place, then
        self.came = False

    def _before(self, operation: str) -> None:
        if self.calls == self._place and not self.came:
            self.came = True
            self._then()
        super()._before(operation)


def hold_and_delete(folder: Path, place: int, in_between: str) -> tuple[bool, bool, bool]:
    """A deletion with a hold in front of its `place`-th operation, or the other way round.

    Returns whether there were so many, whether the recording is there and opens, and whether it is held.
    """
    answers: list[str] = []
    ledger = Ledger(str(folder / "ledger"))

    def hold() -> None:
        holds = Holds([str(folder / "rec")], ledger, lambda *_: None, lambda: LATER)
        answers.append(holds.ask(Hold("1", "first"), "kim"))

    def delete() -> None:
        deletion_on(folder, lambda *_: None).delete("first", "time-over")

    first, second = (delete, hold) if in_between == "hold" else (hold, delete)
    disk = Between(str(folder), place, second)
    with files_on(disk):
        first()
    held = ledger.ids("hold") == ["first"]
    assert ledger.ids("deleting") == []
    assert held == (answers == [""])
    return disk.came, (folder / "rec" / "first.scrub").exists() and keystore(folder).has("first"), held


@pytest.mark.parametrize("in_between", ["hold", "deletion"])
def test_of_a_hold_and_a_deletion_at_one_moment_one_gives_way(tmp_path: Path, in_between: str) -> None:
    start = handed_over(device_with_recordings(tmp_path, IDS[:1]), tmp_path)
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for place in range(200):
        came, there, held = hold_and_delete(lay_out(start, tmp_path / "race"), place, in_between)
        if not came:
            break
        assert there >= held, "it was promised to be held, and is gone"
        outcomes[there, held] += 1
    assert outcomes[True, True] >= 2
    assert outcomes[False, False] >= 2


def test_an_erasure_at_any_moment_of_a_hand_over_names_the_copy_or_the_copy_goes(tmp_path: Path) -> None:
    start = device_with_recordings(tmp_path, IDS[:1])
    for place in range(200):
        folder = lay_out(start, tmp_path / "race")
        erasure = unit(folder)
        disk = Between(str(folder), place, lambda erasure=erasure: erasure.erase(["first"], ORDER, 0, {}))
        with files_on(disk), contextlib.suppress(ScrubcamError):
            hand_all_over(disk, folder)
        if not disk.came:
            break
        certificate = erasure.certificate("first")
        assert certificate is not None
        named = [copy.target for copy in checked(certificate).copies]
        assert named == ["usb"] or not (folder / "usb" / "first.scrub").exists()
        assert not [one for one in Ledger(str(folder / "ledger")).handovers("first") if one.verified]
    assert place > 10


def deletion_on(folder: Path, tell: Tell) -> Deletion:
    return Deletion([str(folder / "rec")], keystore(folder), timestamps(folder), Ledger(str(folder / "ledger")), tell,
                    lambda: LATER)


def retention(disk: SimFiles, folder: Path) -> None:
    """One round as the recorder makes it."""
    ledger = Ledger(str(folder / "ledger"))
    deletion = deletion_on(folder, lambda kind, recording_id, fields: disk.say((kind, recording_id)))
    deletion.resume()
    for choice in due(survey([str(folder / "rec")], ledger), RULES, LATER, 0):
        deletion.delete(choice.recording_id, choice.reason)


def test_a_deletion_cut_short_is_finished_and_was_told_before_it_began(tmp_path: Path) -> None:
    def check(folder: Path, said: list[object]) -> None:
        for recording_id in ("first", "second"):
            there = (folder / "rec" / f"{recording_id}.scrub").exists() and keystore(folder).has(recording_id)
            assert there or ("deleting", recording_id) in said, "it went before the journal knew"
            gone = not (folder / "rec" / f"{recording_id}.scrub").exists()
            assert gone or ("deleted", recording_id) not in said, "it is there though the journal calls it deleted"
        with simulated(folder) as disk:
            retention(disk, folder)
        assert sorted(path.name for path in (folder / "rec").iterdir()) == ["third.scrub"]
        assert keystore(folder).ids() == ["third"]
        assert [one.recording_id for one in timestamps(folder).waiting(9)] == ["third"]
        ledger = Ledger(str(folder / "ledger"))
        assert (ledger.ids("deleted"), ledger.ids("deleting")) == (["first", "second"], [])
        with simulated(folder) as disk:
            retention(disk, folder)
        assert not [change for change in disk.log if type(change).__name__ != "Said"], "a second round does something"

    start = handed_over(device_with_recordings(tmp_path), tmp_path)
    crash_everywhere("retention", tmp_path, retention, check, start=start)


def opens_somewhere(folder: Path, recording_id: str) -> bool:
    """Every picture of it, on the device with its keys or on the target alone."""
    for place, keys in ((folder / "rec", keystore(folder)), (folder / "usb", None)):
        path = place / f"{recording_id}.scrub"
        if path.exists() and (keys is None or keys.has(recording_id)):
            with Recording.open(str(path), keys) as recording:
                if recording.verify().ok and len(list(recording.fragments(archive()))) == 2:
                    return True
    return False


def test_from_the_device_to_the_archive_each_recording_opens_somewhere_at_every_moment(tmp_path: Path) -> None:
    def keeping(disk: SimFiles, folder: Path) -> None:
        hand_all_over(disk, folder)
        retention(disk, folder)

    def check(folder: Path, said: list[object]) -> None:
        assert opens_somewhere(folder, "first")

    start = device_with_recordings(tmp_path, IDS[:1])
    crash_everywhere("hand over and retention", tmp_path, keeping, check, start=start)
    tally, rng = Tally("hand over and retention, cut again and again"), random.Random(SEED)
    for _ in range(2 * SAMPLES):
        folder = lay_out(start, tmp_path / "again")
        tally.cuts += crash_until_done(folder, keeping, rng, tally)
        check(folder, [])
        assert list((folder / "rec").iterdir()) == []
        assert keystore(folder).ids() == []
    TALLIES.append(tally)


def test_a_disk_that_refuses_any_step_of_a_deletion_leaves_it_for_the_next_round(tmp_path: Path) -> None:
    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        with simulated(folder) as again:
            retention(again, folder)
        assert sorted(path.name for path in (folder / "rec").iterdir()) == ["third.scrub"]
        assert keystore(folder).ids() == ["third"]

    start = handed_over(device_with_recordings(tmp_path), tmp_path)
    assert faults_everywhere(tmp_path, retention, check, errno.EIO, once=True, start=start) > 20


def test_nothing_goes_while_the_journal_is_not_written(tmp_path: Path) -> None:
    folder = lay_out(handed_over(device_with_recordings(tmp_path), tmp_path), tmp_path / "run")

    def refuses(kind: str, recording_id: str, fields: object) -> None:
        raise DiskFault("the journal is not written")

    deletion = deletion_on(folder, refuses)
    with pytest.raises(DiskFault, match="journal"):
        deletion.delete("first", "time-over")
    with pytest.raises(DiskFault, match="journal"):
        deletion.resume()
    assert keystore(folder).ids() == sorted(IDS)
    assert len(list((folder / "rec").iterdir())) == 3


def test_files_that_come_back_with_a_disk_after_their_deletion_are_removed(tmp_path: Path) -> None:
    folder = lay_out(handed_over(device_with_recordings(tmp_path), tmp_path), tmp_path / "run")
    deletion = deletion_on(folder, lambda *_: None)
    (folder / "rec").rename(folder / "rec-away")
    deletion.delete("first", "time-over")
    (folder / "rec-away").rename(folder / "rec")
    assert deletion.resume() == []
    assert sorted(path.name for path in (folder / "rec").iterdir()) == ["second.scrub", "third.scrub"]


def test_a_line_of_the_ledger_is_written_once_and_a_damaged_one_does_not_count(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    assert ledger.handovers("a") == []
    for number in range(3):
        ledger.add_handover("a", HandOver("usb", "aa", number, float(number), True))
    assert [one.size_bytes for one in ledger.handovers("a")] == [0, 1, 2]
    assert ledger.untold() == [("a", 0), ("a", 1), ("a", 2)]
    ledger.told("a", 1)
    assert ledger.untold() == [("a", 0), ("a", 2)]
    (tmp_path / "ledger" / "a.handover.0").write_text("{")
    with pytest.raises(DiskFault, match="damaged"):
        ledger.handovers("a")
