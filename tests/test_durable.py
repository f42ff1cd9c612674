"""The durable-write helper: the old or the new content, never a part of it, and nobody else renames."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware.durable import (
    make_folder,
    new_file,
    remove_durably,
    remove_leftovers,
    rename_durably,
    wipe_durably,
    write_durably,
)
from firmware.errors import DiskFault

ROOT = Path(__file__).resolve().parent.parent
ONE_PLACE = {("os", name) for name in ("rename", "replace", "renames", "link", "fsync", "fdatasync", "ftruncate")}
ONE_PLACE.add(("shutil", "move"))


def test_writes_and_replaces_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_durably(str(path), b"one")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    write_durably(str(path), b"two", mode=0o644)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_system_without_owners_keeps_its_modes_and_one_with_owners_must_give_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a USB stick that root has mounted answers another user (seen on exFAT)."""
    def refuses(handle: int, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuses)
    with pytest.raises(DiskFault, match="access is denied"):
        write_durably(str(tmp_path / "own"), b"x")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    write_durably(str(tmp_path / "stick"), b"x")
    assert (tmp_path / "stick").read_bytes() == b"x"


def test_exclusive_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_durably(str(path), b"one", exclusive=True)
    with pytest.raises(FileExistsError):
        write_durably(str(path), b"two", exclusive=True)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["f"]


def test_a_failure_is_named_and_leaves_the_old_content(tmp_path: Path) -> None:
    with pytest.raises(DiskFault, match="does not exist"):
        write_durably(str(tmp_path / "absent" / "f"), b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("x")
    with pytest.raises(DiskFault):
        write_durably(str(tmp_path / "folder"), b"x")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_new_file_gets_its_name_at_the_end(tmp_path: Path, exclusive: bool) -> None:
    path = tmp_path / "f"
    with new_file(str(path), exclusive=exclusive) as file:
        file.write(b"0123456789" * 300_000)
        file.seek(3)
        file.write(b"x")
        assert not path.exists()
    data = path.read_bytes()
    assert (len(data), data[:6], os.listdir(tmp_path)) == (3_000_000, b"012x45", ["f"])


    def fails_half_way() -> None:
        with new_file(str(path)) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_half_way()
    assert (path.read_bytes(), os.listdir(tmp_path)) == (data, ["f"])


def test_folders_files_and_secrets_come_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(str(folder))
    make_folder(str(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for take_away in (remove_durably, wipe_durably):
        write_durably(str(folder / "f"), b"secret")
        os.link(folder / "f", tmp_path / "other name")
        take_away(str(folder / "f"))
        take_away(str(folder / "f"))
        assert os.listdir(folder) == []
        assert (tmp_path / "other name").read_bytes() == (b"secret" if take_away is remove_durably else bytes(6))
        os.unlink(tmp_path / "other name")


def test_what_a_crash_left_half_written_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / ".film.mp4.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / "film.tmp").write_bytes(b"somebody's")
    with new_file(str(tmp_path / "f")) as file:
        file.write(b"whole")
        assert remove_leftovers(str(tmp_path)) == 1
    assert sorted(os.listdir(tmp_path)) == ["f", "film.tmp"]
    assert remove_leftovers(str(tmp_path / "absent")) == 0


def test_rename_does_not_replace(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(FileExistsError):
        rename_durably(str(tmp_path / "a"), str(tmp_path / "b"))
    rename_durably(str(tmp_path / "a"), str(tmp_path / "c"))
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]


def test_killed_at_any_moment_the_content_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    script = (
        "import sys\nfrom firmware.durable import write_durably\n"
        "n = 0\nwhile True:\n    write_durably(sys.argv[1], b'%08d' % n * 4000)\n    n += 1\n"
    )
    for wait_s in (0.0, 0.01, 0.023, 0.041):
        writer = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=ROOT)
        deadline = time.monotonic() + 20
        before = path.stat().st_mtime_ns if path.exists() else 0
        while time.monotonic() < deadline and not (path.exists() and path.stat().st_mtime_ns != before):
            time.sleep(0.002)
        time.sleep(wait_s)
        writer.kill()
        writer.wait(10)
        data = path.read_bytes()
        assert len(data) == 32_000
        assert data == data[:8] * 4000


def test_nothing_else_in_the_product_makes_durable_or_renames() -> None:
    """The house's rule, checked on the source: syncs, links and renames stand in one place, behind one port."""
    offenders = []
    for folder in ("firmware", "hw"):
        for file in (ROOT / folder).rglob("*.py"):
            if str(file.relative_to(ROOT)) in ("firmware/durable.py", "hw/files.py", "hw/sim/files.py"):
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                name = node.func.attr
                if (owner, name) in ONE_PLACE or (name == "rename" and "files" not in ast.unparse(node.func.value)) or (
                    name == "replace" and len(node.args) == 1 and not node.keywords
                ):
                    offenders.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []


def test_what_root_makes_in_the_units_folder_belongs_to_the_unit(tmp_path: Path) -> None:
    """A hand-over by root made a ledger that the recorder could not read."""
    if os.geteuid() != 0:
        return  # nobody else can give files away
    own, units = tmp_path / "own", tmp_path / "units"
    for folder, owner in ((own, 0), (units, 65534)):
        folder.mkdir()
        os.chown(folder, owner, owner)
        make_folder(str(folder / "ledger" / "deeper"))
        write_durably(str(folder / "ledger" / "deeper" / "line"), b"x")
        made = [folder / "ledger", folder / "ledger/deeper", folder / "ledger/deeper/line"]
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(owner, owner)}
