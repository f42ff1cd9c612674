"""A mounted file system on a disk whose power can be cut: nbdkit (volatile_disk.py), nbdfuse, a loop device, ext4."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PLUGIN = Path(__file__).with_name("volatile_disk.py")
SIZE_BYTES = 512 * 1024 * 1024
WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class CutTold:
    """What the disk tells of a cut: when (CLOCK_MONOTONIC), what it did with unflushed writes, how many there were,
    and the flushes before: how long before the cut each was asked for and done, in ns, and the bytes it covered."""

    at_ns: int
    mood: str
    unflushed_writes: int
    unflushed_bytes: int
    kept_bytes: int
    flushed: list[tuple[int, int, int]]


class CutDisk:
    """Needs root. `folder` is where the file system is mounted while the power is on."""

    def __init__(self, work: Path, flush_s: float) -> None:
        self._flush_s = flush_s
        self._log = open(work / "disk.log", "wb")  # noqa: SIM115  (as long as the programs that write it)
        self.folder = work / "disk"
        self._image = work / "disk.img"
        self._fuse = work / "fuse"
        for made in (self.folder, self._fuse):
            made.mkdir(parents=True)
        with open(self._image, "wb") as image:
            image.truncate(SIZE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self._sockets = Path(tempfile.mkdtemp(prefix="cut-"))  # a socket's path must be short
        self._programs: list[subprocess.Popen[bytes]] = []
        self._loop = ""
        self._turn = 0

    def power_on(self) -> None:
        """Start the disk and mount it; the file system's own journal is replayed here."""
        self._turn += 1
        nbd, control, file = self._socket("nbd"), self._socket("control"), self._fuse / "disk"
        self._start("nbdkit", "-f", "-U", str(nbd), "python", str(PLUGIN), f"image={self._image}", f"control={control}",
                    f"flush_s={self._flush_s}")
        _until(lambda: nbd.exists() and control.exists(), "nbdkit")
        self._start("nbdfuse", str(file), f"nbd+unix:///?socket={nbd}")
        _until(file.exists, "nbdfuse")
        self._loop = _run("losetup", "--find", "--show", "--direct-io=on", str(file)).strip()
        _run("mount", self._loop, str(self.folder))

    def cut(self, seed: int, writes: int = 0) -> CutTold:
        """The power goes, now or amid the next writes: see volatile_disk._cut. The mount fails until `put_away`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(WAIT_S)
            line.connect(str(self._socket("control")))
            line.sendall(f"cut {seed} {writes}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                answer += line.recv(1000)
        return CutTold(**json.loads(answer))

    def put_away(self) -> None:
        """Unmount and end everything; nothing the kernel still holds in memory can reach the disk after a cut."""
        with contextlib.suppress(subprocess.CalledProcessError):
            _until(lambda: subprocess.run(["umount", str(self.folder)], capture_output=True).returncode == 0
                   or not os.path.ismount(self.folder), "unmounting")
        if self._loop:
            _run("losetup", "--detach", self._loop)
            asked = ("losetup", "--noheadings", "--output", "BACK-FILE", "--list", self._loop)
            _until(lambda: not _run(*asked, check=False).strip(), "releasing the loop device")
            self._loop = ""
        subprocess.run(["fusermount3", "-u", str(self._fuse / "disk")], capture_output=True)
        for program in reversed(self._programs):
            program.terminate()
        for program in self._programs:
            try:
                program.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(WAIT_S)
        self._programs = []

    def _socket(self, name: str) -> Path:
        return self._sockets / f"{name}-{self._turn}"

    def _start(self, *command: str) -> None:
        self._programs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log))


def _run(*command: str, check: bool = True) -> str:
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60).stdout


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took more than {WAIT_S:g} s")
        time.sleep(0.02)
