"""How fast sealed recordings are written, closed, verified and exported, beside what the machine can do at most.

`python -m tests.bench.sealed` measures and reports; `... sealed WAY FILE` is one run in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.table import Table

from firmware.export.sealed import export_sealed
from firmware.vault.keys import PrivateKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from tests.bench.sealed_runs import FRAGMENT_BYTES, Maker, stop_to_sealed_s, writing_cpu_s

SIZES = {"1x": 300_000_000, "10x": 3_000_000_000}
WAYS = {
    "aes-gcm": "AES-256-GCM alone, from memory",
    "sha256": "SHA-256 alone, from memory, one thread",
    "cat": "cat FILE > /dev/null",
    "verify": "verify",
    "copy": "dd FILE to a copy, synced",
    "export": "export to a plain MP4, synced",
}
LENGTHS = {"one minute": 240, "three hours": 3 * 3600 * 4}
console = Console(highlight=False, width=120)


@dataclass(frozen=True)
class Run:
    """Bytes of the file, seconds by the clock and of processor time, and the process's peak memory."""

    size_bytes: int
    seconds: float
    cpu_s: float
    peak_rss_bytes: int


# ---- one run in a process of its own -------------------------------------------------------------


def work(way: str, path: Path) -> None:
    """Do it and print what it took."""
    size = path.stat().st_size
    key = PrivateKey.load(str(path.parent / "archive.key"))
    piece = bytes(FRAGMENT_BYTES)
    cipher = AESGCM(bytes(32))
    sealed = cipher.encrypt(bytes(12), piece, b"")

    def verify() -> None:
        with Recording.open(str(path)) as recording:
            assert recording.verify().ok

    def export() -> None:
        export_sealed(path, key, path.with_suffix(".mp4"), keystore=Keystore(str(path.parent / "keystore")))

    def sha256() -> None:
        digest = hashlib.sha256()
        for _ in range(size // FRAGMENT_BYTES):
            digest.update(piece)

    def aes_gcm() -> None:
        for _ in range(size // FRAGMENT_BYTES):
            cipher.decrypt(bytes(12), sealed, b"")

    ways: dict[str, Callable[[], None]] = {"verify": verify, "export": export, "sha256": sha256, "aes-gcm": aes_gcm}
    began, cpu_began = time.perf_counter(), time.process_time()
    ways[way]()
    told = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_began,
            "peak_rss_bytes": peak_rss_bytes()}
    path.with_suffix(".mp4").unlink(missing_ok=True)
    print(json.dumps(told))


def peak_rss_bytes() -> int:
    """Of this process since it began; what wait4 tells counts its parent's memory before that too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def run(way: str, path: Path) -> Run:
    """One run. Raises RuntimeError when it fails."""
    copy = path.with_suffix(".copy")
    tools = {"cat": ["cat", str(path)],
             "copy": ["dd", f"if={path}", f"of={copy}", f"bs={FRAGMENT_BYTES}", "conv=fsync", "status=none"]}
    command = tools.get(way, [sys.executable, "-m", "tests.bench.sealed", way, str(path)])
    began = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, stdout=nothing if way in tools else subprocess.PIPE)
        told = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
    copy.unlink(missing_ok=True)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}")
    took = {"seconds": time.perf_counter() - began, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_rss_bytes": 0}
    took |= json.loads(told) if told else {}
    return Run(path.stat().st_size, **took)


def measure(rounds: int, folder: Path | None = None, recorder_cpu_s: float | None = None) -> None:
    """Run everything in turn and print the tables. `recorder_cpu_s`: the whole recorder's, for a second of 4K."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        make = Maker(Path(name))
        paths = {size: make.recording(size_bytes) for size, size_bytes in SIZES.items()}
        found: dict[tuple[str, str], list[Run]] = {}
        for number in range(rounds):
            for way in WAYS:
                sizes = {"1x": paths["1x"]} if way in ("aes-gcm", "sha256") else paths
                for size, path in sizes.items():
                    found.setdefault((way, size), []).append(run(way, path))
            console.print(f"sealed recordings: round {number + 1}/{rounds}")
        stops = {length: [stop_to_sealed_s(make, count) for _ in range(rounds)] for length, count in LENGTHS.items()}
        writing = statistics.median(writing_cpu_s(make) for _ in range(rounds))
    report(found)
    for length, seconds in stops.items():
        console.print(f"stop to sealed after {length}: {1e3 * statistics.median(seconds):.0f} ms "
                      f"[{1e3 * min(seconds):.0f}-{1e3 * max(seconds):.0f}]; the aim is at most 500")
    console.print(f"encrypting, chaining, signing and syncing a second of 4K at {4e-6 * FRAGMENT_BYTES:.0f} MB/s: "
                  f"{1e3 * writing:.0f} ms of processor time")
    if recorder_cpu_s:
        console.print(f"that is {100 * writing / recorder_cpu_s:.1f} % of the whole recorder's "
                      f"{1e3 * recorder_cpu_s:.0f} ms; the aim is at most 5 %")


def report(found: dict[tuple[str, str], list[Run]]) -> None:
    table = Table(title="sealed recordings from the page cache, median [range]")
    for column in ("way", "size", "GB/s", "GB for 1 s of processor time", "of copy", "peak memory"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for (way, size), runs in found.items():
        ratios = [one.size_bytes / one.seconds / (copy.size_bytes / copy.seconds)
                  for one, copy in zip(runs, found["copy", size], strict=True)]
        table.add_row(
            WAYS[way], f"{runs[0].size_bytes / 1e9:.1f} GB",
            _figures([one.size_bytes / one.seconds / 1e9 for one in runs]),
            _figures([one.size_bytes / one.cpu_s / 1e9 for one in runs]), _figures(ratios),
            f"{max(one.peak_rss_bytes for one in runs) / 1e6:.0f} MB" if way in ("verify", "export") else "",
        )
    console.print(table)


def _figures(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}-{max(values):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="*", metavar="WAY FILE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put the recordings; default: the system's temporary one")
    asked = parser.parse_args()
    if asked.run:
        work(asked.run[0], Path(asked.run[1]))
    else:
        measure(asked.rounds, asked.folder)


if __name__ == "__main__":
    main()
