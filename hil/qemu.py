"""The virtual unit: QEMU's command line, and one run of it from power-on until it goes off or is cut off."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from firmware.errors import ScrubcamError
from hil.parts import program

MEMORY_MIB = 3072
LINE_MARK = "bench: "
"""What the guest says to the bench begins so; all else on its console is the kernel's and the programs' own."""
Accelerator = Literal["kvm", "tcg"]
PROCESSOR: dict[Accelerator, tuple[str, ...]] = {
    "kvm": ("-accel", "kvm", "-cpu", "host", "-smp", "2"),
    # One emulated processor that does one instruction in a nanosecond of the guest's own time, however slow or busy
    # this machine is: the guest's clocks, and with them every deadline in it, wait for it. Without AVX, which is slow.
    "tcg": ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on", "-cpu", "Westmere", "-smp", "1"),
}
COMPILED_FOR: dict[Accelerator, str] = {"kvm": "native", "tcg": "x86-64-v2"}
"""What the pixel kernels are compiled for, as g++ calls it: the guest's processor is not always the host's."""


class BenchFault(ScrubcamError):
    """The virtual bench itself failed: the guest did not boot, hung or ended without a result."""

    code, exit_code = "bench", 1


@dataclass(frozen=True, slots=True)
class Unit:
    """One virtual unit. `work` is the folder that host and guest share, under the same path; all else of the host's
    file system the guest sees read-only. `disk` is the image of the disk for recordings."""

    kernel: Path
    initramfs: Path
    disk: Path
    work: Path
    init: Path
    python: Path
    repository: Path
    accelerator: Accelerator

    def command(self, job: str) -> list[str]:
        """The command line that boots it for one job of hil.guest."""
        cmdline = (f"console=ttyS0 panic=-1 quiet bench.init={self.init} bench.repo={self.repository}"
                   f" bench.python={self.python} bench.work={self.work} bench.job={job}")
        monitor = self.work / "qmp.sock"
        return [
            program("qemu-system-x86_64", "qemu-system-x86"), "-nodefaults", "-display", "none", "-no-reboot",
            "-machine", "pc,i8042=off", "-m", str(MEMORY_MIB), *PROCESSOR[self.accelerator],
            "-kernel", str(self.kernel), "-initrd", str(self.initramfs), "-append", cmdline, "-serial", "stdio",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.work},mount_tag=work,security_model=none",
            "-drive", f"file={self.disk},format=raw,if=none,id=recordings",
            "-device", "virtio-blk-pci,drive=recordings,serial=recordings",
            "-device", "i6300esb", "-action", "watchdog=poweroff",
            "-device", "virtio-rng-pci",
            # The pedal: a USB keyboard that the guest presses, plugs and unplugs through QEMU's own monitor.
            "-device", "qemu-xhci,id=usb", "-device", "usb-kbd,id=pedal,bus=usb.0",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=monitor,path={monitor},server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            "-chardev", f"socket,id=hand,path={monitor}", "-device", "virtserialport,chardev=hand,name=bench.hand",
        ]


def accelerator(cpuinfo: str, kvm_usable: bool) -> Accelerator:
    """KVM only where the processor has what it needs: /dev/kvm alone can be there and not work."""
    flags = next((line.split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return "kvm" if kvm_usable and {"vmx", "svm"} & set(flags) else "tcg"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run: the guest's lines to the bench, its length, and whether the bench cut its power."""

    lines: list[str]
    seconds: float
    cut: bool


def run(unit: Unit, job: str, told: Callable[[str], None], *, cut_at: str | None, timeout_s: float) -> Run:
    """Boot, hand each line of the guest's to `told`, until it goes off; or kill it in the instant of the line `cut_at`.

    The whole console goes to `work`/JOB.log. Raises BenchFault when it goes on for longer than `timeout_s`.
    """
    begun, lines, cut = time.monotonic(), [], False
    with (unit.work / f"{job}.log").open("wb") as log, subprocess.Popen(
        unit.command(job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            pending = b""
            while True:
                left_s = begun + timeout_s - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise BenchFault(f"The virtual unit did not finish \"{job}\" within {timeout_s:.0f} s",
                                     todo=f"see {unit.work / f'{job}.log'}; on a busy machine give --timeout-s")
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                log.write(data)
                log.flush()
                *whole, pending = (pending + data).split(b"\n")
                for line in (text.decode("utf-8", "replace").strip() for text in whole):
                    if line.startswith(LINE_MARK):
                        lines.append(line.removeprefix(LINE_MARK))
                        cut = lines[-1] == cut_at
                        if cut:
                            process.kill()
                            break
                        told(lines[-1])
                if cut:
                    break
        finally:
            process.kill()
    return Run(lines, time.monotonic() - begun, cut)
