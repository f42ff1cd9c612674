"""Builds the kernels from cuda/: python -m firmware.kernels.build auto, or host, gpu, sanitize. At set-up only."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware.durable import write_durably
from firmware.errors import PartMissing, ScrubcamError

SOURCES = Path(__file__).resolve().parents[2] / "cuda"
BUILT = SOURCES / "build"
HOST_LIBRARY = BUILT / "libscrubcam-kernels.so"
SANITIZED_LIBRARY = BUILT / "libscrubcam-kernels-sanitized.so"
FAT_BINARY = BUILT / "scrubcam.fatbin"
KERNEL_FILES = ("ingest.cu", "tensor.cu", "redact.cu")
ARCHITECTURES = (87, 90, 110)
"""Jetson Orin, data-centre Hopper, Jetson Thor."""
TIMEOUT_S = 300.0

# -ffp-contract=off and -fmad=false: every float operation is rounded by itself, so all targets give the same bits.
_HOST_FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fvisibility=hidden", "-fPIC",
               "-shared", "-pthread")
NATIVE = "native"
"""This machine's own processor: all that it can, for it alone."""
_SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_GPU_FLAGS = ("-std=c++17", "-O3", "-fmad=false", "-Werror", "all-warnings", "-no-compress")


def source_hash() -> str:
    """SHA-256 over all that the kernels are built from: a library knows its own, so that a stale one is noticed."""
    total = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted([*SOURCES.glob("*.*"), *SOURCES.glob("host/*.*")]):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def is_current(path: Path) -> bool:
    """Whether a built file is there and was built from these sources."""
    return path.is_file() and source_hash().encode() in path.read_bytes()


def build_host(
    target: Path = HOST_LIBRARY, *, sanitize: bool = False, compiler: str = "g++", processor: str = NATIVE,
) -> None:
    """The CPU backend for `processor` (g++'s -march). Raises PartMissing without the compiler or when it fails."""
    found = shutil.which(compiler)
    if found is None:
        raise PartMissing(f"{compiler} is not installed, and the kernels' host library is compiled with it",
                          meaning="Without the library no frame can be scrubbed", todo="install g++ (make setup does)")
    files = [str(SOURCES / name) for name in KERNEL_FILES]
    host = [str(path) for path in sorted(SOURCES.glob("host/*.cpp"))]
    way = _SANITIZE if sanitize else ("-O3", f"-march={processor}")
    flags = [*_HOST_FLAGS, *way, f'-DSCRUBCAM_SOURCES="{source_hash()}"']
    _into(target, lambda path: [found, *flags, "-x", "c++", *files, *host, "-o", path])


def nvcc() -> str | None:
    """NVIDIA's compiler, if it is installed."""
    return shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


def build_gpu(target: Path = FAT_BINARY) -> None:
    """One fat binary for ARCHITECTURES, with PTX of the oldest for others. Raises PartMissing without nvcc."""
    compiler = nvcc()
    if compiler is None:
        raise PartMissing("nvcc is not installed, so the GPU's kernels were not built",
                          meaning="The CPU's kernels do not need it", todo="install NVIDIA's CUDA toolkit 13 for a GPU")
    codes = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    codes.append(f"-gencode=arch=compute_{ARCHITECTURES[0]},code=compute_{ARCHITECTURES[0]}")
    flags = [*_GPU_FLAGS, *codes, f'-DSCRUBCAM_SOURCES="{source_hash()}"']
    _into(target, lambda path: [compiler, *flags, "-fatbin", str(SOURCES / "all.cu"), "-o", path])


def _into(target: Path, command: Callable[[str], Sequence[str]]) -> None:
    """Run a compiler; the target is replaced whole, and only when it succeeded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        path = Path(folder) / target.name
        words = list(command(str(path)))
        try:
            result = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise PartMissing(f"{words[0]} did not finish within {TIMEOUT_S:.0f} s", todo="run it again") from None
        if result.returncode != 0:
            raise PartMissing(f"{target.name} does not compile: {(result.stdout + result.stderr).strip()[-4000:]}",
                              todo="check the compiler's version: g++ 11 or newer, nvcc 13")
        write_durably(str(target), path.read_bytes(), mode=0o755)


def main(words: list[str]) -> int:
    """What to build ("auto": all that this machine can), if it is not there already; 0, or the error's exit code."""
    jobs: dict[str, tuple[Path, Callable[[], None]]] = {
        "host": (HOST_LIBRARY, build_host), "gpu": (FAT_BINARY, build_gpu),
        "sanitize": (SANITIZED_LIBRARY, lambda: build_host(SANITIZED_LIBRARY, sanitize=True)),
    }
    if words == ["auto"]:
        words = ["host", "gpu"] if nvcc() else ["host"]
        if "gpu" not in words:
            print(f"kernels: {FAT_BINARY.name} is NOT built: nvcc is not installed (needed for a GPU only)")
    if not words or not set(words) <= set(jobs):
        print(f"usage: python -m firmware.kernels.build auto | {' '.join(jobs)}", file=sys.stderr)
        return 2
    try:
        for word in words:
            target, build = jobs[word]
            if is_current(target):
                print(f"kernels: {target.name} is up to date")
            else:
                build()
                print(f"kernels: {target.name} built")
    except ScrubcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
