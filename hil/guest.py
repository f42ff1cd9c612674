"""Inside the virtual unit, as root: `python -m hil.guest JOB`. What it says to the bench begins with "bench: "."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from firmware.kernels.build import HOST_LIBRARY
from hil import guest_case
from hil.guest_devices import load_drivers, mount_disk


def main(words: list[str]) -> int:
    """Do one job in the folder that the kernel's command line names. Exit status 0 when it was done."""
    (job,) = words
    work = Path(os.environ["BENCH_WORK"])
    say(f"the kernel is up after {uptime_s():.0f} s, {os.uname().release}")
    load_drivers(Path((work / "kernel").read_text(encoding="utf-8")))
    mount_disk()
    own_kernels(work)
    if job == "contract":
        return contract(work)
    if job == "record":
        return guest_case.record(work, say)
    return guest_case.recover(work, say)


def say(text: str) -> None:
    """One line to the bench."""
    print(f"bench: {text}", flush=True)


def uptime_s() -> float:
    """Seconds since the guest's kernel started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def own_kernels(work: Path) -> None:
    """Put the pixel kernels in place that the bench has compiled for the guest's processor, which is not the host's."""
    HOST_LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    HOST_LIBRARY.unlink(missing_ok=True)
    shutil.copy(work / HOST_LIBRARY.name, HOST_LIBRARY)


def contract(work: Path) -> int:
    """The contract suite over the adapters of bench.toml; the report goes to the shared folder."""
    tests = sorted(str(path) for path in Path("tests").glob("test_contract_*.py"))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider", "--timeout=900", "--bench",
         str(work / "bench.toml"), "-m", "bench", f"--junitxml={work / 'contract.xml'}", *tests],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            if "::" in line and ("PASSED" in line or "FAILED" in line or "ERROR" in line):
                say(line.split("::", 1)[1].strip())
    return running.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
