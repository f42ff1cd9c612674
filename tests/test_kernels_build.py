"""The built kernels: same layouts on both sides, all targets compile, sanitizers are silent, absence is named."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.errors import PartMissing
from firmware.kernels import args, build
from firmware.kernels.calls import LANES
from firmware.kernels.host import HostKernels

ROOT = Path(__file__).resolve().parents[1]
NEEDS_NVCC = pytest.mark.skipif(build.nvcc() is None, reason="nvcc is not installed: GPU kernels were NOT compiled")


class Place(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_uint64)]


def test_the_structures_lie_as_the_compiled_library_has_them() -> None:
    library = ctypes.CDLL(str(build.HOST_LIBRARY))
    table = ctypes.cast(library.scrubcam_layout, ctypes.POINTER(Place))
    theirs, index = {}, 0
    while table[index].name:
        theirs[table[index].name.decode()] = table[index].value
        index += 1
    ours = {"ScrubcamShape": args.SHAPE_BYTES, "ScrubcamSpan": args.SPAN_BYTES, "ScrubcamColour": args.COLOUR_BYTES}
    for structure in (args.Stats, args.Ingest, args.Tensor, args.Redact):
        name = f"Scrubcam{structure.__name__}"
        ours[name] = ctypes.sizeof(structure)
        ours.update({f"{name}.{field}": getattr(structure, field).offset for field, _ in structure._fields_})
    assert ours == theirs


def test_every_kernel_is_in_the_host_library() -> None:
    library = ctypes.CDLL(str(build.HOST_LIBRARY))
    for name in LANES:
        assert library[name]
    found = re.findall(r"SC_KERNEL\((scrubcam_\w+)", "".join(
        (build.SOURCES / name).read_text(encoding="utf-8") for name in build.KERNEL_FILES))
    assert sorted(found) == sorted(LANES)


def test_a_library_of_other_sources_is_refused(tmp_path: Path) -> None:
    stale = tmp_path / "stale.so"
    stale.write_bytes(build.HOST_LIBRARY.read_bytes().replace(build.source_hash().encode(), b"0" * 64))
    assert not build.is_current(stale)
    with pytest.raises(PartMissing, match="other sources"):
        HostKernels(library=stale)


def test_an_absent_or_broken_library_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    for path in (tmp_path / "absent.so", broken):
        with pytest.raises(PartMissing, match="cannot be loaded") as caught:
            HostKernels(library=path)
        assert "make kernels" in str(caught.value)


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartMissing, match=r"g\+\+ is not installed"):
        build.build_host(tmp_path / "none.so")
    assert not (tmp_path / "none.so").exists()


@pytest.mark.timeout(300)
def test_the_sanitizers_find_nothing() -> None:
    """The oracle's tests again, fewer cases, none in 4K, on a build with address and undefined-behaviour sanitizers."""
    if not build.is_current(build.SANITIZED_LIBRARY):
        build.build_host(build.SANITIZED_LIBRARY, sanitize=True)
    runtime = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ, "LD_PRELOAD": " ".join(runtime), "SCRUBCAM_TEST_KERNELS": "sanitized",
        "SCRUBCAM_TEST_KERNEL_CASES": "40", "PYTHONMALLOC": "malloc",
        # Python itself never frees everything: leaks are not looked for.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not size1",
               "tests/test_contract_kernels.py"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said[-6000:]
    assert " passed" in said
    assert "Sanitizer" not in said
    assert "runtime error" not in said


def test_the_sanitizers_are_on() -> None:
    """An overrun planted in the same set-up is found: silence above means something."""
    if not build.is_current(build.SANITIZED_LIBRARY):
        build.build_host(build.SANITIZED_LIBRARY, sanitize=True)
    symbols = build.SANITIZED_LIBRARY.read_bytes()
    assert b"__asan_report_load" in symbols
    assert b"__ubsan_handle" in symbols


@NEEDS_NVCC
@pytest.mark.timeout(300)
def test_nvcc_makes_one_fat_binary_for_every_gpu() -> None:
    if not build.is_current(build.FAT_BINARY):
        build.build_gpu()
    fat = build.FAT_BINARY.read_bytes()
    assert fat[:4] == bytes.fromhex("50ed55ba")  # the magic number of a fat binary
    for number in build.ARCHITECTURES:
        assert f"sm_{number}".encode() in fat
    # PTX for GPUs that come later: there the parameters' sizes and the blocks' sizes can be read.
    text = fat.decode("latin-1")
    sizes = {name: int(size) for name, size in re.findall(
        r"\.entry (scrubcam_\w+)\(\s*\.param \.align 8 \.b8 \w+\[(\d+)\]\s*\)", text)}
    lanes = {name: int(most) for name, most in re.findall(
        r"\.entry (scrubcam_\w+)\([^)]*\)\s*\.maxntid (\d+)", text)}
    assert lanes == LANES
    assert sizes == {
        name: ctypes.sizeof(args.Ingest if "ingest" in name else args.Tensor if "tensor" in name else args.Redact)
        for name in LANES
    }
    assert build.is_current(build.FAT_BINARY)


def has_gpu() -> bool:
    try:
        return ctypes.CDLL("libcuda.so.1").cuInit(0) == 0
    except OSError:
        return False


@pytest.mark.skipif(has_gpu(), reason="this machine has a CUDA GPU: run make gpu-test")
@pytest.mark.parametrize("word", ["test", "bench"])
def test_without_a_gpu_its_tests_and_bench_fail_and_say_why(word: str) -> None:
    result = subprocess.run([sys.executable, "-m", "tests.gpu", word], cwd=ROOT, capture_output=True, text=True,
                            check=False)
    assert result.returncode == PartMissing.exit_code
    assert result.stderr.startswith("error: No CUDA GPU")


@pytest.mark.skipif(has_gpu(), reason="this machine has a CUDA GPU: run make gpu-test")
def test_the_cuda_backend_without_a_gpu_is_a_named_fault() -> None:
    from hw.jetson.kernels import CudaKernels

    with pytest.raises(PartMissing, match=r"PyCUDA|CUDA") as caught:
        CudaKernels()
    assert caught.value.todo


def test_building_again_does_nothing_and_says_so() -> None:
    result = subprocess.run([sys.executable, "-m", "firmware.kernels.build", "host"], cwd=ROOT, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0
    assert "up to date" in result.stdout
    wrong = subprocess.run([sys.executable, "-m", "firmware.kernels.build", "everything"], cwd=ROOT,
                           capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "usage" in wrong.stderr


@pytest.mark.skipif(bool(shutil.which("nvcc", path="/usr/local/cuda/bin")),
                    reason="nvcc lies where it is always looked for: its absence cannot be shown on this machine")
def test_without_nvcc_the_rest_is_built_and_it_is_said(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-m", "firmware.kernels.build", "auto"], cwd=ROOT, capture_output=True,
                            text=True, check=False, env={**os.environ, "PATH": str(tmp_path)})
    assert "NOT built" in result.stdout
