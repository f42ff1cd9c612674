"""The devices of the virtual unit, from inside the guest: the kernel's drivers, and the disk for recordings."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hil.parts import program

DRIVERS = (
    ("virtio_blk",), ("ext4",), ("virtio_rng",),
    # A webcam of 320x180 to 4K that films moving bars with numbers in them; one node, so that it is /dev/video0.
    ("vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0x0"),
    ("xhci_pci",), ("usbhid",), ("hid_generic",), ("evdev",), ("uinput",),
    ("i6300esb",),
)
DISK, DISK_FOLDER = Path("/dev/vda"), Path("/var/lib/scrubcam")


def load_drivers(kernel_root: Path) -> None:
    """Raises CalledProcessError when a driver is not there."""
    for driver in DRIVERS:
        subprocess.run([program("modprobe", "kmod"), "-d", str(kernel_root), *driver], check=True, timeout=120)


def mount_disk() -> None:
    """The virtio disk on DISK_FOLDER; the file system's own journal is replayed here. Raises CalledProcessError."""
    DISK_FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", str(DISK), str(DISK_FOLDER)], check=True, timeout=60)
