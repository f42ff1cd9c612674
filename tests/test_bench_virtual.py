"""The parts of the virtual bench that need no virtual machine: what it runs, what it reads, how it judges."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.config import Board
from firmware.config_file import loads as load_config
from hil import bench_file, guest_devices, virtual, virtual_case
from hil.qemu import LINE_MARK, BenchFault, Unit, accelerator, run
from hil.report import as_table, contract_rows, passed
from hil.virtual_config import CAMERA, bench_toml, board_toml, scrubcam_toml
from hw.board_definition import definition_of
from tests.vault_helpers import archive, seal

UNIT = Unit(Path("/k/vmlinuz"), Path("/w/initramfs"), Path("/w/disk.img"), Path("/w"), Path("/r/hil/guest_init.sh"),
            Path("/r/.venv/bin/python"), Path("/r"), "tcg")


def test_the_command_line_boots_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.qemu.program", lambda name, package: name)
    words = UNIT.command("contract")
    options = " ".join(words)
    assert "-kernel /k/vmlinuz -initrd /w/initramfs" in options
    cmdline = words[words.index("-append") + 1].split()
    assert {"bench.job=contract", "bench.repo=/r", "bench.work=/w", "bench.init=/r/hil/guest_init.sh"} <= set(cmdline)
    host = next(word for word in words if "mount_tag=host" in word)
    assert "readonly=on" in host, "the guest must not be able to change this machine's files"
    assert "file=/w/disk.img" in options
    assert "accel tcg" in options
    assert "accel kvm" in " ".join(replace(UNIT, accelerator="kvm").command("contract"))
    assert "net" not in {word.strip("-").split(",")[0] for word in words}, "the unit needs no network"


@pytest.mark.parametrize(
    ("flags", "usable", "wanted"),
    [("fpu vme vmx sse", True, "kvm"), ("fpu svm", True, "kvm"), ("fpu svm", False, "tcg"), ("fpu vmxx", True, "tcg")],
)
def test_kvm_is_taken_only_where_the_processor_has_what_it_needs(flags: str, usable: bool, wanted: str) -> None:
    assert accelerator(f"processor : 0\nflags\t\t: {flags}\nprocessor : 1\n", usable) == wanted
    assert accelerator("", usable) == "tcg"


class Talking(Unit):
    """A stand-in for QEMU's console: a shell that says these lines and then stays on."""

    def command(self, job: str) -> list[str]:
        return ["sh", "-c", f"echo kernel noise; echo '{LINE_MARK}up'; echo '{LINE_MARK}cut'; {job}"]


def talking(folder: Path) -> Talking:
    return Talking(*(getattr(UNIT, name) for name in ("kernel", "initramfs", "disk")), folder,
                   *(getattr(UNIT, name) for name in ("init", "python", "repository", "accelerator")))


def test_a_run_hands_on_what_the_guest_says_and_ends_with_it(tmp_path: Path) -> None:
    told: list[str] = []
    done = run(talking(tmp_path), "true", told.append, cut_at=None, timeout_s=30)
    assert (told, done.lines, done.cut) == (["up", "cut"], ["up", "cut"], False)
    assert "kernel noise" in (tmp_path / "true.log").read_text()


def test_the_power_is_cut_in_the_instant_of_the_line(tmp_path: Path) -> None:
    done = run(talking(tmp_path), "sleep 60", lambda line: None, cut_at="cut", timeout_s=30)
    assert done.cut
    assert done.lines == ["up", "cut"]
    assert done.seconds < 30


def test_a_unit_that_hangs_is_a_named_fault(tmp_path: Path) -> None:
    with pytest.raises(BenchFault, match="did not finish"):
        run(talking(tmp_path), "exec sleep 60", lambda line: None, cut_at=None, timeout_s=0.5)


def test_the_units_own_files_are_ones_that_the_product_takes(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(board_toml(), encoding="utf-8")
    config = load_config(scrubcam_toml(tmp_path, tmp_path / "models", 10), "scrubcam.toml")
    assert config.source.uri == CAMERA
    assert (config.detect.faces, config.detect.text, config.detect.codes) == (True, True, True)
    definition = definition_of(Board(kind="pc", definition=str(tmp_path / "board.toml")))
    assert definition.pedal.type == "usb"
    bench = bench_file.loads(bench_toml("QEMU", 10), "bench.toml")
    assert bench.disk.os is not None
    assert bench.disk.os.folder == str(guest_devices.DISK_FOLDER)
    assert bench.pedal.qemu is not None
    assert bench.frame_source.v4l2 is not None


def test_the_guests_scripts_are_shell(tmp_path: Path) -> None:
    from hil.initramfs import INIT

    first = tmp_path / "init"
    first.write_text(INIT, encoding="utf-8")
    for script in (first, virtual.ROOT / "hil" / "guest_init.sh"):
        assert subprocess.run(["sh", "-n", str(script)], capture_output=True, timeout=20, check=False).stderr == b""


JUNIT = """<testsuites><testsuite>
<testcase classname="t.A" name="a"><properties><property name="port" value="disk"/>
<property name="adapter" value="OsDisk"/></properties></testcase>
<testcase classname="t.A" name="b"><properties><property name="port" value="disk"/>
<property name="adapter" value="OsDisk"/></properties>{bad}</testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("bad", "held"), [("", True), ("<failure/>", False), ("<error/>", False), ("<skipped/>", False)]
)
def test_an_adapter_holds_only_when_every_test_of_it_passed(bad: str, held: bool) -> None:
    rows = contract_rows(JUNIT.format(bad=bad))
    assert [(row.what, row.held) for row in rows] == [("contract: disk, OsDisk", held)]
    assert passed(rows) is held
    assert ("**NO**" in as_table(rows)) is not held


def test_no_result_is_no_success() -> None:
    assert not passed([])
    assert not passed(contract_rows("<testsuites/>"))


@pytest.fixture
def after(tmp_path: Path) -> Path:
    """What a recovered disk gives: one closed recording and its keystore."""
    (tmp_path / "recordings").mkdir()
    seal(str(tmp_path / "recordings"))
    return tmp_path


def test_a_recording_that_is_absent_or_shorter_than_told_fails(after: Path, tmp_path: Path) -> None:
    rows = virtual_case.judge(after, archive(), ["RECORDING nothere", "durable 5"])
    assert not passed(rows)
    (path,) = (after / "recordings").glob("*.scrub")
    rows = virtual_case.judge(after, archive(), [f"RECORDING {path.stem}", f"durable {path.stat().st_size + 1}"])
    assert not passed(rows)
    assert virtual_case.told_durable(["durable 3", "durable 12", "x"]) == 12
    assert virtual_case.told_durable([]) == 0
