"""The installable package: what lies where, who owns it, what it needs, and that nothing of the site is ever lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.package import build, tree, wheels
from deploy.package.wheels import Target
from firmware.config import Paths
from firmware.errors import PartMissing
from firmware.kernels.build import HOST_LIBRARY, source_hash
from firmware.paths import INSTALLED_MODELS_DIR

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(build.SCRIPTS.iterdir())
TARGETS = [Target(arch, python) for arch in build.COMPILERS for python in build.PYTHONS]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed unit's files, for this machine's Python, without wheels, models and kernels."""
    folder = tmp_path_factory.mktemp("stage")
    tree.lay_out(folder, Target("amd64", f"{sys.version_info.major}.{sys.version_info.minor}"))
    return folder


def script(name: str) -> str:
    return (build.SCRIPTS / name).read_text(encoding="utf-8")


# ---- files ---------------------------------------------------------------------------------------


def test_what_the_units_start_is_where_the_package_puts_it(stage: Path) -> None:
    for path in (stage / tree.UNITS).glob("*.service"):
        for program in re.findall(r"^ExecStart=(\S+)", path.read_text(), re.MULTILINE):
            assert (stage / program.lstrip("/")).is_symlink()
    assert {path.name for path in (stage / tree.UNITS).iterdir()} == {
        "scrubcam-recorder.service", "scrubcam-agent.service", "scrubcam.target"}


def test_the_program_finds_its_own_parts_in_the_package(stage: Path) -> None:
    home = stage / tree.PROGRAM
    code = ("import firmware, hw, sys; from firmware.kernels.build import HOST_LIBRARY, source_hash; "
            "print(firmware.__file__, HOST_LIBRARY, source_hash(), sys.prefix)")
    target = Target("amd64", f"{sys.version_info.major}.{sys.version_info.minor}")
    # As the .pth file would have it once the tree is at /; the libraries are this checkout's.
    environment = {"PYTHONPATH": str(stage / tree.APP), "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
                          cwd="/", env=environment).stdout.split()
    assert told[0] == str(stage / tree.APP / "firmware/__init__.py")
    assert told[1] == str(tree.kernels_library(stage))
    assert told[2] == source_hash()
    assert (stage / tree.site_packages(target) / "scrubcam.pth").read_text() == f"/{tree.APP}\n"
    assert (home / "bin/python").readlink() == Path(f"/usr/bin/python{target.python}")


def test_the_paths_of_the_package_are_those_of_the_configuration() -> None:
    assert Path("/", tree.MODELS) == INSTALLED_MODELS_DIR == Path(Paths().models_dir)
    for folder in (Paths().state_dir, Paths().recordings_dir):
        assert re.search(rf"^folder scrubcam scrubcam 0700 {folder}$", script("postinst"), re.MULTILINE)


def test_nothing_of_the_build_or_the_tests_goes_onto_a_device(stage: Path) -> None:
    names = {str(path.relative_to(stage)) for path in stage.rglob("*")}
    assert not [name for name in names if "__pycache__" in name or "/tests" in name or name.endswith(".key")]
    assert not [name for name in names if name.startswith(str(tree.APP / "cuda" / "build"))]
    assert HOST_LIBRARY.name not in {Path(name).name for name in names}
    assert {"usr/share/doc/scrubcam/wiring.md", "usr/share/doc/scrubcam/wiring/agx-orin-two-wire.svg"} <= names
    assert {"usr/bin/scrubcam", "etc/scrubcam", "usr/share/doc/scrubcam/first-unit.md",
            "usr/share/scrubcam/examples/scrubcam-pc.toml"} <= names


# ---- scripts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_maintainer_script_is_sound_shell_and_stops_at_a_failure(path: Path) -> None:
    assert subprocess.run(["sh", "-n", str(path)], check=False, timeout=10).returncode == 0
    assert "\nset -e\n" in path.read_text(encoding="utf-8")


def test_the_users_and_groups_of_the_units_are_made_at_the_installation(stage: Path) -> None:
    wanted = set()
    for path in (stage / tree.UNITS).glob("*.service"):
        text = path.read_text()
        wanted |= set(re.findall(r"^(?:User|Group)=(\S+)", text, re.MULTILINE))
        for line in re.findall(r"^SupplementaryGroups=(.*)", text, re.MULTILINE):
            wanted |= set(line.split())
    made = set(re.findall(r"(?:addgroup|adduser) --system .*?(\S+)$", script("postinst"), re.MULTILINE))
    assert wanted - made == {"video", "render", "audio", "input"}  # these every Debian has


def test_no_script_removes_what_belongs_to_the_site() -> None:
    for path in SCRIPTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"\b(rm|rmdir|deluser|delgroup|shred|truncate|unlink)\b", line) and not line.startswith("#"):
                assert "/var/" not in line, line
                assert "/etc/scrubcam" not in line, line


# ---- what it depends on --------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.arch}-{target.python}")
def test_the_lock_has_every_pin_of_setup_py_for_every_target(target: Target) -> None:
    text = wheels.LOCK.read_text(encoding="utf-8")
    locked = wheels.pins(target, text)
    runtime = (ROOT / "setup.py").read_text().split("RUNTIME = [")[1].split("]")[0]
    wanted = wheels.pins(target, "\n".join(f"{line} --hash=x" for line in re.findall(r'"(.+)",', runtime)))
    assert wanted
    for name, line in wanted.items():
        assert locked[name].split()[0] == line.split()[0]
    assert all(re.fullmatch(r"\S+ (--hash=sha256:[0-9a-f]{64} ?)+", line) for line in locked.values())
    assert ("jetson-gpio" in locked) == (target.arch == "arm64")


def test_the_control_data_name_one_python_and_real_packages() -> None:
    text = build.control(Target("arm64", "3.10"), 1234)
    fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))
    assert fields["Architecture"] == "arm64"
    assert fields["Version"].endswith("+py3.10")
    depends = fields["Depends"].split(", ")
    assert depends[:2] == ["python3 (>= 3.10)", "python3 (<< 3.11)"]
    setup = (ROOT / "deploy/setup.sh").read_text()
    for name in ("libevdev2", *(one for one in depends if one.startswith(("gir", "gstreamer", "python3-")))):
        assert re.search(rf"(^|\s){re.escape(name)}(\s|$)", setup, re.MULTILINE), f"{name} is not in setup.sh"


def test_a_library_that_needs_a_newer_system_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(b"\0GLIBC_2.34\0GLIBCXX_3.4.30\0GLIBC_2.2.5\0")
    build.check_symbols(library)
    library.write_bytes(b"\0GLIBC_2.34\0GLIBC_2.38\0")
    with pytest.raises(PartMissing, match=r"2\.38"):
        build.check_symbols(library)


def test_a_library_for_another_processor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(b"\x7fELF" + bytes(14) + bytes([183, 0]))
    build.check_machine(tmp_path, Target("arm64", "3.11"))
    with pytest.raises(PartMissing, match="another processor"):
        build.check_machine(tmp_path, Target("amd64", "3.11"))
