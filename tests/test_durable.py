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

from firmware.durable import place_durably, rename_durably, write_durably
from firmware.errors import DiskFault

ROOT = Path(__file__).resolve().parent.parent


def test_writes_and_replaces_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_durably(str(path), b"one")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    write_durably(str(path), b"two", mode=0o644)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
    assert os.listdir(tmp_path) == ["f"]


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
def test_place_gives_a_finished_file_its_name(tmp_path: Path, exclusive: bool) -> None:
    (tmp_path / "part").write_bytes(b"new")
    place_durably(str(tmp_path / "part"), str(tmp_path / "f"), exclusive=exclusive)
    assert os.listdir(tmp_path) == ["f"]
    (tmp_path / "part").write_bytes(b"newer")
    if exclusive:
        with pytest.raises(FileExistsError):
            place_durably(str(tmp_path / "part"), str(tmp_path / "f"), exclusive=True)
        assert (tmp_path / "f").read_bytes() == b"new"
        assert (tmp_path / "part").read_bytes() == b"newer"
    else:
        place_durably(str(tmp_path / "part"), str(tmp_path / "f"), exclusive=False)
        assert (tmp_path / "f").read_bytes() == b"newer"
        assert os.listdir(tmp_path) == ["f"]


def test_place_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DiskFault, match="does not exist"):
        place_durably(str(tmp_path / "absent"), str(tmp_path / "f"), exclusive=True)


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


def test_nothing_else_in_the_product_renames() -> None:
    """The house's rule, checked on the source: os.rename, os.replace, Path.rename, Path.replace, shutil.move."""
    offenders = []
    for folder in ("firmware", "hw"):
        for file in (ROOT / folder).rglob("*.py"):
            if file == ROOT / "firmware" / "durable.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                name = node.func.attr
                if (owner, name) in {("os", "rename"), ("os", "replace"), ("os", "renames"), ("shutil", "move")} or (
                    name == "rename" and owner != "os"
                ) or (name == "replace" and len(node.args) == 1 and not node.keywords):
                    offenders.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []
