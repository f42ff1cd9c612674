"""Removing a recording's files: all of its own, on every target, nothing else, and again after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.vault.remove import recording_files, remove_files


def test_all_files_of_one_recording_go_and_no_other(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second", tmp_path / "absent"]
    for folder in folders[:2]:
        folder.mkdir()
    mine = [folders[0] / "abc.scrub", folders[0] / "abc.scrub.cut-812", folders[1] / "abc.scrub.unstarted"]
    others = [folders[0] / "abcd.scrub", folders[1] / "ab.scrub", folders[1] / "abc.scrubx"]
    for path in mine + others:
        path.write_bytes(b"x")
    where = [str(folder) for folder in folders]
    assert recording_files(where, "abc")[-1] == str(mine[0]), "the sealed file goes last"
    mine[1].unlink()  # a removal that was cut short
    assert remove_files(where, "abc") == 2
    assert remove_files(where, "abc") == 0
    assert sorted(path for folder in folders[:2] for path in folder.iterdir()) == sorted(others)


@pytest.mark.parametrize("name", ["", "..", "../abc", "a/b", "*"])
def test_only_an_id_names_a_recording(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a recording id"):
        remove_files([str(tmp_path)], name)
