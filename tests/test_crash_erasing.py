"""Power cuts and faults at every step of an erasure: it is taken up again, and never half erased and readable."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from firmware.vault.keystore import Keystore
from hw.sim.files import Said, SimFiles
from tests.crash_helpers import Tree, crash_everywhere, faults_everywhere, simulated, tree_of
from tests.test_vault_erasure import ORDER, Told, left, opens, record, unit


def small(tmp_path: Path) -> Tree:
    """Two parts on two disks, and one of another case."""
    root = tmp_path / "made"
    for name in ("rec", "rec2"):
        (root / name).mkdir(parents=True)
    record(root, "first")
    record(root, "second", "rec2", continues="first")
    record(root, "other")
    return tree_of(root)


def erase_first(disk: SimFiles, folder: Path) -> None:
    unit(folder, Told()).erase(["first"], ORDER, 0, {})
    disk.say("erased")


def test_cut_short_anywhere_an_erasure_is_taken_up_again(tmp_path: Path) -> None:
    def check(folder: Path, said: list[object]) -> None:
        was_open = opens(folder, folder / "rec" / "first.scrub") if (folder / "rec" / "first.scrub").exists() else False
        begun = (folder / "erasures" / "first.intent").exists()
        done = (folder / "erasures" / "first.certificate").exists()
        with simulated(folder):
            Keystore.of_device(str(folder)).finish()
            unit(folder).resume()
        assert done or not said
        if done or begun:
            assert left(folder) == ["erasures/first.certificate", "erasures/second.certificate", "keystore/other.keys",
                                    "rec/other.scrub"]
        else:
            assert was_open, "neither erased nor in use"
        assert opens(folder, folder / "rec" / "other.scrub")
        with simulated(folder) as disk:
            unit(folder).resume()
        assert not [entry for entry in disk.log if not isinstance(entry, Said)], "resumed twice, it is not the same"

    crash_everywhere("erase a recording of two parts", tmp_path, erase_first, check, start=small(tmp_path))


@pytest.mark.parametrize(("code", "once"), [(errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False)])
def test_a_disk_that_fails_anywhere_is_told_and_the_erasure_ends_when_it_is_well(
    tmp_path: Path, code: int, once: bool
) -> None:
    def check(folder: Path, disk: SimFiles, raised: bool) -> None:
        assert raised != any(isinstance(entry, Said) for entry in disk.log)
        with simulated(folder):
            Keystore.of_device(str(folder)).finish()
            unit(folder).resume()
            if (folder / "rec" / "first.scrub").exists():
                unit(folder).erase(["first"], ORDER, 0, {})  # not even begun: it was told, and is asked again
        assert opens(folder, folder / "rec" / "other.scrub")
        assert not Keystore.of_device(str(folder)).has("first")
        assert not Keystore.of_device(str(folder)).has("second")

    assert faults_everywhere(tmp_path, erase_first, check, code, once=once, start=small(tmp_path)) > 20
