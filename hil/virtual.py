"""`make bench-virtual`: a virtual unit in QEMU through the contract suite, a recorded case and a power cut.

It boots three times: for the contract suite; for a recording, whose power is cut; and to recover. docs/bench-virtual.md
says what is emulated and what this does not prove.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.errors import ScrubcamError
from firmware.kernels.build import HOST_LIBRARY, build_host
from firmware.paths import default_models_dir
from firmware.vault.keys import PrivateKey, new_archive_key
from hil import initramfs
from hil.debian_kernel import fetched
from hil.guest_case import CUT
from hil.parts import program
from hil.qemu import COMPILED_FOR, Run, Unit, accelerator, run
from hil.report import Row, as_table, contract_rows, passed
from hil.virtual_case import judge, told_durable
from hil.virtual_config import bench_toml, board_toml, scrubcam_toml

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path.home() / ".cache" / "scrubcam-bench"
DISK_BYTES = 1 << 30
RATE_HZ = {"kvm": 30, "tcg": 5}
"""Frames a second of the virtual camera: as many as the guest can scrub and encode."""
EMULATED = """\
Emulated: processor, memory, camera (the kernel's vivid: no sensor, no cable), USB pedal (QEMU's keyboard), disk (a
file), watchdog (QEMU's i6300esb). Real: Debian's kernel with its V4L2, USB, input and ext4 code, the product's
processes. Not there: a Jetson, its encoder, GPU, pins, lights and sensors."""


class VirtualBench:
    """One virtual unit, its folder `work`, and what came of it so far."""

    def __init__(self, work: Path, cache: Path, timeout_s: float) -> None:
        self._work, self._timeout_s = work, timeout_s
        self.rows: list[Row] = []
        self._unit = self._made(cache)
        self.ran_on = f"QEMU ({self._unit.accelerator}), Debian kernel {self._kernel.release}"
        rate_hz, models = RATE_HZ[self._unit.accelerator], Path(default_models_dir()).resolve()
        files = {"bench.toml": bench_toml(self.ran_on, rate_hz), "board.toml": board_toml(),
                 "scrubcam.toml": scrubcam_toml(self._work, models, rate_hz)}
        for name, text in files.items():
            (self._work / name).write_text(text, encoding="utf-8")
        new_archive_key(str(self._work / "archive.key"), str(self._work / "archive.pub"))

    def contract(self) -> None:
        """Boot for the contract suite."""
        self._boot("contract")
        report = self._work / "contract.xml"
        self.rows += (contract_rows(report.read_text(encoding="utf-8")) if report.exists()
                      else [Row("contract suite", False, "the guest ended without a report, see contract.log")])

    def case(self) -> None:
        """Boot, record, cut the power; boot again, recover; judge what is left."""
        recorded = self._boot("record", cut_at=CUT)
        told = f"{told_durable(recorded.lines)} bytes told to be durable" if recorded.cut else _last(recorded)
        self.rows.append(Row("a press of the pedal records the camera until the power is cut", recorded.cut, told))
        if not recorded.cut:
            return
        recovered = self._boot("recover")
        ready = "READY again" in recovered.lines
        self.rows.append(Row("boots to READY by itself after the cut", ready, "READY" if ready else _last(recovered)))
        if ready:
            key = PrivateKey.load(str(self._work / "archive.key"))
            self.rows += judge(self._work / "after", key, recorded.lines)

    def keep(self, out: Path) -> None:
        """Copy the logs, pytest's report and the recording's MP4 to `out`."""
        for path in (*self._work.glob("*.log"), *self._work.glob("*.xml"), *self._work.glob("after/*.mp4")):
            shutil.copy(path, out / path.name)

    def _made(self, cache: Path) -> Unit:
        say("fetching Debian's kernel, the first time 107 MB")
        kernel = self._kernel = fetched(cache)
        say("making the guest's first file system and its disk")
        initramfs.build(self._work / "initramfs", kernel.root, kernel.release)
        disk = self._work / "disk.img"
        with disk.open("wb") as image:
            image.truncate(DISK_BYTES)
        subprocess.run([program("mkfs.ext4", "e2fsprogs"), "-q", "-F", str(disk)], check=True, timeout=120)
        (self._work / "kernel").write_text(str(kernel.root), encoding="utf-8")
        usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
        how = accelerator(Path("/proc/cpuinfo").read_text(encoding="utf-8"), usable)
        if how == "tcg":
            say("KVM does not work here: the guest's processor is emulated, which takes minutes and a small picture")
        build_host(self._work / HOST_LIBRARY.name, processor=COMPILED_FOR[how])
        return Unit(kernel.image, self._work / "initramfs", disk, self._work, ROOT / "hil" / "guest_init.sh",
                    Path(sys.executable), ROOT, how)

    def _boot(self, job: str, cut_at: str | None = None) -> Run:
        say(f"power on, for: {job}")
        done = run(self._unit, job, lambda line: say(f"  {line}"), cut_at=cut_at, timeout_s=self._timeout_s)
        say(f"power {'CUT' if done.cut else 'off'} after {done.seconds:.0f} s")
        return done


def say(text: str) -> None:
    """Progress, for the person who waits."""
    print(f"bench-virtual: {text}", flush=True)


def _last(done: Run) -> str:
    return done.lines[-1] if done.lines else "it said nothing"


def main() -> int:
    """Exit status 0 when all of it held."""
    parser = argparse.ArgumentParser(prog="bench-virtual", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-virtual-out"), help="where logs and the report go")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the kernel is kept between runs (600 MB)")
    parser.add_argument("--timeout-s", type=float, default=1800.0, help="how long one boot may take")
    parser.add_argument("--only", choices=["contract", "case"], help="do one of the two parts")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the virtual unit is not left running
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="scrubcam-bench-") as work:
            bench = VirtualBench(Path(work), options.cache, options.timeout_s)
            try:
                if options.only != "case":
                    bench.contract()
                if options.only != "contract":
                    bench.case()
            finally:
                bench.keep(options.out)
    except ScrubcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    text = f"Virtual bench: {bench.ran_on}\n\n{as_table(bench.rows)}\n\n{EMULATED}"
    (options.out / "report.md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}")
    return 0 if passed(bench.rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
