"""The files that the virtual unit reads: its scrubcam.toml and its bench.toml. Pure."""

from __future__ import annotations

import json
from pathlib import Path

from hil.guest_devices import DISK_FOLDER
from hil.qemu_hand import KEYS, USB_ID

CAMERA = "/dev/video0"
DRIVER = "/sys/bus/platform/drivers/vivid"


def scrubcam_toml(work: Path, models: Path, rate_hz: int) -> str:
    """A unit that records the virtual camera at its smallest size, with all detectors."""
    return f"""\
[device]
name = "virtual-bench"
[paths]
recordings_dir = "{DISK_FOLDER}/recordings"
state_dir = "{DISK_FOLDER}/state"
run_dir = "/run/scrubcam"
models_dir = {json.dumps(str(models))}
[source]
uri = "{CAMERA}"
width = 320
height = 180
rate_hz = {rate_hz}.0
[board]
kind = "pc"
definition = {json.dumps(str(work / "board.toml"))}
[encode]
preset = "ultrafast"
bitrate_bps = 500000
[recorder]
preroll_s = 0
reserve_bytes = 1000000
floor_bytes = 1000000
escrow = "none"
[[recorder.recipients]]
role = "archive"
file = {json.dumps(str(work / "archive.pub"))}
[mqtt]
health_interval_s = 1
"""


def bench_toml(ran_on: str, rate_hz: int) -> str:
    """Every adapter that the virtual unit has a part for. The camera is cut by taking it from its driver in mid-stream,
    as an unplugged one is. It comes back under another number while somebody still has the old one open; the link is
    what udev does on a unit."""
    restore = (f"test -e {CAMERA} || {{ echo vivid.0 > {DRIVER}/bind; sleep 1;"
               f" new=$(ls -t /dev/video[0-9]* | head -n 1); test $new = {CAMERA} || ln -sf $new {CAMERA}; }}")
    return f"""\
ran_on = {json.dumps(ran_on)}
[clock.system]
[disk.os]
folder = "{DISK_FOLDER}"
[files.os]
folder = "{DISK_FOLDER}"
[watchdog.linux]
device = "/dev/watchdog0"
timeout_s = 120
[pedal.qemu]
[pedal.uinput]
[frame_source.v4l2]
device = "{CAMERA}"
width = 320
height = 180
rate_hz = {rate_hz}
cut = "echo vivid.0 > {DRIVER}/unbind"
restore = {json.dumps(restore)}
"""


def board_toml() -> str:
    """The virtual unit as a board: a PC with QEMU's keyboard as its USB pedal."""
    return f"""\
[board]
title = "Virtual unit"
kind = "pc"
[pedal]
type = "usb"
usb_id = "{USB_ID}"
pedal_key = "{KEYS["pedal"]}"
privacy_key = "{KEYS["privacy"]}"
"""
