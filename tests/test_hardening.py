"""What a running device keeps to itself: no core dumps, no swap, private files and sockets; and no shell anywhere."""

from __future__ import annotations

import ast
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorder_helpers import CONSENT, Unit, children_of, until

SOURCE = Path(__file__).parents[1]


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    yield unit
    unit.stop()


def _may_lock() -> bool:
    """Whether this user may lift the limit; otherwise the processes must say that they cannot lock."""
    code = "import resource as r; r.setrlimit(r.RLIMIT_MEMLOCK, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _locked_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmLck:")[1].split()[0])


def _core_limit(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_CORE)


def test_the_processes_of_a_recording_keep_memory_and_files_to_themselves(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    until(lambda: listener.ask("start").ok, what="a start")
    listener.state("RECORDING")
    assert unit.process is not None
    pids = [unit.process.pid, *children_of(unit.process.pid)]
    assert len(pids) == 2, "recorder and pipeline"
    for pid in pids:
        assert max(_core_limit(pid)) <= 1
        if _may_lock():
            assert _locked_kb(pid) > 10_000
        else:
            assert _locked_kb(pid) == 0
    listener.ask("stop")
    listener.state("READY")
    outside = {path for path in unit.root.iterdir() if path.is_file()}  # what the test put there itself
    found = [path for path in unit.root.rglob("*") if path not in outside]
    assert any(stat.S_ISSOCK(path.lstat().st_mode) for path in found)
    for path in found:
        mode = path.lstat().st_mode
        public = path.name == "device.pub"  # the half that everybody may have
        assert not stat.S_IMODE(mode) & 0o077 or public, f"{path} can be read by others: {oct(mode)}"


def test_another_user_cannot_speak_to_the_recorder(unit: Unit) -> None:
    if os.geteuid() != 0:  # only root can become somebody else; for others the mode of the socket says it
        unit.start()
        assert (unit.root / "run").stat().st_mode & 0o077 == 0
        return
    unit.root.chmod(0o755)
    unit.start().state("READY")
    (unit.root / "run").chmod(0o755)  # even if the folder were open
    code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    path = str(unit.root / "run" / "recorder.sock")
    asked = subprocess.run([sys.executable, "-c", code, path], user=65534, group=65534, extra_groups=[], cwd="/",
                           capture_output=True, text=True, check=False)
    assert "PermissionError" in asked.stderr
    with socket.socket(socket.AF_UNIX) as mine:
        mine.connect(path)


def test_no_shell_is_ever_started() -> None:
    """A file name or a message can then never become a command."""
    for path in [*SOURCE.glob("firmware/**/*.py"), *SOURCE.glob("hw/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("os.system", "os.popen", "subprocess.getoutput", "eval", "exec", "pickle.loads",
                                  "pickle.load", "marshal.loads"), f"{path}:{node.lineno}"
            assert not any(word.arg == "shell" for word in node.keywords), f"{path}:{node.lineno}"
