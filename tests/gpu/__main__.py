"""`make gpu-test` and `make gpu-bench`: see that there is a GPU, get PyCUDA and the fat binary ready, then run."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.errors import PartMissing, ScrubcamError
from firmware.kernels.build import FAT_BINARY, build_gpu, is_current

ROOT = Path(__file__).resolve().parents[2]


def need_gpu() -> None:
    """Raises PartMissing without a CUDA GPU, asking the driver and nothing else."""
    meaning, todo = "Nothing was run on a GPU", "run this on a machine with an NVIDIA GPU and its driver"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise PartMissing("No CUDA GPU: NVIDIA's driver (libcuda.so.1) is not installed", meaning=meaning,
                          todo=todo) from None
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        raise PartMissing(f"No CUDA GPU: the driver finds none (status {status})", meaning=meaning, todo=todo)


def need_pycuda() -> None:
    """Install the pinned PyCUDA into this environment; there are no wheels, so pip builds it (minutes)."""
    if importlib.util.find_spec("pycuda") is not None:
        return
    print("gpu: building PyCUDA from source, as setup.py pins it (extra gpu)", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[gpu]"]
    environment = {**os.environ, "PATH": f"/usr/local/cuda/bin:{os.environ.get('PATH', '')}"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        raise PartMissing("PyCUDA could not be built", meaning="The kernels cannot be run on this GPU",
                          todo="see pip's message above; it needs g++, python3-dev and CUDA's toolkit with its headers")


def main(words: list[str]) -> int:
    """0, the tests' own status, or the error's exit code with one clear line."""
    if words not in (["test"], ["bench"]):
        print("usage: python -m tests.gpu test | bench", file=sys.stderr)
        return 2
    try:
        need_gpu()
        need_pycuda()
        if not is_current(FAT_BINARY):
            build_gpu()
        if words == ["bench"]:
            from tests.gpu.bench import bench

            bench()
            return 0
        with tempfile.TemporaryDirectory() as folder:
            bench_file = Path(folder) / "bench.toml"
            bench_file.write_text('ran_on = "this machine\'s GPU"\n[kernels.cuda]\n', encoding="utf-8")
            return subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "--bench", str(bench_file), "-m", "bench",
                 "tests/test_contract_kernels.py"], cwd=ROOT, check=False,
            ).returncode
    except ScrubcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
