"""`pytest --bench bench.toml`: what it names is tried, what is named and absent fails; the table is up to date."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from firmware.errors import ConfigError
from hil.bench_file import adapter_keys, load, loads
from hil.command_hand import CommandHand
from hw import ports
from tests.contract import table

ROOT = table.ROOT


def run_bench(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest over the clock's and the disk's contract in a process of its own, with this bench file."""
    path = folder / "bench.toml"
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--bench", str(path), "-m", "bench",
         "tests/test_contract_clock.py", "tests/test_contract_disk.py", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100, check=False,
    )


def test_the_adapters_that_a_bench_names_are_tried_and_no_others(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    done = run_bench(tmp_path, f'ran_on = "this PC"\n[disk.os]\nfolder = "{tmp_path}"\n', f"--junitxml={report}")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^4 passed", done.stdout, re.MULTILINE), done.stdout
    said = report.read_text(encoding="utf-8")
    assert set(re.findall(r'<property name="(\w+)" value="([^"]*)"', said)) == {
        ("port", "disk"), ("adapter", "hw.disk.OsDisk"), ("ran_on", "this PC"),
    }


def test_a_part_that_is_named_but_absent_fails_and_is_never_skipped(tmp_path: Path) -> None:
    done = run_bench(tmp_path, f'ran_on = "this PC"\n[clock.system]\n[disk.os]\nfolder = "{tmp_path}/absent"\n')
    assert done.returncode == 1
    assert "2 passed" in done.stdout
    assert "4 errors" in done.stdout
    assert "skipped" not in done.stdout


def test_a_skip_on_a_bench_is_a_failure(tmp_path: Path) -> None:
    plugin = tmp_path / "skips.py"
    plugin.write_text("import pytest\n\ndef pytest_runtest_setup(item):\n    pytest.skip('no time today')\n")
    path = tmp_path / "bench.toml"
    path.write_text('ran_on = "this PC"\n[clock.system]\n')
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "skips", "--bench", str(path), "-m",
         "bench", "tests/test_contract_clock.py"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}, capture_output=True, text=True, timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "skipped on a bench" in done.stdout


def test_without_a_bench_its_classes_are_not_even_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only",
         "tests/test_contract_disk.py"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100, check=False,
    )
    assert "TestOsDisk" in done.stdout
    assert "OnBench" not in done.stdout


def test_a_bench_file_with_a_mistake_stops_pytest_before_any_test(tmp_path: Path) -> None:
    done = run_bench(tmp_path, 'ran_on = "this PC"\n[disk.nvme]\n')
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "disk.nvme: no such table" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"b\.toml:1: .*`ran_on`"),
        ("ran_on = 3\n[clock.system]", r"b\.toml:1: ran_on: Expected `str`, got `int`"),
        ('ran_on = "a"', r"names no adapter"),
        ('ran_on = "a"\n[clock.quartz]', r"b\.toml:2: clock\.quartz: no such table .*\[clock\.system\], \[disk\.os\]"),
        ('ran_on = "a"\n[x]\n[clock.system]', r"b\.toml:2: x: no such table"),
        ('ran_on = "a"\n[disk.os]\nfolder = "/a"\nsize = 2', r"b\.toml:4: disk\.os\.size: no such table or setting$"),
        ('ran_on = "a"\n\n[disk.os]\nfolder = 2', r"b\.toml:4: disk\.os\.folder: Expected `str`"),
        ('ran_on = "a"\n[disk.os]', r"b\.toml:2: disk\.os: .*`folder`"),
        ('ran_on = "a"\n[disk os]', r"b\.toml: not TOML: .*line 2"),
    ],
)
def test_every_mistake_in_a_bench_file_is_named_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, "b.toml")
    assert re.search(told, caught.value.what), caught.value.what
    assert "bench.example.toml" in caught.value.todo


def test_a_bench_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "absent", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=told):
            load(path)
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "b")


def test_the_example_shows_every_adapter_and_is_taken() -> None:
    bench = load(ROOT / "hil" / "bench.example.toml")
    assert [key for key in adapter_keys() if bench.settings_of(key) is None] == []


def test_each_table_of_a_bench_file_has_exactly_one_class() -> None:
    assert sorted(row.bench for row in table.rows() if row.bench) == sorted(adapter_keys())


def test_the_table_in_the_documentation_is_up_to_date() -> None:
    document = table.DOCUMENT.read_text(encoding="utf-8")
    assert table.filled(document) == document, "run: python -m tests.contract.table"


def test_the_table_names_what_exists() -> None:
    known = {name.lower() for name in vars(ports)}
    for row in table.rows():
        module, _, name = row.adapter.rpartition(".")
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), row
        assert f"class {name}" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"), row
        assert row.port.replace("_", "") in known | {"pedal"}, row


def test_a_hand_that_is_a_command_is_told_what_to_do_and_its_refusal_counts(tmp_path: Path) -> None:
    told = tmp_path / "told"
    hand = CommandHand(f"sh -c 'echo \"$0 $1\" >> {told}'")
    verbs = ("press", "release", "cut", "crush", "mend")
    for verb in verbs:
        getattr(hand, verb)("pedal")
    assert told.read_text().splitlines() == [f"{verb} pedal" for verb in verbs]
    with pytest.raises(subprocess.CalledProcessError):
        CommandHand("false").press("pedal")


def test_a_person_can_be_the_hand() -> None:
    """Asked on the terminal, even where pytest has taken standard input and output."""
    asked = {}
    for answer, wanted in (("", 0), ("n", 1)):
        parent, child = pty.openpty()
        with subprocess.Popen([sys.executable, "-m", "hil.person_hand", "press", "the pedal"], cwd=ROOT, stdin=child,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=lambda fd=child: own(fd),
                              env={**os.environ, "PYTHONPATH": str(ROOT)}) as person:
            os.write(parent, f"{answer}\n".encode())
            assert person.wait(60) == wanted, person.stderr.read() if person.stderr else b""
        asked[answer] = os.read(parent, 4096)
        os.close(parent)
        os.close(child)
    assert b"Press the pedal and keep it pressed." in asked[""]


def own(terminal: int) -> None:
    """In the child: a session of its own with `terminal` as its terminal."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
