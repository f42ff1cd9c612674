"""The files that the virtual unit reads: its scrubcam.toml and its bench.toml. Pure."""

from __future__ import annotations

import json
from pathlib import Path

from hil.guest_devices import DISK_FOLDER

CAMERA = "/dev/video0"


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


def bench_toml(ran_on: str) -> str:
    """Every adapter that the virtual unit has a part for."""
    return f"""\
ran_on = {json.dumps(ran_on)}
[clock.system]
[disk.os]
folder = "{DISK_FOLDER}"
[files.os]
folder = "{DISK_FOLDER}"
[power.sysfs]
"""
